/** Cases, what they need of a server, and the loop that runs them against one. */
import type { ConnectionOptions } from 'node:tls';
import { type Address, must, mustEqual, Wire } from './raw.ts';
import type { ReplyStyle, Request } from './reply.ts';
import { type ExportFacts, metaData, Session } from './session.ts';
import { CMD, FLAG, INFO, OPT, REP, REP_ERR } from './values.ts';

export interface Target {
  readonly name: string;
  readonly address: Address;
  /** The export that cases use. They overwrite its first 64 MiB when it is writable. */
  readonly exportName: string;
  readonly readOnlyExport?: string;
  /** A name that the server does not have; leave it out when the server accepts every name. */
  readonly unknownExport?: string;
  readonly tls: 'off' | 'allowed' | 'required';
  /** How to become a TLS client of this server; needed unless `tls` is 'off'. */
  readonly tlsOptions?: ConnectionOptions;
  /** Milliseconds until silence counts as no answer. */
  readonly patience: number;
}

/** What the server said that it can do; a case that needs more is skipped. */
export interface Facts {
  readonly size: number;
  readonly flags: number;
  readonly minimumBlock: number;
  readonly maximumPayload: number;
  readonly structured: boolean;
  readonly extended: boolean;
  readonly allocation: boolean;
}

export type Level = 'MUST' | 'SHOULD';

export interface Case {
  readonly id: string;
  readonly level: Level;
  /** Heading of the protocol document. */
  readonly section: string;
  /** The words that ask for it. */
  readonly quote: string;
  /** Why it cannot be run against this server; undefined when it can. */
  readonly skip?: (lab: Lab) => string | false | undefined;
  readonly run: (lab: Lab) => Promise<void>;
}

export type Outcome =
  | { readonly kind: 'pass' }
  | { readonly kind: 'fail'; readonly reason: string }
  | { readonly kind: 'skip'; readonly reason: string };

/** What a case gets: the server, what is known of it, and connections that are closed after it. */
export class Lab {
  readonly target: Target;
  readonly facts: Facts;
  readonly #wires: Wire[] = [];

  constructor(target: Target, facts: Facts) {
    this.target = target;
    this.facts = facts;
  }

  get name(): string {
    return this.target.exportName;
  }

  has(flag: number): boolean {
    return (this.facts.flags & flag) !== 0;
  }

  /** Connected, not a byte read. */
  async connect(): Promise<Session> {
    const wire = await Wire.open(this.target.address, this.target.patience);
    this.#wires.push(wire);
    return new Session(wire);
  }

  /** At option haggling, in plain text. */
  async greeted(clientFlags?: number): Promise<Session> {
    const session = await this.connect();
    await session.greet(clientFlags);
    return session;
  }

  /** At option haggling, through TLS where the server insists on it. */
  async haggling(clientFlags?: number): Promise<Session> {
    const session = await this.greeted(clientFlags);
    if (this.target.tls === 'required') await this.startTls(session);
    return session;
  }

  async startTls(session: Session): Promise<void> {
    await session.optionOk(OPT.STARTTLS);
    await session.wire.startTls(this.target.tlsOptions ?? {});
  }

  /** In transmission. */
  async transmission(
    style: ReplyStyle = 'simple',
    name: string = this.target.exportName,
    infos: readonly number[] = [INFO.BLOCK_SIZE],
  ): Promise<Session> {
    const session = await this.haggling();
    await session.negotiate(style);
    await session.go(name, infos);
    return session;
  }

  /** In transmission with base:allocation selected. */
  async allocation(
    style: ReplyStyle,
  ): Promise<{ session: Session; id: number; facts: ExportFacts }> {
    const session = await this.haggling();
    await session.negotiate(style);
    const contexts = await session.setMeta(this.name, ['base:allocation']);
    const id = contexts.get('base:allocation');
    must(id !== undefined, 'base:allocation was not selected');
    const facts = await session.go(this.name, [INFO.BLOCK_SIZE]);
    return { session, id, facts };
  }

  /** The connection still works: its next reply is the one to a READ of the first block. */
  async alive(session: Session): Promise<void> {
    const length = Math.max(512, this.facts.minimumBlock);
    const reply = await session.call({ type: CMD.READ, offset: 0, length });
    mustEqual(reply.error, 0, 'error of the READ that follows');
  }

  /** The server still takes connections and serves them. */
  async serving(): Promise<void> {
    const session = await this.transmission();
    await this.alive(session);
    session.wire.destroy();
  }

  close(): void {
    for (const wire of this.#wires) wire.destroy();
  }
}

async function accepts(lab: Lab, option: number): Promise<boolean> {
  const session = await lab.haggling();
  return (await session.optionResult(option)) === REP.ACK;
}

/** Asks the server what it can do. */
export async function probe(target: Target): Promise<Facts> {
  const nothing: Facts = {
    size: 0,
    flags: 0,
    minimumBlock: 1,
    maximumPayload: 0,
    structured: false,
    extended: false,
    allocation: false,
  };
  const lab = new Lab(target, nothing);
  try {
    const structured = await accepts(lab, OPT.STRUCTURED_REPLY);
    const extended = await accepts(lab, OPT.EXTENDED_HEADERS);
    const session = await lab.haggling();
    let allocation = false;
    if (structured) {
      await session.negotiate('structured');
      const data = metaData(target.exportName, ['base:allocation']);
      allocation = (await session.option(OPT.SET_META_CONTEXT, data)).length === 2;
    }
    const facts = await session.info(OPT.INFO, target.exportName, [INFO.BLOCK_SIZE]);
    const sizes = facts.infos.get(INFO.BLOCK_SIZE);
    return {
      size: facts.size,
      flags: facts.flags & ~FLAG.SEND_DF,
      minimumBlock: sizes?.readUInt32BE(0) ?? 1,
      maximumPayload: sizes?.readUInt32BE(8) ?? 1 << 25,
      structured,
      extended,
      allocation,
    };
  } finally {
    lab.close();
  }
}

export async function runCase(target: Target, facts: Facts, test: Case): Promise<Outcome> {
  const lab = new Lab(target, facts);
  const reason = test.skip?.(lab);
  if (typeof reason === 'string') return { kind: 'skip', reason };
  try {
    await test.run(lab);
    return { kind: 'pass' };
  } catch (error) {
    return { kind: 'fail', reason: error instanceof Error ? error.message : String(error) };
  } finally {
    lab.close();
  }
}

/** Conditions for `skip`, readable where they are used. */
export const needs = {
  structured: (lab: Lab) => !lab.facts.structured && 'no structured replies',
  extended: (lab: Lab) => !lab.facts.extended && 'no extended headers',
  allocation: (lab: Lab) => !lab.facts.allocation && 'no base:allocation',
  writable: (lab: Lab) => lab.has(FLAG.READ_ONLY) && 'the export is read-only',
  unknownExport: (lab: Lab) =>
    lab.target.unknownExport === undefined && 'the server accepts every export name',
  readOnlyExport: (lab: Lab) => lab.target.readOnlyExport === undefined && 'no read-only export',
  plain: (lab: Lab) => lab.target.tls === 'required' && 'the server insists on TLS',
  tls: (lab: Lab) => lab.target.tls === 'off' && 'the server has no TLS',
  flag: (flag: number, name: string) => (lab: Lab) => !lab.has(flag) && `${name} is not advertised`,
  all:
    (...conditions: readonly ((lab: Lab) => string | false)[]) =>
    (lab: Lab): string | undefined => {
      for (const condition of conditions) {
        const reason = condition(lab);
        if (reason !== false) return reason;
      }
      return undefined;
    },
} as const;

export const STYLES = ['simple', 'structured', 'extended'] as const;

export function needsStyle(style: ReplyStyle): (lab: Lab) => string | false {
  return (lab) => {
    if (style === 'structured') return needs.structured(lab);
    if (style === 'extended') return needs.extended(lab);
    return false;
  };
}

/** The option is refused with one of these, and haggling goes on. */
export async function refused(
  session: Session,
  option: number,
  data: Buffer,
  allowed: readonly number[],
): Promise<void> {
  const type = await session.optionResult(option, data);
  must(allowed.includes(type), `option ${option} got reply type 0x${type.toString(16)}`);
  const next = await session.optionResult(0x7ead);
  mustEqual(next, REP_ERR.UNSUP, 'reply to the option after it');
}

export function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let index = 0; index < length; index += 1)
    bytes[index] = (seed + index * 7 + (index >> 8)) | 1;
  return bytes;
}

export { CMD, FLAG, INFO, metaData, OPT, REP, REP_ERR, type Request };
