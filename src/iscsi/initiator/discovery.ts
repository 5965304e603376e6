/** Discovery: which targets a portal knows, and where they listen (SendTargets, RFC 7143, 4.3 and appendix C). */
import {
  decodeText,
  encodeText,
  NO_TAG,
  next,
  type TargetPdu,
  type TextPair,
  writeRequest,
} from '../wire/index.ts';
import { type ChapCredentials, OwnChallenges } from './chap.ts';
import { IscsiError, IscsiViolation } from './iscsi-error.ts';
import { DISCOVERY_TEXT_BYTES, MANAGEMENT_MS } from './limits.ts';
import { type FullFeature, type LoggedIn, logIn } from './log-in.ts';
import { type Portal, parsePortal, portalText } from './portal.ts';
import { randomIsid } from './session-pool.ts';
import type { Timers } from './timers.ts';

export interface FoundTarget {
  readonly iqn: string;
  /** `host:port`, as the target announces them, which need not be how we reach it. */
  readonly portals: readonly string[];
}

export interface DiscoveryOptions {
  readonly portal: Portal;
  readonly initiatorName: string;
  readonly chap?: ChapCredentials;
  readonly timers: Timers;
  readonly signal?: AbortSignal;
}

/** @throws IscsiError */
export async function discoverTargets(options: DiscoveryOptions): Promise<readonly FoundTarget[]> {
  const login = {
    ...options,
    chap: options.chap,
    targetName: undefined,
    isid: randomIsid(),
    challenges: new OwnChallenges(),
    headerDigest: false,
    dataDigest: false,
  };
  const exchange = await logIn(login, (link) => new TextExchange(link));
  const cancel = options.timers.after(MANAGEMENT_MS, () =>
    exchange.ended(new IscsiError('timeout', 'the discovery was not answered')),
  );
  const abort = (): void => exchange.ended(new IscsiError('ended', 'the discovery was given up'));
  options.signal?.addEventListener('abort', abort, { once: true });
  try {
    return targetsOf(await exchange.ask([['SendTargets', 'All']]), options.portal);
  } finally {
    cancel();
    options.signal?.removeEventListener('abort', abort);
    exchange.ended(new IscsiError('ended', 'the discovery is over'));
  }
}

/** An address without a name belongs to the target before it; a target without one listens where we asked. */
function targetsOf(pairs: readonly TextPair[], asked: Portal): readonly FoundTarget[] {
  const found = new Map<string, string[]>();
  let current: string[] | undefined;
  for (const [key, value] of pairs) {
    if (key === 'TargetName') {
      current = found.get(value) ?? [];
      found.set(value, current);
    } else if (key === 'TargetAddress') {
      const portal = parsePortal(value);
      const text = portal === undefined ? undefined : portalText(portal);
      if (text !== undefined && current?.includes(text) === false) current.push(text);
    }
  }
  return [...found].map(([iqn, portals]) => ({
    iqn,
    portals: portals.length === 0 ? [portalText(asked)] : portals,
  }));
}

const TAG = 1;

/** One question in text, the answer in as many PDUs as it takes. */
class TextExchange implements FullFeature {
  readonly dataStart = 0;
  readonly #link: LoggedIn;
  readonly #parts: Buffer[] = [];
  #bytes = 0;
  #expStatSN: number;
  #ended: IscsiError | undefined;
  #settle: ((answer: readonly TextPair[] | IscsiError) => void) | undefined;

  constructor(link: LoggedIn) {
    this.#link = link;
    this.#expStatSN = link.expStatSN;
  }

  ask(pairs: readonly TextPair[]): Promise<readonly TextPair[]> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#ended);
        return;
      }
      this.#settle = (answer) => {
        this.#settle = undefined;
        if (answer instanceof IscsiError) reject(answer);
        else resolve(answer);
      };
      this.#send(encodeText(pairs), NO_TAG);
    });
  }

  drained(): void {}

  ended(reason: IscsiError): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#link.socket.destroy();
    this.#settle?.(reason);
  }

  destination(pdu: TargetPdu): string | undefined {
    return pdu.kind === 'data-in' ? 'data-in during discovery' : undefined;
  }

  received(pdu: TargetPdu, data: Buffer): string | undefined {
    if (this.#ended !== undefined || pdu.kind === 'nop-in' || pdu.kind === 'async-message') {
      return undefined;
    }
    if (pdu.kind !== 'text-response' || this.#settle === undefined) return pdu.kind;
    if (pdu.itt !== TAG) return 'text-response-tag';
    if (pdu.statSN !== this.#expStatSN) return 'stat-sn';
    this.#expStatSN = next(pdu.statSN);
    this.#bytes += data.length;
    if (this.#bytes > DISCOVERY_TEXT_BYTES) return 'text-length';
    this.#parts.push(data);
    if (!pdu.final || pdu.more) {
      if (pdu.ttt === NO_TAG || data.length === 0) return 'text-response-continuation';
      this.#send(Buffer.alloc(0), pdu.ttt);
      return undefined;
    }
    const text = decodeText(Buffer.concat(this.#parts));
    this.#settle(text.kind === 'text' ? text.pairs : new IscsiViolation(text.violation));
    return undefined;
  }

  #send(text: Buffer, ttt: number): void {
    const { outbox, cmdSN } = this.#link;
    const { buffer, at } = outbox.begin();
    writeRequest(buffer, at, {
      kind: 'text-request',
      immediate: true,
      final: true,
      more: false,
      itt: TAG,
      ttt,
      cmdSN,
      expStatSN: this.#expStatSN,
      dataLength: text.length,
    });
    outbox.send(text);
  }
}
