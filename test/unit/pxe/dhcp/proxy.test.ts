import { describe, expect, it } from 'vitest';
import { DISCOVER, FIRMWARE, hex, INFORM, REQUEST, rawDhcp } from '../firmware-packets.ts';
import { Harness, SERVER } from '../pxe-harness.ts';

const SCRIPT = 'http://192.168.50.1:8069/boot/52-54-00-12-34-56.ipxe';

function discover(name: keyof typeof FIRMWARE, changes = {}): Buffer {
  return rawDhcp({ message: DISCOVER, options: FIRMWARE[name], ...changes });
}

describe('proxy DHCP', () => {
  it('gives BIOS firmware its file at once, with option 43 saying so', async () => {
    const reply = await new Harness('proxy').send(discover('biosRom'));
    expect(reply).toMatchObject({
      op: 'reply',
      message: 'OFFER',
      xid: 0x1234abcd,
      yiaddr: 0,
      siaddr: SERVER,
      serverName: '192.168.50.1',
      fileName: 'undionly.kpxe',
      broadcast: true,
      destination: { kind: 'broadcast' },
    });
    expect(reply?.options.get(60)?.toString()).toBe('PXEClient');
    expect(reply?.options.get(54)).toEqual(hex('c0a83201'));
    expect(reply?.options.get(43)).toEqual(hex('06 01 08 ff'));
    expect(reply?.options.get(97)).toEqual(hex('00 78563412 3412 7856 9abc def012345678'));
    expect(reply?.options.has(51)).toBe(false);
  });

  it.each(['ipxeRom', 'ipxeEfi'] as const)('sends %s straight to its script', async (name) => {
    expect(await new Harness('proxy').send(discover(name))).toMatchObject({ fileName: SCRIPT });
  });

  it('gives iPXE without HTTP ours, which has it: no loop', async () => {
    expect(await new Harness('proxy').send(discover('ipxeWithoutHttp'))).toMatchObject({
      fileName: 'undionly.kpxe',
    });
  });

  it.each([
    ['ovmfPxe', 'ipxe.efi'],
    ['aavmfPxe', 'snp-arm64.efi'],
  ] as const)('sends %s to port 4011 first, and there gives %s', async (name, file) => {
    const harness = new Harness('proxy');
    const offer = await harness.send(discover(name));
    expect(offer).toMatchObject({ message: 'OFFER', siaddr: SERVER, fileName: '' });
    expect(offer?.options.has(43)).toBe(false);
    expect(offer?.options.has(67)).toBe(false);
    const request = rawDhcp({ message: REQUEST, ciaddr: '192.168.50.77', options: FIRMWARE[name] });
    const ack = await harness.send(request, 'boot-server');
    expect(ack).toMatchObject({ message: 'ACK', fileName: file, siaddr: SERVER, yiaddr: 0 });
    expect(ack?.destination).toEqual({ kind: 'client', address: 0xc0a8324d });
  });

  it.each([
    ['ovmfHttp', 'http://192.168.50.1:8069/boot/ipxe.efi'],
    ['aavmfHttp', 'http://192.168.50.1:8069/boot/snp-arm64.efi'],
  ] as const)('offers %s a URL as HTTPClient', async (name, url) => {
    const reply = await new Harness('proxy').send(discover(name));
    expect(reply).toMatchObject({ message: 'OFFER', yiaddr: 0, fileName: url });
    expect(reply?.options.get(60)?.toString()).toBe('HTTPClient');
    expect(reply?.options.has(43)).toBe(false);
  });

  it('answers a boot-server request on port 67 with its boot item', async () => {
    const options = [...FIRMWARE.biosRom, [43, hex('47 04 0000 0000 ff')] as const];
    const reply = await new Harness('proxy').send(
      rawDhcp({ message: REQUEST, ciaddr: '192.168.50.77', options }),
    );
    expect(reply).toMatchObject({ message: 'ACK', fileName: 'undionly.kpxe' });
    expect(reply?.options.get(43)).toEqual(hex('06 01 08 47 04 0000 0000 ff'));
  });

  it.each<[string, Buffer]>([
    ['an operating system', discover('linux')],
    ['the REQUEST to the other server', rawDhcp({ message: REQUEST, options: FIRMWARE.biosRom })],
    ['an INFORM without a boot item', rawDhcp({ message: INFORM, options: FIRMWARE.biosRom })],
    ['a reply of the other server', rawDhcp({ message: 2, op: 2, options: FIRMWARE.biosRom })],
    ['an OFFER that calls itself a request', rawDhcp({ message: 2, options: FIRMWARE.biosRom })],
  ])('keeps silent to %s', async (_what, bytes) => {
    const harness = new Harness('proxy');
    expect(await harness.send(bytes)).toBeUndefined();
    expect(harness.decisions).toBe(0);
  });

  it('keeps silent to a machine that the catalog ignores, and says so', async () => {
    const harness = new Harness('proxy');
    harness.decision = { kind: 'ignore' };
    expect(await harness.send(discover('biosRom'))).toBeUndefined();
    expect(harness.events).toMatchObject([{ type: 'dhcp-boot-request', outcome: 'ignored' }]);
  });

  it('answers one that boots its local disk: its script says why', async () => {
    const harness = new Harness('proxy');
    harness.decision = { kind: 'local-disk', reason: 'waits for approval' };
    expect(await harness.send(discover('biosRom'))).toMatchObject({ fileName: 'undionly.kpxe' });
  });

  it('survives a catalog that throws', async () => {
    const harness = new Harness('proxy');
    harness.decision = new Error('locked');
    expect(await harness.send(discover('biosRom'))).toBeUndefined();
    expect(harness.events[0]).toMatchObject({ type: 'failure', where: 'catalog.decide' });
  });

  it('answers through a relay to the relay', async () => {
    const reply = await new Harness('proxy').send(discover('biosRom', { giaddr: '10.9.0.1' }));
    expect(reply).toMatchObject({
      giaddr: 0x0a090001,
      destination: { kind: 'relay', address: 0x0a090001 },
    });
  });

  it('counts unknown architectures without remembering each', async () => {
    const harness = new Harness('proxy');
    for (let code = 1000; code < 1100; code++) {
      const architecture = Buffer.from([code >> 8, code & 255]);
      await harness.send(
        rawDhcp({
          message: DISCOVER,
          options: [
            [60, 'PXEClient'],
            [93, architecture],
          ],
        }),
      );
    }
    expect(harness.events).toEqual([
      { type: 'dhcp-dropped', reason: 'unknown-architecture', count: 1 },
    ]);
  });

  it('makes one event of a storm of broken packets', async () => {
    const harness = new Harness('proxy');
    for (let n = 0; n < 1000; n++) await harness.send(Buffer.alloc(100));
    expect(harness.events).toEqual([
      { type: 'dhcp-dropped', reason: 'packet-too-short', count: 1 },
    ]);
    harness.now += 10_000;
    await harness.send(Buffer.alloc(100));
    expect(harness.events[1]).toEqual({
      type: 'dhcp-dropped',
      reason: 'packet-too-short',
      count: 1000,
    });
  });
});
