/**
 * One DHCP packet to at most one reply: decode, classify, ask the catalog, answer by mode. Knows no
 * socket; dhcp/server.ts does.
 */
import type { BootCatalog, BootClient, BootDecision, Lease, LeaseStore } from '../boot-catalog.ts';
import type { PxeEvent, PxeReporter } from '../events.ts';
import { DROP_REPORT_INTERVAL_MS } from '../limits.ts';
import { type BootFileRules, bootFileFor } from './boot-file.ts';
import type { BootInstructions } from './build-reply.ts';
import { type ClientStage, classifyClient } from './classify-client.ts';
import { DropCounter } from './drop-counter.ts';
import { fullReply } from './full-reply.ts';
import { type ProxyPort, proxyListensTo, proxyReply } from './proxy-reply.ts';
import { type ReplyDestination, replyDestination } from './reply-address.ts';
import { type Subnet, selectSubnet } from './select-subnet.ts';
import { type DhcpPacket, decodeDhcp, encodeDhcp } from './wire/packet.ts';

export type ResponderMode =
  | { readonly kind: 'proxy' }
  /** Our own subnet first. */
  | { readonly kind: 'full'; readonly subnets: readonly [Subnet, ...Subnet[]] };

export interface ResponderSetup {
  readonly mode: ResponderMode;
  readonly serverAddress: number;
  readonly bootFiles: BootFileRules;
  readonly catalog: BootCatalog;
  readonly leases: LeaseStore;
  readonly report: PxeReporter;
  readonly now: () => number;
}

export interface Answer {
  readonly bytes: Buffer;
  readonly destination: ReplyDestination;
}

type Wanted =
  | { readonly kind: 'boot'; readonly stage: ClientStage; readonly client: BootClient }
  | { readonly kind: 'plain' };

export class DhcpResponder {
  readonly #setup: ResponderSetup;
  readonly #drops: DropCounter;
  readonly #refusalReportedAt = new Map<PxeEvent['type'], number>();

  constructor(setup: ResponderSetup) {
    this.#setup = setup;
    this.#drops = new DropCounter((reason, count) => {
      setup.report({ type: 'dhcp-dropped', reason, count });
    });
  }

  /** For packets that never reach `answer`. */
  drop(reason: string): void {
    this.#drops.drop(reason, this.#setup.now());
  }

  /** Never rejects: what goes wrong is reported, and the client repeats itself. */
  async answer(bytes: Buffer, port: ProxyPort): Promise<Answer | undefined> {
    try {
      const request = this.#decode(bytes);
      if (request === undefined) return undefined;
      const reply = await this.#reply(request, port);
      if (reply === undefined) return undefined;
      return { bytes: encodeDhcp(reply), destination: replyDestination(request, reply) };
    } catch (error) {
      this.#setup.report({ type: 'failure', where: 'dhcp', error });
      return undefined;
    }
  }

  #decode(bytes: Buffer): DhcpPacket | undefined {
    const decoded = decodeDhcp(bytes);
    if (decoded.kind === 'violation') {
      this.drop(decoded.violation);
      return undefined;
    }
    // Replies of the other server reach us too when it broadcasts them to port 67: not for us.
    return decoded.packet.op === 'request' ? decoded.packet : undefined;
  }

  async #reply(request: DhcpPacket, port: ProxyPort): Promise<DhcpPacket | undefined> {
    const { mode } = this.#setup;
    switch (mode.kind) {
      case 'proxy':
        return proxyListensTo(request, port) ? this.#proxyReply(request) : undefined;
      case 'full':
        return this.#fullReply(request, mode);
    }
  }

  async #proxyReply(request: DhcpPacket): Promise<DhcpPacket | undefined> {
    const wanted = this.#wanted(request);
    if (wanted.kind === 'plain') return undefined;
    const boot = await this.#instructions(wanted);
    if (boot === undefined) return undefined;
    return proxyReply(request, { ...boot, firmware: wanted.client.firmware });
  }

  async #fullReply(
    request: DhcpPacket,
    mode: Extract<ResponderMode, { kind: 'full' }>,
  ): Promise<DhcpPacket | undefined> {
    const selected = selectSubnet(request, mode.subnets);
    if (selected.kind === 'unknown') {
      const { reason } = selected;
      this.#reportOutcome({ type: 'dhcp-refused', mac: request.mac, reason });
      return undefined;
    }
    const wanted = this.#wanted(request);
    const boot = wanted.kind === 'boot' ? await this.#instructions(wanted) : undefined;
    const { rules, pool } = selected.subnet;
    const outcome = fullReply(request, { rules, pool, boot, now: this.#setup.now() });
    const abandoned = pool.takeAbandoned();
    if (outcome.save !== undefined) await this.#save(outcome.save);
    for (const address of abandoned) await this.#setup.leases.remove(address);
    if (outcome.event !== undefined) this.#reportOutcome(outcome.event);
    return outcome.reply;
  }

  /** Refusals repeat with every packet of every client: one of a kind in a while, the rest counted. */
  #reportOutcome(event: PxeEvent): void {
    const { report, now } = this.#setup;
    if (event.type !== 'dhcp-pool-exhausted' && event.type !== 'dhcp-refused') {
      report(event);
      return;
    }
    const before = this.#refusalReportedAt.get(event.type) ?? Number.NEGATIVE_INFINITY;
    if (now() - before < DROP_REPORT_INTERVAL_MS) {
      this.drop(event.type);
      return;
    }
    this.#refusalReportedAt.set(event.type, now());
    report(event);
  }

  /** An ACK promises that a restart will not give the address away, so it waits for the store. */
  async #save(lease: Lease): Promise<void> {
    await this.#setup.leases.save(lease);
  }

  #wanted(request: DhcpPacket): Wanted {
    if (
      request.message !== 'DISCOVER' &&
      request.message !== 'REQUEST' &&
      request.message !== 'INFORM'
    ) {
      return { kind: 'plain' };
    }
    const classified = classifyClient(request);
    if (classified.kind !== 'unknown-architecture') return classified;
    this.drop('unknown-architecture');
    return { kind: 'plain' };
  }

  /** undefined: the catalog wants nothing to do with this machine, or could not tell. */
  async #instructions(
    wanted: Extract<Wanted, { kind: 'boot' }>,
  ): Promise<BootInstructions | undefined> {
    const { catalog, report, bootFiles, serverAddress } = this.#setup;
    const { client, stage } = wanted;
    const decision = await this.#decide(catalog, client);
    const outcome = decision.kind === 'ignore' ? 'ignored' : 'answered';
    const isIpxe = stage === 'ipxe' || stage === 'ipxe-without-http';
    report({ type: 'dhcp-boot-request', client, stage: isIpxe ? 'ipxe' : 'firmware', outcome });
    if (decision.kind === 'ignore') return undefined;
    const fileName = bootFileFor(stage, client, decision.loader, bootFiles);
    return { stage, fileName, serverAddress };
  }

  /** In full mode a catalog that throws must not cost the machine its address. */
  async #decide(catalog: BootCatalog, client: BootClient): Promise<BootDecision> {
    try {
      return await catalog.decide(client);
    } catch (error) {
      this.#setup.report({ type: 'failure', where: 'catalog.decide', error });
      return { kind: 'ignore' };
    }
  }
}
