/** From an address to a connection in the full-feature phase: TCP, login, redirections. */
import type { Socket } from 'node:net';
import { type Isid, next, type TargetPdu, writeRequest } from '../wire/index.ts';
import { CHAP_OFFERS } from './chap.ts';
import { IscsiError, IscsiViolation } from './iscsi-error.ts';
import { LOGIN_MS, LOGIN_REDIRECTS, RECEIVE_OTHER_BYTES } from './limits.ts';
import { Login, type LoginOptions, type LoginStep } from './login.ts';
import type { SessionParameters } from './negotiation.ts';
import { Outbox } from './outbox.ts';
import { PduReader, type PduReceiver } from './pdu-reader.ts';
import { type Portal, portalText } from './portal.ts';
import type { Timers } from './timers.ts';
import { openSocket } from './transport.ts';

export interface LogInOptions extends Omit<LoginOptions, 'chapAlgorithms' | 'asksForChap'> {
  readonly portal: Portal;
  readonly isid: Isid;
  readonly timers: Timers;
  readonly signal?: AbortSignal;
}

/** What the full-feature phase takes over. */
export interface LoggedIn {
  readonly socket: Socket;
  readonly outbox: Outbox;
  readonly parameters: SessionParameters;
  readonly portal: Portal;
  /** Of the first command. */
  readonly cmdSN: number;
  readonly maxCmdSN: number;
  readonly expStatSN: number;
}

/** What the connection becomes. Made synchronously when login is over: the next bytes are its. */
export interface FullFeature extends PduReceiver {
  drained(): void;
  ended(reason: IscsiError): void;
}

/** Of a login; sixteen bits would do, and nothing else is in flight. */
const LOGIN_TAG = 0;
const FIRST_CMD_SN = 1;
/** The one connection of a session. */
export const CONNECTION_ID = 1;

/**
 * @param make makes the receiver of the full-feature phase
 * @throws IscsiError
 */
export async function logIn<T extends FullFeature>(
  options: LogInOptions,
  make: (loggedIn: LoggedIn) => T,
): Promise<T> {
  const [all = '', common = ''] = CHAP_OFFERS;
  try {
    return await logInOffering({ ...options, chapAlgorithms: all }, make);
  } catch (error) {
    if (!(error instanceof IscsiError)) throw error;
    if (error.failure === 'chap-algorithms') {
      return await logInOffering({ ...options, chapAlgorithms: common }, make);
    }
    // LIO closes the connection without an answer when it requires CHAP and we do not offer it.
    if (error instanceof Unanswered && options.chap === undefined) {
      return await logInOffering({ ...options, chapAlgorithms: common, asksForChap: true }, make);
    }
    throw error;
  }
}

/** The target took the connection, and closed it instead of answering the first request. */
class Unanswered extends IscsiError {}

async function logInOffering<T extends FullFeature>(
  options: AttemptOptions,
  make: (loggedIn: LoggedIn) => T,
): Promise<T> {
  let portal = options.portal;
  for (let moves = 0; moves <= LOGIN_REDIRECTS; moves += 1) {
    const outcome = await new Attempt(options, portal, make).run();
    if (outcome.kind === 'done') return outcome.receiver;
    portal = outcome.portal;
  }
  const message = `${portalText(options.portal)}: sent from address to address`;
  throw new IscsiError('redirect-loop', message);
}

type AttemptOptions = LogInOptions & LoginOptions;

type Outcome<T> =
  | { readonly kind: 'done'; readonly receiver: T }
  | { readonly kind: 'redirect'; readonly portal: Portal };

class Attempt<T extends FullFeature> implements PduReceiver {
  readonly dataStart = 0;
  readonly #options: AttemptOptions;
  readonly #portal: Portal;
  readonly #make: (loggedIn: LoggedIn) => T;
  readonly #login: Login;
  readonly #reader: PduReader;
  #socket: Socket | undefined;
  #outbox: Outbox | undefined;
  #receiver: T | undefined;
  #expStatSN = 0;
  #first = true;
  #settle: ((outcome: Outcome<T> | IscsiError) => void) | undefined;

  constructor(options: AttemptOptions, portal: Portal, make: (loggedIn: LoggedIn) => T) {
    this.#options = options;
    this.#portal = portal;
    this.#make = make;
    this.#login = new Login(options);
    this.#reader = new PduReader(this, {
      headerDigest: false,
      dataDigest: false,
      maxDataSegment: RECEIVE_OTHER_BYTES,
    });
  }

  run(): Promise<Outcome<T>> {
    return new Promise((resolve, reject) => {
      const cancel = this.#options.timers.after(LOGIN_MS, () => {
        const message = `${portalText(this.#portal)}: no login within ${LOGIN_MS / 1000} s`;
        this.#settle?.(new IscsiError('timeout', message));
      });
      const abort = (): void => this.#settle?.(new IscsiError('ended', 'the login was given up'));
      this.#options.signal?.addEventListener('abort', abort, { once: true });
      this.#settle = (outcome) => {
        this.#settle = undefined;
        cancel();
        this.#options.signal?.removeEventListener('abort', abort);
        if (outcome instanceof Error) {
          this.#socket?.destroy();
          reject(outcome);
        } else {
          if (outcome.kind === 'redirect') this.#socket?.destroy();
          resolve(outcome);
        }
      };
      if (this.#options.signal?.aborted === true) abort();
      else this.#open();
    });
  }

  #open(): void {
    const socket = openSocket(this.#portal, {
      connected: () => this.#follow(this.#login.start()),
      receive: (bytes) => this.#receive(bytes),
      drained: () => this.#receiver?.drained(),
      ended: (reason) => {
        if (this.#receiver !== undefined) this.#receiver.ended(reason);
        else if (this.#first && reason.failure === 'ended') {
          this.#settle?.(new Unanswered('ended', reason.message, { cause: reason }));
        } else this.#settle?.(reason);
      },
    });
    this.#socket = socket;
    this.#outbox = new Outbox(socket);
  }

  #receive(bytes: Buffer): void {
    if (this.#receiver === undefined && this.#settle === undefined) return; // over already
    const violation = this.#reader.push(bytes);
    if (violation === undefined) return;
    const error = new IscsiViolation(violation);
    if (this.#receiver !== undefined) this.#receiver.ended(error);
    else this.#settle?.(error);
  }

  destination(pdu: TargetPdu): string | undefined {
    return pdu.kind === 'data-in' ? 'data-in during login' : undefined;
  }

  received(pdu: TargetPdu, data: Buffer): string | undefined {
    if (this.#settle === undefined) return undefined;
    if (pdu.kind === 'login-response' && pdu.status === 0) {
      if (pdu.itt !== LOGIN_TAG) return 'login-tag';
      if (!this.#first && pdu.statSN !== this.#expStatSN) return 'stat-sn';
      this.#first = false;
      this.#expStatSN = next(pdu.statSN);
    }
    const step = this.#login.answer(pdu, data);
    if (step.kind === 'done') this.#done(step.parameters, pdu);
    else this.#follow(step);
    return undefined;
  }

  #follow(step: LoginStep): void {
    switch (step.kind) {
      case 'send':
        this.#send(step);
        return;
      case 'redirect':
        this.#settle?.(step);
        return;
      case 'failed':
        this.#settle?.(step.error);
        return;
      case 'done':
        return; // `received` takes this one itself
    }
  }

  #send(step: Extract<LoginStep, { kind: 'send' }>): void {
    const outbox = this.#outbox;
    if (outbox === undefined) return;
    const { buffer, at } = outbox.begin();
    writeRequest(buffer, at, {
      kind: 'login-request',
      transit: step.transit,
      more: false,
      currentStage: step.stage,
      nextStage: step.nextStage,
      isid: this.#options.isid,
      tsih: 0, // a new session, which takes the place of an older one of this ISID (6.3.5)
      itt: LOGIN_TAG,
      cid: CONNECTION_ID,
      cmdSN: FIRST_CMD_SN,
      expStatSN: this.#expStatSN,
      dataLength: step.text.length,
    });
    outbox.send(step.text);
  }

  #done(parameters: SessionParameters, pdu: TargetPdu): void {
    const [socket, outbox] = [this.#socket, this.#outbox];
    if (socket === undefined || outbox === undefined) return;
    outbox.useDigests(parameters.headerDigest, parameters.dataDigest);
    const receiver = this.#make({
      socket,
      outbox,
      parameters,
      portal: this.#portal,
      cmdSN: FIRST_CMD_SN,
      maxCmdSN: pdu.maxCmdSN,
      expStatSN: this.#expStatSN,
    });
    this.#receiver = receiver;
    const { headerDigest, dataDigest, receiveSegment: maxDataSegment } = parameters;
    this.#reader.change(receiver, { headerDigest, dataDigest, maxDataSegment });
    this.#settle?.({ kind: 'done', receiver });
  }
}
