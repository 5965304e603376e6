/**
 * DHCP's sockets. Node's UDP cannot be tied to an interface, so:
 * - a socket on 0.0.0.0 hears broadcasts, of every interface (docs/BOOT.md, "Several networks");
 * - a socket on the server's own address sends. Linux sends a broadcast out of the interface that
 *   holds the source address, so replies reach the configured network and no other. It also hears
 *   what is sent to us directly: renewals and relays;
 * - in proxy mode a third one, on port 4011, is the boot server.
 */
import type { RemoteInfo, Socket } from 'node:dgram';
import { formatIpv4 } from '../../base/index.ts';
import type { BootCatalog, LeaseStore } from '../boot-catalog.ts';
import type { PxeConfig } from '../config.ts';
import { MAX_DHCP_PACKETS_IN_FLIGHT } from '../limits.ts';
import { bindUdp, closeUdp } from '../udp-socket.ts';
import { AddressPool } from './address-pool.ts';
import { type FullRules, fullRules } from './full-rules.ts';
import type { ProxyPort } from './proxy-reply.ts';
import type { ReplyDestination } from './reply-address.ts';
import { DhcpResponder, type ResponderMode, type ResponderSetup } from './responder.ts';

const ANY_ADDRESS = '0.0.0.0';

export interface BoundPort {
  readonly address: string;
  readonly port: number;
}

export interface DhcpServer {
  readonly dhcp: BoundPort;
  readonly bootServer: BoundPort | undefined;
  close(): Promise<void>;
}

/** undefined when DHCP is off. @throws Fault INVALID_INPUT */
export async function responderMode(
  config: PxeConfig,
  serverAddress: number,
  leases: LeaseStore,
  catalog: Pick<BootCatalog, 'isUp'>,
): Promise<ResponderMode | undefined> {
  const { dhcp } = config;
  switch (dhcp.mode) {
    case 'off':
      return undefined;
    case 'proxy':
      return { kind: 'proxy' };
    case 'full': {
      const isUp = (mac: string): boolean => catalog.isUp(mac);
      const before = await leases.load();
      // A pool takes up the leases that are of its subnet.
      const subnetOf = (rules: FullRules) => ({
        rules,
        pool: new AddressPool(rules.pool, before, isUp),
      });
      const [own, ...relayed] = fullRules(dhcp, serverAddress);
      return { kind: 'full', subnets: [subnetOf(own), ...relayed.map(subnetOf)] };
    }
  }
}

/** @throws Fault ADDRESS_IN_USE, PERMISSION_DENIED, INVALID_INPUT */
export async function startDhcpServer(
  config: PxeConfig,
  setup: ResponderSetup,
): Promise<DhcpServer> {
  const sockets: Socket[] = [];
  const close = async () => {
    await Promise.all(sockets.splice(0).map(closeUdp));
  };
  try {
    const unicast = await bindDhcpPort(config, sockets);
    const bootServer =
      setup.mode.kind === 'proxy' ? await bindBootServer(config, sockets) : undefined;
    serve(config, new DhcpResponder(setup), { sockets, unicast, bootServer });
    return {
      dhcp: boundPort(unicast),
      bootServer: bootServer === undefined ? undefined : boundPort(bootServer),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function boundPort(socket: Socket): BoundPort {
  const { address, port } = socket.address();
  return { address, port };
}

/**
 * The two sockets share the port by SO_REUSEADDR, which would let them share it with another server
 * as well. So the port is first taken without it: that fails when anybody has it.
 */
async function bindDhcpPort(config: PxeConfig, sockets: Socket[]): Promise<Socket> {
  const target = {
    service: 'DHCP',
    port: config.ports.dhcp,
    field: 'pxe.ports.dhcp',
    usualOwners: 'dnsmasq, isc-dhcp-server, kea-dhcp4 or systemd-networkd',
  };
  const probe = await bindUdp({ ...target, address: ANY_ADDRESS }, { reuseAddr: false });
  const { port } = probe.address();
  await closeUdp(probe);
  const shared = { reuseAddr: true };
  const everywhere = await bindUdp({ ...target, port, address: ANY_ADDRESS }, shared);
  sockets.push(everywhere);
  const unicast = await bindUdp({ ...target, port, address: config.serverAddress }, shared);
  sockets.push(unicast);
  unicast.setBroadcast(true);
  return unicast;
}

async function bindBootServer(config: PxeConfig, sockets: Socket[]): Promise<Socket> {
  const socket = await bindUdp(
    {
      service: 'The PXE boot server (proxy DHCP)',
      address: config.serverAddress,
      port: config.ports.bootServer,
      field: 'pxe.ports.bootServer',
      usualOwners: 'dnsmasq or another PXE server',
    },
    { reuseAddr: false },
  );
  sockets.push(socket);
  return socket;
}

interface ServedSockets {
  readonly sockets: readonly Socket[];
  /** Sends everything but the boot server's answers. */
  readonly unicast: Socket;
  readonly bootServer: Socket | undefined;
}

function serve(config: PxeConfig, responder: DhcpResponder, served: ServedSockets): void {
  let inFlight = 0;
  const answer = async (bytes: Buffer, from: RemoteInfo, port: ProxyPort): Promise<void> => {
    if (inFlight >= MAX_DHCP_PACKETS_IN_FLIGHT) {
      responder.drop('too-many-in-flight');
      return;
    }
    inFlight += 1;
    const reply = await responder.answer(bytes, port);
    inFlight -= 1;
    if (reply === undefined) return;
    const to = sendTo(config, reply.destination, from, port);
    const socket = port === 'boot-server' ? (served.bootServer ?? served.unicast) : served.unicast;
    send(socket, reply.bytes, to, responder);
  };
  for (const socket of served.sockets) {
    const port = socket === served.bootServer ? 'boot-server' : 'dhcp';
    socket.on('message', (bytes, from) => void answer(bytes, from, port));
    // A receive error (an ICMP for something sent earlier) is about one packet, not the socket.
    socket.on('error', () => responder.drop('socket-error'));
  }
}

/** The network may be down and the address unreachable: that drops a packet, never the server. */
function send(socket: Socket, bytes: Buffer, to: BoundPort, responder: DhcpResponder): void {
  try {
    socket.send(bytes, to.port, to.address, (error) => {
      if (error !== null) responder.drop('send-failed');
    });
  } catch {
    responder.drop('send-failed'); // closed meanwhile
  }
}

function sendTo(
  config: PxeConfig,
  destination: ReplyDestination,
  from: RemoteInfo,
  port: ProxyPort,
): BoundPort {
  // PXE 2.1 §2.2.3: the boot server answers to the port that the request came from.
  if (port === 'boot-server' && from.address !== ANY_ADDRESS) {
    return { address: from.address, port: from.port };
  }
  switch (destination.kind) {
    case 'relay':
      return { address: formatIpv4(destination.address), port: config.ports.dhcp };
    case 'client':
      return { address: formatIpv4(destination.address), port: config.ports.dhcpClient };
    case 'broadcast':
      return { address: config.broadcastAddress, port: config.ports.dhcpClient };
  }
}
