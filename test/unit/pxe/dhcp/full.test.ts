import { describe, expect, it } from 'vitest';
import {
  address,
  DECLINE,
  DISCOVER,
  FIRMWARE,
  hex,
  INFORM,
  type RawDhcp,
  RELEASE,
  REQUEST,
  rawDhcp,
} from '../firmware-packets.ts';
import { FULL, Harness, SERVER } from '../pxe-harness.ts';

const A = '52:54:00:00:00:0a';
const B = '52:54:00:00:00:0b';
const OURS = [54, address('192.168.50.1')] as const;

function wants(text: string) {
  return [50, address(text)] as const;
}

function request(
  mac: string,
  options: RawDhcp['options'] = [],
  more: Partial<RawDhcp> = {},
): Buffer {
  return rawDhcp({ message: REQUEST, mac, options, ...more });
}

async function leased(harness: Harness, mac: string): Promise<string> {
  const offer = await harness.send(rawDhcp({ message: DISCOVER, mac }));
  const ack = await harness.send(request(mac, [OURS, wants(offer?.address ?? '')]));
  expect(ack?.message).toBe('ACK');
  return ack?.address ?? '';
}

describe('full DHCP', () => {
  it('offers and leases an address with the parameters of the network', async () => {
    const harness = new Harness(FULL);
    const offer = await harness.send(
      rawDhcp({ message: DISCOVER, mac: A, options: FIRMWARE.linux }),
    );
    expect(offer).toMatchObject({
      message: 'OFFER',
      address: '192.168.50.100',
      fileName: '',
      siaddr: 0,
    });
    expect(harness.saved).toEqual([]);
    const ack = await harness.send(request(A, [OURS, wants('192.168.50.100')]));
    expect(ack).toMatchObject({ message: 'ACK', address: '192.168.50.100' });
    expect(ack?.destination).toEqual({ kind: 'broadcast' });
    expect(
      Object.fromEntries([...(ack?.options ?? [])].map(([k, v]) => [k, v.toString('hex')])),
    ).toEqual({
      1: 'ffffff00',
      3: 'c0a832fe',
      6: 'c0a8320109090909',
      15: Buffer.from('boot.example').toString('hex'),
      28: 'c0a832ff',
      51: '00000258',
      53: '05',
      54: 'c0a83201',
      58: '0000012c',
      59: '0000020d',
    });
    expect(harness.saved).toEqual([
      { address: '192.168.50.100', mac: A, state: 'bound', expiresAt: 1_600_000 },
    ]);
  });

  it('gives the kernel, which says nothing of PXE, the address that the firmware got', async () => {
    const harness = new Harness(FULL);
    const firmware = await harness.send(
      rawDhcp({ message: DISCOVER, mac: A, options: FIRMWARE.ipxeRom }),
    );
    const got = firmware?.address ?? '';
    await harness.send(request(A, [...FIRMWARE.ipxeRom, OURS, wants(got)]));
    await leased(harness, B);
    const kernel = await harness.send(rawDhcp({ message: DISCOVER, mac: A }));
    expect(kernel).toMatchObject({ message: 'OFFER', address: got, fileName: '' });
    const ack = await harness.send(request(A, [OURS, wants(got)]));
    expect(ack).toMatchObject({ message: 'ACK', address: got });
  });

  it('gives the address of a machine that is up to nobody, though its lease has ended', async () => {
    const harness = new Harness(FULL);
    const macs = [A, B, '52:54:00:00:00:0c'];
    for (const mac of macs) await leased(harness, mac);
    harness.now += 10 * FULL.leaseSeconds * 1000;
    for (const mac of macs) harness.up.add(mac);
    // More machines than addresses: the newcomer gets none, and the operator hears of it.
    const newcomer = '52:54:00:00:00:0d';
    const discover = rawDhcp({
      message: DISCOVER,
      mac: newcomer,
      options: [wants('192.168.50.101')],
    });
    expect(await harness.send(discover)).toBeUndefined();
    expect(harness.events.at(-1)).toEqual({ type: 'dhcp-pool-exhausted', mac: newcomer });
    const taken = await harness.send(request(newcomer, [OURS, wants('192.168.50.101')]));
    expect(taken?.message).toBe('NAK');
    // Its owner still has it, and gets it again.
    expect(await leased(harness, B)).toBe('192.168.50.101');
    harness.up.delete(A);
    expect((await harness.send(discover))?.address).toBe('192.168.50.100');
  });

  it('does not acknowledge what it could not write down', async () => {
    const harness = new Harness(FULL);
    await harness.send(rawDhcp({ message: DISCOVER, mac: A }));
    harness.saveFails = true;
    expect(await harness.send(request(A, [OURS, wants('192.168.50.100')]))).toBeUndefined();
    expect(harness.events.at(-1)).toMatchObject({ type: 'failure', where: 'dhcp' });
  });

  it('tells iPXE not to wait for a proxy', async () => {
    const reply = await new Harness(FULL).send(
      rawDhcp({ message: DISCOVER, options: FIRMWARE.ipxeRom }),
    );
    expect(reply?.fileName).toBe('http://192.168.50.1:8069/boot/52-54-00-12-34-56.ipxe');
    expect(reply?.options.get(175)).toEqual(hex('b0 01 01 ff'));
    expect(reply?.options.get(61)).toEqual(hex('01 525400123456'));
  });

  it.each([
    ['biosRom', 'undionly.kpxe', undefined],
    ['ovmfPxe', 'ipxe.efi', undefined],
    ['ovmfHttp', 'http://192.168.50.1:8069/boot/ipxe.efi', 'HTTPClient'],
  ] as const)('gives %s an address and %s in one offer', async (name, fileName, vendorClass) => {
    const reply = await new Harness(FULL).send(
      rawDhcp({ message: DISCOVER, options: FIRMWARE[name] }),
    );
    expect(reply).toMatchObject({ address: '192.168.50.100', fileName, siaddr: SERVER });
    expect(reply?.options.get(60)?.toString()).toBe(vendorClass);
  });

  it('gives an ignored machine its address without a file', async () => {
    const harness = new Harness(FULL);
    harness.decision = new Error('locked');
    const reply = await harness.send(rawDhcp({ message: DISCOVER, options: FIRMWARE.biosRom }));
    expect(reply).toMatchObject({ address: '192.168.50.100', fileName: '' });
  });

  it('keeps a machine on one address though its client identifier changes', async () => {
    const harness = new Harness(FULL);
    const ids = ['01 525400123456', 'ff 12345678 0001', '00 aabb'];
    for (const id of ids) {
      const reply = await harness.send(rawDhcp({ message: DISCOVER, options: [[61, hex(id)]] }));
      expect(reply?.address).toBe('192.168.50.100');
      expect(reply?.options.get(61)).toEqual(hex(id));
    }
  });

  it('reports an exhausted pool and gives out what is released', async () => {
    const harness = new Harness(FULL);
    const first = await leased(harness, A);
    await leased(harness, B);
    await leased(harness, '52:54:00:00:00:0c');
    const late = rawDhcp({ message: DISCOVER, mac: '52:54:00:00:00:0d' });
    expect(await harness.send(late)).toBeUndefined();
    expect(harness.events.at(-1)).toMatchObject({ type: 'dhcp-pool-exhausted' });
    for (let n = 0; n < 100; n++) await harness.send(late);
    const told = harness.events.filter((event) => event.type === 'dhcp-pool-exhausted');
    expect(told.length).toBe(1);
    await harness.send(rawDhcp({ message: RELEASE, mac: A, ciaddr: first, options: [OURS] }));
    expect((await harness.send(late))?.address).toBe(first);
  });

  it('forgets its offer when the client takes another server', async () => {
    const harness = new Harness(FULL);
    await harness.send(rawDhcp({ message: DISCOVER, mac: A }));
    const other = [54, address('192.168.50.9')] as const;
    expect(await harness.send(request(A, [other, wants('192.168.50.200')]))).toBeUndefined();
    expect((await harness.send(rawDhcp({ message: DISCOVER, mac: B })))?.address).toBe(
      '192.168.50.100',
    );
  });

  describe('INIT-REBOOT', () => {
    it('acknowledges the address on record', async () => {
      const harness = new Harness(FULL);
      const mine = await leased(harness, A);
      expect(await harness.send(request(A, [wants(mine)]))).toMatchObject({
        message: 'ACK',
        address: mine,
      });
    });

    it('refuses another address, by broadcast', async () => {
      const harness = new Harness(FULL);
      await leased(harness, A);
      const nak = await harness.send(
        request(A, [wants('192.168.50.101')], { ciaddr: '192.168.50.101' }),
      );
      expect(nak).toMatchObject({
        message: 'NAK',
        yiaddr: 0,
        siaddr: 0,
        destination: { kind: 'broadcast' },
      });
      expect([...(nak?.options.keys() ?? [])].sort()).toEqual([53, 54, 56]);
    });

    it('refuses an address of another network', async () => {
      expect(await new Harness(FULL).send(request(A, [wants('10.1.2.3')]))).toMatchObject({
        message: 'NAK',
      });
    });

    it('is silent to a client that it does not know', async () => {
      expect(await new Harness(FULL).send(request(A, [wants('192.168.50.101')]))).toBeUndefined();
    });

    it('but refuses it the address of another', async () => {
      const harness = new Harness(FULL);
      const taken = await leased(harness, A);
      expect(await harness.send(request(B, [wants(taken)]))).toMatchObject({ message: 'NAK' });
    });
  });

  it('renews to the address itself and extends the lease', async () => {
    const harness = new Harness(FULL);
    const mine = await leased(harness, A);
    harness.now += 300_000;
    const ack = await harness.send(request(A, [], { ciaddr: mine }));
    expect(ack).toMatchObject({ message: 'ACK', address: mine, destination: { kind: 'client' } });
    expect(harness.saved.at(-1)?.expiresAt).toBe(1_900_000);
  });

  it('refuses to renew what another has got', async () => {
    const harness = new Harness(FULL);
    const taken = await leased(harness, A);
    expect(await harness.send(request(B, [], { ciaddr: taken }))).toMatchObject({ message: 'NAK' });
  });

  it('quarantines a declined address, over a restart too', async () => {
    const harness = new Harness(FULL);
    const first = await leased(harness, A);
    await harness.send(rawDhcp({ message: DECLINE, mac: A, options: [OURS, wants(first)] }));
    expect(harness.events.at(-1)).toEqual({ type: 'dhcp-declined', mac: A, address: first });
    expect(harness.saved.at(-1)).toMatchObject({ state: 'declined', expiresAt: 4_600_000 });
    expect(await leased(harness, A)).not.toBe(first);
    const again = new Harness(FULL, harness.saved);
    const asked = rawDhcp({ message: DISCOVER, mac: B, options: [wants(first)] });
    expect((await again.send(asked))?.address).not.toBe(first);
    again.now += 3_600_000;
    expect(
      (
        await again.send(
          rawDhcp({ message: DISCOVER, mac: '52:54:00:00:00:0e', options: [wants(first)] }),
        )
      )?.address,
    ).toBe(first);
  });

  it('ignores DECLINE and RELEASE of an address that is not the sender’s', async () => {
    const harness = new Harness(FULL);
    const taken = await leased(harness, A);
    const before = harness.saved.length;
    await harness.send(rawDhcp({ message: DECLINE, mac: B, options: [wants(taken)] }));
    await harness.send(rawDhcp({ message: RELEASE, mac: B, ciaddr: taken }));
    expect(harness.saved.length).toBe(before);
  });

  it('keeps leases over a restart', async () => {
    const harness = new Harness(FULL);
    const [a, b] = [await leased(harness, A), await leased(harness, B)];
    const again = new Harness(FULL, harness.saved);
    expect((await again.send(rawDhcp({ message: DISCOVER, mac: B })))?.address).toBe(b);
    expect(await again.send(request(A, [], { ciaddr: a }))).toMatchObject({
      message: 'ACK',
      address: a,
    });
    const other = await again.send(rawDhcp({ message: DISCOVER, mac: '52:54:00:00:00:0c' }));
    expect([a, b]).not.toContain(other?.address);
  });

  it('answers INFORM without a lease', async () => {
    const ack = await new Harness(FULL).send(rawDhcp({ message: INFORM, ciaddr: '192.168.50.9' }));
    expect(ack).toMatchObject({
      message: 'ACK',
      yiaddr: 0,
      destination: { kind: 'client', address: 0xc0a83209 },
    });
    expect([51, 58, 59].some((code) => ack?.options.has(code))).toBe(false);
    expect(ack?.options.has(3)).toBe(true);
  });

  it('answers relays of its subnet with their option 82, and refuses others', async () => {
    const harness = new Harness(FULL);
    const options = [[82, hex('0104 deadbeef')]] as const;
    const reply = await harness.send(
      rawDhcp({ message: DISCOVER, giaddr: '192.168.50.2', options }),
    );
    expect(reply).toMatchObject({ destination: { kind: 'relay', address: 0xc0a83202 } });
    expect([...(reply?.options ?? [])].at(-1)).toEqual([82, hex('0104 deadbeef')]);
    expect(await harness.send(rawDhcp({ message: DISCOVER, giaddr: '10.0.0.1' }))).toBeUndefined();
    expect(harness.events.at(-1)).toMatchObject({ type: 'dhcp-refused' });
  });

  it('gives a reservation, inside or outside the ranges, to its machine only', async () => {
    const reservations = [
      { mac: '52-54-00-00-00-0A', address: '192.168.50.100' },
      { mac: B, address: '192.168.50.10' },
    ];
    const harness = new Harness({ ...FULL, reservations });
    expect(await leased(harness, '52:54:00:00:00:0c')).toBe('192.168.50.101');
    expect(await leased(harness, A)).toBe('192.168.50.100');
    expect(await leased(harness, B)).toBe('192.168.50.10');
    expect(
      await harness.send(request('52:54:00:00:00:0d', [OURS, wants('192.168.50.10')])),
    ).toMatchObject({
      message: 'NAK',
    });
  });

  it('forgets the lease of a machine that got a reservation since', async () => {
    const before = new Harness(FULL);
    expect(await leased(before, A)).toBe('192.168.50.100');
    const reservations = [{ mac: A, address: '192.168.50.20' }];
    const after = new Harness({ ...FULL, reservations }, before.saved);
    expect(await after.send(request(A, [], { ciaddr: '192.168.50.100' }))).toMatchObject({
      message: 'NAK',
    });
    expect(await leased(after, A)).toBe('192.168.50.20');
    expect(after.removed).toEqual(['192.168.50.100']);
    expect(await leased(after, B)).toBe('192.168.50.100');
  });

  it.each<[string, Partial<typeof FULL>]>([
    ['netmask', { netmask: '255.0.255.0' }],
    ['ranges', { ranges: [{ first: '192.168.51.1', last: '192.168.51.9' }] }],
    ['ranges', { ranges: [{ first: '192.168.50.9', last: '192.168.50.3' }] }],
    ['ranges', { ranges: [{ first: '192.168.50.1', last: '192.168.50.3' }] }],
    ['ranges', { ranges: [{ first: '192.168.50.9', last: '192.168.50.255' }] }],
    [
      'ranges',
      {
        ranges: [
          { first: '192.168.50.3', last: '192.168.50.9' },
          { first: '192.168.50.9', last: '192.168.50.11' },
        ],
      },
    ],
    ['reservations', { reservations: [{ mac: 'zz', address: '192.168.50.9' }] }],
    ['reservations', { reservations: [{ mac: A, address: '192.168.50.1' }] }],
    ['router', { router: '10.0.0.1' }],
    ['dnsServers', { dnsServers: ['dns.example'] }],
    ['dnsServers', { dnsServers: Array.from({ length: 9 }, () => '9.9.9.9') }],
    ['domainName', { domainName: 'a b' }],
    ['leaseSeconds', { leaseSeconds: 59 }],
  ])('refuses a configuration with a wrong %s', (field, wrong) => {
    expect(() => new Harness({ ...FULL, ...wrong })).toThrow(
      expect.objectContaining({
        code: 'INVALID_INPUT',
        details: expect.objectContaining({ field: `pxe.dhcp.${field}` }),
      }),
    );
  });
});
