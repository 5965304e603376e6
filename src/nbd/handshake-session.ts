/**
 * Runs the handshake's state machine (handshake.ts) over the bytes of one connection: decodes,
 * steps, does what the step asks and sends the answers. One option at a time, as the protocol says.
 *
 * The export of the last INFO, GO or context question stays open for the next one, so that the usual
 * SET_META_CONTEXT + GO opens it once, and INFO + GO is bound to say the same twice.
 */

import { Fault } from '../errors/index.ts';
import type { ExportClient, ExportProvider, OpenExport } from '../exports/index.ts';
import {
  type Effect,
  type HandshakePolicy,
  type HandshakeState,
  INITIAL,
  type Negotiated,
  onClientFlags,
  onOption,
  onTls,
  type Step,
} from './handshake.ts';
import { answerContexts, answerDescribe, answerFailure, answerList } from './handshake-answers.ts';
import type { NbdLimits } from './limits.ts';
import type { Logger } from './logger.ts';
import { transmissionFlags } from './rules.ts';
import { decodeClientFlags, decodeOption, encodeExportNameReply } from './wire/index.ts';

/** What the session needs from its connection. */
export interface HandshakePort {
  policy(): HandshakePolicy;
  client(): ExportClient;
  send(bytes: Buffer): void;
  /** Stop and go on reading the socket. */
  pause(): void;
  resume(): void;
  /** Upgrades to TLS; resolves when it is up, rejects when it failed. */
  startTls(): Promise<void>;
  /** Ends the connection once everything is sent. */
  end(reason: string): void;
  drop(reason: string): void;
  /** The handshake is over; `rest` has already been read and belongs to the transmission. */
  enter(entered: Entered, rest: Buffer): void;
}

export interface Entered {
  readonly opened: OpenExport;
  readonly negotiated: Negotiated;
  readonly flags: number;
  /** Ids of the metadata contexts selected for this very export; none without block status. */
  readonly contextIds: readonly number[];
}

export interface HandshakeParts {
  readonly exports: ExportProvider;
  readonly limits: NbdLimits;
  readonly log: Logger;
}

const EMPTY = Buffer.alloc(0);

export class HandshakeSession {
  readonly #parts: HandshakeParts;
  readonly #port: HandshakePort;
  #state: HandshakeState = INITIAL;
  #input: Buffer = EMPTY;
  #skip = 0;
  #running = false;
  #over = false;
  /** The export opened last, under the name the client used. */
  #held: { readonly asked: string; readonly opened: OpenExport } | undefined;
  /** The export that the option just before this one, an INFO, was about. */
  #informed: string | undefined;

  constructor(parts: HandshakeParts, port: HandshakePort) {
    this.#parts = parts;
    this.#port = port;
  }

  push(chunk: Buffer): void {
    if (this.#over) return;
    const skipped = Math.min(this.#skip, chunk.length);
    this.#skip -= skipped;
    const fresh = chunk.subarray(skipped);
    this.#input = this.#input.length === 0 ? fresh : Buffer.concat([this.#input, fresh]);
    if (!this.#running) void this.#run();
  }

  /** The connection is gone, or lives on in the transmission phase. */
  close(): void {
    this.#over = true;
    this.#letGo();
  }

  /** Never rejects: whatever goes wrong ends this one connection. */
  async #run(): Promise<void> {
    this.#running = true;
    try {
      for (;;) {
        const step = this.#next();
        if (step === undefined) break;
        this.#state = step.state;
        if (step.reply !== undefined && step.effect.do !== 'start-tls') {
          this.#port.send(step.reply);
        }
        if (step.effect.do !== 'nothing') await this.#perform(step.effect, step.reply);
        if (this.#over) break;
      }
    } catch (error) {
      this.#parts.log.error({ err: error }, 'the handshake failed');
      this.#over = true;
      this.#port.drop('internal error');
    } finally {
      this.#running = false;
    }
  }

  /** The next step that the bytes allow; undefined when there are not enough. */
  #next(): Step | undefined {
    const input = this.#input;
    const policy = this.#port.policy();
    switch (this.#state.phase) {
      case 'client-flags': {
        const decoded = decodeClientFlags(input, 0, input.length);
        if (decoded.kind === 'need-more') return undefined;
        if (decoded.kind === 'violation') return dropStep(decoded.violation);
        this.#input = input.subarray(decoded.size);
        return onClientFlags(decoded, policy);
      }
      case 'haggling': {
        const decoded = decodeOption(input, 0, input.length);
        if (decoded.kind === 'need-more') return undefined;
        if (decoded.kind === 'violation') return dropStep(decoded.violation);
        const used = decoded.size + (decoded.kind === 'oversized-option' ? decoded.skip : 0);
        this.#skip = Math.max(0, used - input.length);
        this.#input = input.subarray(Math.min(used, input.length));
        return onOption(this.#state.negotiated, decoded, policy);
      }
      case 'upgrading':
      case 'over':
        return undefined;
    }
  }

  async #perform(effect: Effect, reply: Buffer | undefined): Promise<void> {
    if (effect.do !== 'describe') this.#informed = undefined;
    switch (effect.do) {
      case 'nothing':
        return;
      case 'drop':
        this.#over = true;
        this.#port.drop(effect.reason);
        return;
      case 'end':
        this.#over = true;
        this.#port.end('the client aborted the handshake');
        return;
      case 'start-tls':
        await this.#startTls(reply ?? EMPTY);
        return;
      case 'list':
        await this.#waiting(effect.code, async () => {
          const list = await this.#parts.exports.list(this.#port.client());
          this.#port.send(answerList(effect.code, list));
        });
        return;
      case 'describe':
        await this.#waiting(effect.code, () => this.#describe(effect));
        return;
      case 'contexts':
        await this.#waiting(effect.code, () => this.#contexts(effect));
        return;
      case 'enter-by-name':
        await this.#waiting(undefined, () => this.#enterByName(effect.exportName));
        return;
    }
  }

  async #startTls(ack: Buffer): Promise<void> {
    const { phase } = this.#state;
    if (phase !== 'upgrading') return;
    const { negotiated } = this.#state;
    // Whatever was sent behind STARTTLS in plain text could have been put there by anyone, to be
    // taken for something said under TLS.
    if (this.#input.length > 0 || this.#skip > 0) {
      this.#over = true;
      this.#port.drop('plain text after NBD_OPT_STARTTLS');
      return;
    }
    this.#letGo();
    this.#port.send(ack);
    try {
      await this.#port.startTls();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#over = true;
      this.#port.drop(`TLS failed: ${reason}`);
      return;
    }
    this.#state = onTls(negotiated);
  }

  /** Does something that may wait, without reading on; a failure is answered to option `code`. */
  async #waiting(code: number | undefined, action: () => Promise<void>): Promise<void> {
    this.#port.pause();
    try {
      await action();
    } catch (error) {
      this.#logFailure(error);
      if (this.#over) return;
      if (code === undefined) {
        this.#over = true;
        this.#port.drop('the export is not available'); // NBD_OPT_EXPORT_NAME cannot say so
      } else this.#port.send(answerFailure(code, error));
    } finally {
      this.#port.resume();
    }
  }

  #logFailure(error: unknown): void {
    const { address } = this.#port.client();
    const details = { err: error, client: address };
    if (error instanceof Fault) this.#parts.log.info(details, `refused: ${error.code}`);
    else this.#parts.log.error(details, 'an export could not be opened');
  }

  async #describe(effect: Extract<Effect, { do: 'describe' }>): Promise<void> {
    const opened = await this.#open(effect.exportName);
    if (opened === undefined || this.#state.phase !== 'haggling') return;
    const { negotiated } = this.#state;
    const { exportName } = effect;
    // BLOCK_STATUS_PAYLOAD: a GO "SHOULD NOT" show it without contexts, but an INFO may (clients such as
    // nbdinfo ask with it what the server can do), and a GO right behind "MUST" say what the INFO said.
    const payload =
      hasContexts(negotiated, exportName) || !effect.enter || this.#informed === exportName;
    const flags = transmissionFlags(opened, negotiated.style, payload);
    this.#informed = effect.enter ? undefined : exportName;
    const { limits } = this.#parts;
    this.#port.send(answerDescribe(effect.code, opened, flags, effect.infos, limits));
    if (effect.enter) this.#enter(opened, negotiated, flags, exportName);
  }

  async #enterByName(exportName: string): Promise<void> {
    const opened = await this.#open(exportName);
    if (opened === undefined || this.#state.phase !== 'haggling') return;
    const { negotiated } = this.#state;
    const flags = transmissionFlags(opened, negotiated.style, hasContexts(negotiated, exportName));
    const { size } = opened.device.geometry;
    this.#port.send(encodeExportNameReply(size, flags, negotiated.noZeroes));
    this.#enter(opened, negotiated, flags, exportName);
  }

  async #contexts(effect: Extract<Effect, { do: 'contexts' }>): Promise<void> {
    const { code, exportName, queries, select } = effect;
    const opened = await this.#open(exportName);
    if (opened === undefined || this.#state.phase !== 'haggling') return;
    const { reply, selected } = answerContexts(code, opened, exportName, queries, select);
    if (select) {
      const negotiated = { ...this.#state.negotiated, contexts: selected };
      this.#state = { phase: 'haggling', negotiated };
    }
    this.#port.send(reply);
  }

  #enter(opened: OpenExport, negotiated: Negotiated, flags: number, exportName: string): void {
    const contextIds = hasContexts(negotiated, exportName) ? (negotiated.contexts?.ids ?? []) : [];
    const rest = this.#input;
    this.#over = true;
    this.#state = { phase: 'over' };
    this.#input = EMPTY;
    this.#held = undefined; // it is the transmission's now
    this.#port.enter({ opened, negotiated, flags, contextIds }, rest);
  }

  /** Undefined when the connection went away in the meantime. */
  async #open(asked: string): Promise<OpenExport | undefined> {
    if (this.#held?.asked === asked) return this.#held.opened;
    this.#letGo();
    const opened = await this.#parts.exports.open(asked, this.#port.client());
    this.#held = { asked, opened };
    if (!this.#over) return opened;
    this.#letGo();
    return undefined;
  }

  #letGo(): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    held.opened.close().catch((error: unknown) => {
      this.#parts.log.error({ err: error, export: held.opened.name }, 'an export failed to close');
    });
  }
}

/** Whether the contexts selected last were selected for this export. */
function hasContexts(negotiated: Negotiated, exportName: string): boolean {
  return negotiated.contexts?.exportName === exportName;
}

function dropStep(reason: string): Step {
  return { state: { phase: 'over' }, reply: undefined, effect: { do: 'drop', reason } };
}
