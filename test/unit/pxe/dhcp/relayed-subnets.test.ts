import { describe, expect, it } from 'vitest';
import { formatIpv4 } from '../../../../src/base/index.ts';
import { Fault } from '../../../../src/errors/index.ts';
import type { FullDhcpConfig } from '../../../../src/pxe/config.ts';
import { fullRules } from '../../../../src/pxe/dhcp/full-rules.ts';
import { address, DISCOVER, hex, RELEASE, REQUEST, rawDhcp } from '../firmware-packets.ts';
import { FULL, Harness, SERVER } from '../pxe-harness.ts';

const A = '52:54:00:00:00:0a';
const B = '52:54:00:00:00:0b';
const OURS = [54, address('192.168.50.1')] as const;
const NEAR = {
  network: '10.78.0.0/24',
  ranges: [{ first: '10.78.0.100', last: '10.78.0.101' }],
  router: '10.78.0.1',
};
const FAR = {
  network: '10.79.16.0/20',
  ranges: [{ first: '10.79.20.1', last: '10.79.20.9' }],
  router: '10.79.16.1',
};
const RELAYED: FullDhcpConfig = { ...FULL, subnets: [NEAR, FAR] };

/** Option 82: a circuit, then the link that the client is on. */
function information(link?: string): readonly [number, Buffer] {
  const circuit = Buffer.from('0104626f6f74', 'hex');
  const selection = link === undefined ? [] : [Buffer.from([5, 4]), address(link)];
  return [82, Buffer.concat([circuit, ...selection])];
}

describe('subnets behind relays', () => {
  it('gives an address of the network that the relay is on, with its mask and router', async () => {
    const harness = new Harness(RELAYED);
    const offer = await harness.send(
      rawDhcp({ message: DISCOVER, mac: A, giaddr: '10.78.0.1', options: [information()] }),
    );
    expect(offer).toMatchObject({
      message: 'OFFER',
      address: '10.78.0.100',
      giaddr: 0x0a4e0001,
      destination: { kind: 'relay', address: 0x0a4e0001 },
    });
    expect(offer?.options.get(1)?.toString('hex')).toBe('ffffff00');
    expect(offer?.options.get(3)).toEqual(address('10.78.0.1'));
    expect(offer?.options.get(28)).toEqual(address('10.78.0.255'));
    expect(offer?.options.get(54)).toEqual(address('192.168.50.1'));
    // RFC 3046 §2.2: as it came, and last of all.
    expect([...(offer?.options ?? [])].at(-1)).toEqual([...information()]);
    const ack = await harness.send(
      rawDhcp({
        ...{ message: REQUEST, mac: A, giaddr: '10.78.0.1' },
        options: [OURS, [50, address('10.78.0.100')], information()],
      }),
    );
    expect(ack).toMatchObject({ message: 'ACK', address: '10.78.0.100' });
    expect(harness.saved).toMatchObject([{ address: '10.78.0.100', mac: A, state: 'bound' }]);
  });

  it('goes by link selection where the relay is elsewhere, and still answers to the relay', async () => {
    const harness = new Harness(RELAYED);
    const relay = '192.168.50.254';
    const offer = await harness.send(
      rawDhcp({ message: DISCOVER, mac: A, giaddr: relay, options: [information('10.79.16.0')] }),
    );
    expect(offer).toMatchObject({
      address: '10.79.20.1',
      destination: { kind: 'relay', address: 0xc0a832fe },
    });
    expect(offer?.options.get(1)?.toString('hex')).toBe('fffff000');
  });

  it('does not fall back to the relay where the link is unknown', async () => {
    const harness = new Harness(RELAYED);
    const options = [information('10.99.0.0')];
    expect(
      await harness.send(rawDhcp({ message: DISCOVER, mac: A, giaddr: '10.78.0.1', options })),
    ).toBeUndefined();
    expect(harness.events).toMatchObject([
      { type: 'dhcp-refused', reason: 'no addresses for the relay 10.78.0.1, link 10.99.0.0' },
    ]);
  });

  it('believes no link selection that came without a relay', async () => {
    const harness = new Harness(RELAYED);
    const offer = await harness.send(
      rawDhcp({ message: DISCOVER, mac: A, options: [information('10.79.16.0')] }),
    );
    expect(offer?.address).toBe('192.168.50.100');
  });

  it('renews past the relay by the address that the client has', async () => {
    const harness = new Harness(RELAYED, [
      { address: '10.78.0.101', mac: A, state: 'bound', expiresAt: 2_000_000 },
    ]);
    const ack = await harness.send(rawDhcp({ message: REQUEST, mac: A, ciaddr: '10.78.0.101' }));
    expect(ack).toMatchObject({
      message: 'ACK',
      address: '10.78.0.101',
      destination: { kind: 'client', address: 0x0a4e0065 },
    });
    expect(ack?.options.get(3)).toEqual(address('10.78.0.1'));
    await harness.send(
      rawDhcp({ message: RELEASE, mac: A, ciaddr: '10.78.0.101', options: [OURS] }),
    );
    expect(harness.saved.at(-1)).toMatchObject({ address: '10.78.0.101', expiresAt: 1_000_000 });
  });

  it('refuses the address of another network by a NAK that the relay broadcasts', async () => {
    const harness = new Harness(RELAYED);
    const reply = await harness.send(
      rawDhcp({
        ...{ message: REQUEST, mac: A, giaddr: '10.78.0.1' },
        options: [[50, address('192.168.50.100')]],
      }),
    );
    expect(reply).toMatchObject({
      message: 'NAK',
      broadcast: true,
      destination: { kind: 'relay', address: 0x0a4e0001 },
    });
  });

  it('keeps the leases of each network apart', async () => {
    const harness = new Harness(RELAYED, [
      { address: '10.78.0.100', mac: A, state: 'bound', expiresAt: 2_000_000 },
    ]);
    // A machine that was carried to another network gets an address there.
    const here = await harness.send(rawDhcp({ message: DISCOVER, mac: A }));
    expect(here?.address).toBe('192.168.50.100');
    const other = await harness.send(
      rawDhcp({ message: DISCOVER, mac: B, giaddr: '10.78.0.1', options: [information()] }),
    );
    expect(other?.address).toBe('10.78.0.101');
    const third = await harness.send(
      rawDhcp({ message: DISCOVER, mac: '52:54:00:00:00:0c', giaddr: '10.78.0.1' }),
    );
    expect(third).toBeUndefined();
    expect(harness.events.at(-1)).toMatchObject({ type: 'dhcp-pool-exhausted' });
  });

  it('keeps a reservation for the network that it is of', async () => {
    const harness = new Harness({
      ...RELAYED,
      reservations: [{ mac: A, address: '10.78.0.7' }],
    });
    const there = await harness.send(
      rawDhcp({ message: DISCOVER, mac: A, giaddr: '10.78.0.1', options: [hex82()] }),
    );
    expect(there?.address).toBe('10.78.0.7');
    const here = await harness.send(rawDhcp({ message: DISCOVER, mac: A }));
    expect(here?.address).toBe('192.168.50.100');
  });
});

function hex82(): readonly [number, Buffer] {
  return [82, hex('0101ff')];
}

describe('the configuration of subnets', () => {
  const near = (change: Partial<typeof NEAR>) => [{ ...NEAR, ...change }];

  it.each([
    ['a network that is no number', near({ network: '10.78.0.0/x' })],
    ['a network by another address than its first', near({ network: '10.78.0.5/24' })],
    ['no bits at all', near({ network: '10.78.0.0/0' })],
    ['a router that is elsewhere', near({ router: '10.79.0.1' })],
    ['a range that is elsewhere', near({ ranges: [{ first: '10.77.0.1', last: '10.77.0.9' }] })],
    ['a range with its router in it', near({ router: '10.78.0.100' })],
    ['a network twice', [NEAR, NEAR]],
    ['a network in another', [NEAR, { ...NEAR, network: '10.78.0.0/25' }]],
    ['our own', near({ network: '192.168.50.0/24', router: '192.168.50.9', ranges: [] })],
  ])('refuses %s', (_what, subnets) => {
    expect(() => fullRules({ ...FULL, subnets }, SERVER)).toThrow(
      expect.objectContaining({
        constructor: Fault,
        code: 'INVALID_INPUT',
        details: expect.objectContaining({ field: 'pxe.dhcp.subnets' }),
      }),
    );
  });

  it('counts the addresses of all ranges together', () => {
    const wide = {
      network: '10.64.0.0/12',
      ranges: [{ first: '10.64.0.2', last: '10.65.0.1' }],
      router: '10.64.0.1',
    };
    expect(() => fullRules({ ...FULL, subnets: [wide] }, SERVER)).toThrow(/65536 addresses/);
  });

  it('has our own network first', () => {
    const networks = fullRules(RELAYED, SERVER).map(({ network }) => formatIpv4(network));
    expect(networks).toEqual(['192.168.50.0', '10.78.0.0', '10.79.16.0']);
  });
});
