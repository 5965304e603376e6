/** DHCP with other people's clients and servers, on a network of its own. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { formatIpv4 } from '../../../src/base/index.ts';
import { type DhcpPacket, decodeDhcp } from '../../../src/pxe/dhcp/wire/packet.ts';
import type { Lease, PxeConfig } from '../../../src/pxe/index.ts';
import { describeWith, program, root } from '../../support/requires.ts';
import { DISCOVER, FIRMWARE, REQUEST, rawDhcp } from '../../unit/pxe/firmware-packets.ts';
import {
  createLab,
  inNamespace,
  LAB_CONFIG,
  namespaceOf,
  Running,
  removeLab,
  run,
  startedServer,
} from './lab.ts';

const FULL: PxeConfig = {
  ...LAB_CONFIG,
  dhcp: {
    mode: 'full',
    netmask: '255.255.255.0',
    ranges: [{ first: '192.168.50.100', last: '192.168.50.199' }],
    reservations: [{ mac: '52:54:00:00:00:99', address: '192.168.50.9' }],
    router: '192.168.50.254',
    dnsServers: ['192.168.50.1'],
    domainName: 'boot.example',
    leaseSeconds: 600,
  },
};

const NEEDS = [
  root(),
  program('ip', 'iproute2'),
  program('dnsmasq', 'dnsmasq-base'),
  program('perfdhcp', 'kea-admin'),
  program('busybox', 'busybox-static'),
];

interface Reply extends DhcpPacket {
  readonly from: string;
  readonly port: number;
}

/** Everything that the machine hears after it sent these packets. */
async function probe(
  orders: readonly { bytes: Buffer; to?: string; port?: number }[],
): Promise<Reply[]> {
  const client = fileURLToPath(new URL('dhcp-probe.ts', import.meta.url));
  const texts = orders.map(({ bytes, to = '255.255.255.255', port = 67 }) =>
    JSON.stringify({ send: bytes.toString('hex'), to, port }),
  );
  const running = new Running(inNamespace('machine', process.execPath, client, ...texts));
  await running.ended;
  return running.lines.map((line) => {
    const decoded = decodeDhcp(Buffer.from(String(line['hex']), 'hex'));
    if (decoded.kind === 'violation') throw new Error(decoded.violation);
    return { ...decoded.packet, from: String(line['from']), port: Number(line['port']) };
  });
}

describeWith(NEEDS, 'DHCP on a real network', () => {
  const folder = mkdtempSync(join(tmpdir(), 'h5-dhcp-'));
  const leaseFile = join(folder, 'leases.json');
  const running: Running[] = [];

  beforeAll(() => {
    createLab();
    // A client without an address needs a route to send a broadcast from an ordinary socket.
    const machine = namespaceOf('machine');
    run(['ip', '-n', machine, 'link', 'set', 'eth0', 'address', '52:54:00:00:00:42']);
    run(['ip', '-n', machine, 'route', 'add', 'default', 'dev', 'eth0']);
  });

  afterEach(async () => {
    for (const process of running.splice(0)) await process.stop();
    rmSync(leaseFile, { force: true });
  });

  afterAll(() => {
    removeLab();
    rmSync(folder, { recursive: true, force: true });
  });

  async function start(config: PxeConfig): Promise<Running> {
    const server = await startedServer(config, { leaseFile });
    running.push(server);
    return server;
  }

  async function udhcpc(...extra: string[]): Promise<string> {
    const script = join(folder, 'udhcpc.sh');
    const show =
      '#!/bin/sh\n[ "$1" = bound ] && echo "$ip $subnet $router $dns $domain $lease $boot_file"\nexit 0\n';
    writeFileSync(script, show, { mode: 0o755 });
    const command = [
      'busybox',
      'udhcpc',
      '-i',
      'eth0',
      '-n',
      '-q',
      '-f',
      '-t',
      '5',
      '-T',
      '1',
      '-s',
      script,
    ];
    const { output } = run(inNamespace('machine', ...command, ...extra));
    return output.split('\n').find((line) => /^\d/.test(line)) ?? output;
  }

  it('full mode serves busybox udhcpc, and the lease survives a restart', async () => {
    const server = await start(FULL);
    expect(await udhcpc()).toBe(
      '192.168.50.100 255.255.255.0 192.168.50.254 192.168.50.1 boot.example 600 ',
    );
    await server.stop('SIGKILL');
    await start(FULL);
    const other = rawDhcp({ message: DISCOVER, mac: '52:54:00:00:00:43', flags: 0x8000 });
    expect((await probe([{ bytes: other }])).map((r) => formatIpv4(r.yiaddr))).toEqual([
      '192.168.50.101',
    ]);
    expect(await udhcpc('-C')).toContain('192.168.50.100 ');
  });

  it('full mode gives the reserved address and a boot file to PXE firmware', async () => {
    await start(FULL);
    const mac = '52:54:00:00:00:99';
    const replies = await probe([
      { bytes: rawDhcp({ message: DISCOVER, mac, options: FIRMWARE.ipxeRom }) },
    ]);
    expect(replies).toMatchObject([
      { from: '192.168.50.1', port: 67, message: 'OFFER', yiaddr: 0xc0a83209, mac },
    ]);
    expect(replies[0]?.fileName).toBe('http://192.168.50.1:8069/boot/52-54-00-00-00-99.ipxe');
  });

  it('full mode answers perfdhcp without a drop', async () => {
    await start(FULL);
    const command = [
      'perfdhcp',
      '-4',
      '-l',
      'eth0',
      '-r',
      '40',
      '-R',
      '50',
      '-p',
      '3',
      // What is under way at the end is waited for, in microseconds, else it counts as dropped.
      '-W',
      '2000000',
      '192.168.50.1',
    ];
    const { output } = run(inNamespace('other', ...command));
    const figures = [...output.matchAll(/(sent packets|received packets|drops): (\d+)/g)].map((m) =>
      Number(m[2]),
    );
    const [offersSent = 0, offers, offerDrops, requests = 0, acks, ackDrops] = figures;
    expect(output).toMatch(/sent packets: \d{2,}/);
    expect(offersSent).toBeGreaterThan(60);
    expect([offers, offerDrops, acks, ackDrops]).toEqual([offersSent, 0, requests, 0]);
    const leases = JSON.parse(readFileSync(leaseFile, 'utf8')) as [string, Lease][];
    expect(leases.length).toBe(50);
    expect(new Set(leases.map(([, lease]) => lease.mac)).size).toBe(50);
  });

  it('survives a storm of broken packets', async () => {
    const server = await start(FULL);
    const good = rawDhcp({
      message: DISCOVER,
      mac: '52:54:00:00:00:42',
      flags: 0x8000,
      options: FIRMWARE.ipxeRom,
    });
    const storm = Array.from({ length: 400 }, (_, n) => {
      const bytes = Buffer.from(good);
      for (let at = n; at < bytes.length; at += 37) bytes[at] = (n * 31 + at) & 255;
      return { bytes: n % 2 === 0 ? bytes : good.subarray(0, n % good.length) };
    });
    // The machine cannot say more than an argument list: in handfuls.
    for (let at = 0; at < storm.length; at += 100) await probe(storm.slice(at, at + 100));
    expect(server.lines.some((line) => line.type === 'dhcp-dropped')).toBe(true);
    expect(server.lines.filter((line) => line.type === 'failure')).toEqual([]);
    expect(await udhcpc()).toMatch(/^192\.168\.50\.1\d\d /);
  });

  it('proxy mode adds the boot file to dnsmasq’s address, and nothing to other clients', async () => {
    const [command = '', ...args] = inNamespace(
      'other',
      'dnsmasq',
      '--no-daemon',
      '--conf-file=/dev/null',
      '--port=0',
      '--interface=eth0',
      '--no-ping',
      '--dhcp-range=192.168.50.50,192.168.50.60,10m',
      `--dhcp-leasefile=${join(folder, 'dnsmasq')}`,
      '--user=root',
      `--pid-file=${join(folder, 'dnsmasq.pid')}`,
    );
    const dnsmasq = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    try {
      await new Promise((resolve) => dnsmasq.stderr.once('data', resolve));
      const server = await start(LAB_CONFIG);
      const mac = '52:54:00:00:00:42';
      const discover = (options: (typeof FIRMWARE)[keyof typeof FIRMWARE]) => [
        { bytes: rawDhcp({ message: DISCOVER, mac, flags: 0x8000, options }) },
      ];
      const byServer = (replies: Reply[]) =>
        replies.toSorted((a, b) => a.from.localeCompare(b.from));
      expect(byServer(await probe(discover(FIRMWARE.biosRom)))).toMatchObject([
        { from: '192.168.50.1', yiaddr: 0, fileName: 'undionly.kpxe' },
        { from: '192.168.50.2', fileName: '' },
      ]);
      expect(byServer(await probe(discover(FIRMWARE.linux))).map((r) => r.from)).toEqual([
        '192.168.50.2',
      ]);
      // dnsmasq serves a machine that really takes its address (not as PXE firmware, which waits for an offer with one: udhcpc
      // takes the first that comes); the boot server then has the file.
      expect(await udhcpc()).toMatch(/^192\.168\.50\.(5\d|60) /);
      run([
        'ip',
        '-n',
        namespaceOf('machine'),
        'address',
        'add',
        '192.168.50.55/24',
        'dev',
        'eth0',
      ]);
      const request = rawDhcp({
        message: REQUEST,
        mac,
        ciaddr: '192.168.50.55',
        options: FIRMWARE.ovmfPxe,
      });
      expect(await probe([{ bytes: request, to: '192.168.50.1', port: 4011 }])).toMatchObject([
        { from: '192.168.50.1', port: 4011, message: 'ACK', fileName: 'ipxe.efi' },
      ]);
      expect(server.lines.filter((line) => line.type === 'failure')).toEqual([]);
    } finally {
      run(['ip', '-n', namespaceOf('machine'), 'address', 'flush', 'dev', 'eth0']);
      run(['ip', '-n', namespaceOf('machine'), 'route', 'add', 'default', 'dev', 'eth0']);
      dnsmasq.kill('SIGTERM');
    }
  });
});
