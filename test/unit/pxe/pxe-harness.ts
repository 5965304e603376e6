/** A responder over a catalog in memory: packets in, decoded replies out. */

import { formatIpv4 } from '../../../src/base/index.ts';
import type { BootCatalog, BootDecision, Lease } from '../../../src/pxe/boot-catalog.ts';
import type { FullDhcpConfig } from '../../../src/pxe/config.ts';
import { AddressPool } from '../../../src/pxe/dhcp/address-pool.ts';
import { type FullRules, fullRules } from '../../../src/pxe/dhcp/full-rules.ts';
import type { ProxyPort } from '../../../src/pxe/dhcp/proxy-reply.ts';
import type { ReplyDestination } from '../../../src/pxe/dhcp/reply-address.ts';
import { DhcpResponder, type ResponderMode } from '../../../src/pxe/dhcp/responder.ts';
import { type DhcpPacket, decodeDhcp } from '../../../src/pxe/dhcp/wire/packet.ts';
import type { PxeEvent } from '../../../src/pxe/events.ts';
import { EMPTY_BOOT_CATALOG } from '../../support/empty-boot-catalog.ts';

export const SERVER = 0xc0a83201; // 192.168.50.1

export const FULL: FullDhcpConfig = {
  mode: 'full',
  netmask: '255.255.255.0',
  ranges: [{ first: '192.168.50.100', last: '192.168.50.102' }],
  reservations: [],
  router: '192.168.50.254',
  dnsServers: ['192.168.50.1', '9.9.9.9'],
  domainName: 'boot.example',
  leaseSeconds: 600,
};

export interface SeenReply extends DhcpPacket {
  readonly destination: ReplyDestination;
  readonly address: string;
}

export class Harness {
  readonly events: PxeEvent[] = [];
  readonly saved: Lease[] = [];
  readonly removed: string[] = [];
  now = 1_000_000;
  decision: BootDecision | Error = { kind: 'boot' };
  saveFails = false;
  readonly up = new Set<string>();
  decisions = 0;
  readonly responder: DhcpResponder;

  constructor(config: FullDhcpConfig | 'proxy', leases: readonly Lease[] = []) {
    const catalog: BootCatalog = {
      ...EMPTY_BOOT_CATALOG,
      decide: () => {
        this.decisions += 1;
        if (this.decision instanceof Error) throw this.decision;
        return this.decision;
      },
      isUp: (mac) => this.up.has(mac),
    };
    this.responder = new DhcpResponder({
      mode: modeOf(config, leases, (mac) => this.up.has(mac)),
      serverAddress: SERVER,
      bootFiles: { baseUrl: 'http://192.168.50.1:8069', uefiLoader: 'ipxe.efi' },
      catalog,
      leases: {
        load: () => [],
        save: (lease) => {
          if (this.saveFails) throw new Error('disk full');
          this.saved.push(lease);
        },
        remove: (address) => {
          this.removed.push(address);
        },
      },
      report: (event) => this.events.push(event),
      now: () => this.now,
    });
  }

  async send(bytes: Buffer, port: ProxyPort = 'dhcp'): Promise<SeenReply | undefined> {
    const answer = await this.responder.answer(bytes, port);
    if (answer === undefined) return undefined;
    const result = decodeDhcp(answer.bytes);
    if (result.kind === 'violation') throw new Error(`our reply: ${result.violation}`);
    const { packet } = result;
    return { ...packet, destination: answer.destination, address: formatIpv4(packet.yiaddr) };
  }
}

function modeOf(
  config: FullDhcpConfig | 'proxy',
  leases: readonly Lease[],
  isUp: (mac: string) => boolean,
): ResponderMode {
  if (config === 'proxy') return { kind: 'proxy' };
  const subnetOf = (rules: FullRules) => ({
    rules,
    pool: new AddressPool(rules.pool, leases, isUp),
  });
  const [own, ...relayed] = fullRules(config, SERVER);
  return { kind: 'full', subnets: [subnetOf(own), ...relayed.map(subnetOf)] };
}
