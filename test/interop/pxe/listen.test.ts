/** Ports that cannot be had: said clearly, and nothing stays open. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { PxeConfig, RunningPxe } from '../../../src/pxe/index.ts';
import { startPxe } from '../../../src/pxe/index.ts';
import { EMPTY_BOOT_CATALOG } from '../../support/empty-boot-catalog.ts';
import { describeWith, program, root } from '../../support/requires.ts';
import { createLab, LAB_CONFIG, removeLab, startServer } from './lab.ts';

const LOCAL: PxeConfig = {
  ...LAB_CONFIG,
  serverAddress: '127.0.0.1',
  ports: { dhcp: 0, dhcpClient: 20068, bootServer: 0, tftp: 0, http: 0 },
};

function start(config: PxeConfig): Promise<RunningPxe> {
  return startPxe(config, EMPTY_BOOT_CATALOG, {
    leases: { load: () => [], save: () => {}, remove: () => {} },
    report: () => {},
    clock: Date,
  });
}

describe('ports in use', () => {
  const open: { close(): unknown }[] = [];
  afterEach(() => {
    for (const socket of open.splice(0)) socket.close();
  });

  async function udp(address: string, reuseAddr: boolean): Promise<number> {
    const socket: Socket = createSocket({ type: 'udp4', reuseAddr });
    open.push(socket);
    socket.bind(0, address);
    await once(socket, 'listening');
    return socket.address().port;
  }

  it.each<['dhcp' | 'bootServer' | 'tftp', string, boolean]>([
    ['dhcp', '0.0.0.0', false],
    // As dnsmasq does: our own two sockets share the port the same way, which must not hide it.
    ['dhcp', '0.0.0.0', true],
    ['bootServer', '127.0.0.1', true],
    ['tftp', '0.0.0.0', false],
  ])('%s, held on %s (shared: %s)', async (name, address, reuseAddr) => {
    const port = await udp(address, reuseAddr);
    await expect(
      start({ ...LOCAL, ports: { ...LOCAL.ports, [name]: port } }),
    ).rejects.toMatchObject({
      code: 'ADDRESS_IN_USE',
      details: { field: `pxe.ports.${name}`, value: port },
      message: expect.stringMatching(
        new RegExp(`port ${port}: another program has it \\(probably .*ss -lpn`),
      ),
    });
  });

  it('http, and nothing else stays open', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    open.push(server);
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    await expect(start({ ...LOCAL, ports: { ...LOCAL.ports, http: port } })).rejects.toMatchObject({
      code: 'ADDRESS_IN_USE',
    });
  });

  it('can start again where it failed before', async () => {
    const held = await udp('0.0.0.0', false);
    const [http, tftp] = [23_801, 23_802];
    const ports = { ...LOCAL.ports, http, tftp };
    await expect(start({ ...LOCAL, ports: { ...ports, dhcp: held } })).rejects.toThrow();
    const running = await start({ ...LOCAL, ports });
    expect(running.addresses.tftp).toEqual({ address: '127.0.0.1', port: tftp });
    await running.close();
    await (await start({ ...LOCAL, ports })).close();
  });
});

describe('configurations that cannot work', () => {
  it.each<[string, Partial<PxeConfig>]>([
    ['pxe.serverAddress', { serverAddress: 'boot.example' }],
    ['pxe.serverAddress', { serverAddress: '0.0.0.0' }],
    ['pxe.serverAddress', { serverAddress: '203.0.113.77' }],
    ['pxe.broadcastAddress', { broadcastAddress: '' }],
    ['pxe.nbd.address', { nbd: { address: '::1', port: 1 } }],
    ['pxe.httpBaseUrl', { httpBaseUrl: 'http://boot/' }],
    ['pxe.httpBaseUrl', { httpBaseUrl: 'https://boot' }],
    ['pxe.httpBaseUrl', { httpBaseUrl: 'http://boot/$x' }],
    ['pxe.httpBaseUrl', { httpBaseUrl: 'http://boot\nshell' }],
  ])('%s: %j', async (field, wrong) => {
    await expect(start({ ...LOCAL, ...wrong })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      details: { field },
    });
  });

  it('says at start which loaders are missing', async () => {
    const running = await start({ ...LOCAL, loaderFolders: ['/nonexistent'] });
    expect(running.missingLoaders).toEqual(['undionly.kpxe', 'ipxe.efi']);
    await running.close();
  });
});

describeWith(
  [root(), program('setpriv', 'util-linux'), program('ip', 'iproute2')],
  'without the right',
  () => {
    it.each([
      ['TFTP', 69, { dhcp: { mode: 'off' } }],
      ['DHCP', 67, { tftp: false }],
    ] as const)('to the port of %s', async (service, port, config) => {
      createLab();
      try {
        const nobody = [
          'setpriv',
          '--reuid=65534',
          '--regid=65534',
          '--clear-groups',
          '--bounding-set=-all',
        ];
        const server = startServer({ ...LAB_CONFIG, ...config }, { as: nobody });
        const fault = await server.line((line) => line.type === 'fault');
        expect(fault).toMatchObject({
          code: 'PERMISSION_DENIED',
          message: expect.stringMatching(
            new RegExp(
              `^${service} cannot listen on .* port ${port}: .*root or the capability CAP_NET_BIND_SERVICE`,
            ),
          ),
        });
        expect(await server.ended).toBe(1);
      } finally {
        removeLab();
      }
    });
  },
);
