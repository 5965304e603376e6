/**
 * The login phase as a state machine without a socket (RFC 7143, 6.3): it says what to send, is given the
 * answers, and ends in session parameters, a redirection or an error. Synchronous, because a target may send the first
 * PDU of the full-feature phase right behind its last login response.
 */
import {
  decodeBinaryValue,
  decodeText,
  encodeBinaryValue,
  encodeText,
  LOGIN_STATUS,
  STAGE,
  type TargetPdu,
  type TextPair,
} from '../wire/index.ts';
import { type ChapCredentials, chapResponse, type OwnChallenges, sameResponse } from './chap.ts';
import { IscsiError, type IscsiFailure, IscsiViolation } from './iscsi-error.ts';
import { CHAP_BINARY_BYTES, LOGIN_ROUNDS, LOGIN_TEXT_BYTES } from './limits.ts';
import {
  answerTo,
  type DigestWishes,
  offeredKeys,
  type SessionParameters,
  settle,
} from './negotiation.ts';
import { type Portal, parsePortal } from './portal.ts';

export interface LoginOptions extends DigestWishes {
  readonly initiatorName: string;
  /** undefined: a discovery session. */
  readonly targetName: string | undefined;
  readonly chap: ChapCredentials | undefined;
  readonly challenges: OwnChallenges;
  /** For CHAP_A: numbers with commas. */
  readonly chapAlgorithms: string;
  /** CHAP is offered though there is no secret, to hear whether the target insists on it. */
  readonly asksForChap?: boolean;
}

export type LoginStep =
  | {
      readonly kind: 'send';
      readonly stage: number;
      readonly nextStage: number;
      readonly transit: boolean;
      readonly text: Buffer;
    }
  | { readonly kind: 'done'; readonly parameters: SessionParameters; readonly tsih: number }
  | { readonly kind: 'redirect'; readonly portal: Portal }
  | { readonly kind: 'failed'; readonly error: IscsiError };

/** The one that every target must know. */
const MD5 = '5';

type Phase = 'method' | 'challenge' | 'proof' | 'leaving-security' | 'operational';

type Answers = ReadonlyMap<string, string>;

export class Login {
  readonly #options: LoginOptions;
  readonly #offered: readonly TextPair[];
  readonly #offeredKeys: ReadonlySet<string>;
  readonly #settled = new Map<string, string>();
  #phase: Phase = 'method';
  #stage: number = STAGE.security;
  #rounds = 0;
  #text: Buffer[] = [];
  #textBytes = 0;
  #ours: { readonly id: number; readonly challenge: Buffer } | undefined;
  #algorithm = '';

  constructor(options: LoginOptions) {
    this.#options = options;
    this.#offered = offeredKeys(options);
    this.#offeredKeys = new Set(this.#offered.map(([key]) => key));
  }

  start(): LoginStep {
    const { initiatorName, targetName, chap, asksForChap } = this.#options;
    // A target that must prove itself may not talk us out of it; otherwise it is the target's choice whom to let in.
    const none = chap === undefined && asksForChap !== true;
    const methods = none ? 'None' : chap?.incoming === undefined ? 'CHAP,None' : 'CHAP';
    const identity: TextPair[] = [
      ['InitiatorName', initiatorName],
      ...(targetName === undefined
        ? ([['SessionType', 'Discovery']] satisfies TextPair[])
        : ([
            ['SessionType', 'Normal'],
            ['TargetName', targetName],
          ] satisfies TextPair[])),
      ['AuthMethod', methods],
    ];
    return this.#send(identity, none);
  }

  /** @param data the text of this PDU */
  answer(pdu: TargetPdu, data: Buffer): LoginStep {
    if (pdu.kind !== 'login-response') return violated(`${pdu.kind} during login`);
    if (pdu.status !== LOGIN_STATUS.success) return this.#refused(pdu.status, data);
    if (pdu.versionActive !== 0) return violated('login-version');
    if (pdu.currentStage !== this.#stage) return violated('login-stage');
    if (pdu.more && pdu.transit) return violated('login-continued-transit');
    this.#rounds += 1;
    this.#textBytes += data.length;
    if (this.#rounds > LOGIN_ROUNDS) return violated('login-endless');
    if (this.#textBytes > LOGIN_TEXT_BYTES) return violated('login-text-length');
    this.#text.push(data);
    if (pdu.more) return this.#send([], false);
    const text = decodeText(this.#text.length === 1 ? data : Buffer.concat(this.#text));
    this.#text = [];
    this.#textBytes = 0;
    if (text.kind === 'violation') return violated(text.violation);
    const answers = new Map(text.pairs);
    if (answers.size !== text.pairs.length) return violated('text-key-twice');
    if (this.#phase === 'operational') return this.#operational(answers, pdu.transit, pdu);
    if (pdu.transit && pdu.nextStage !== STAGE.operational) return violated('login-next-stage');
    return this.#security(answers, pdu.transit);
  }

  #security(answers: Answers, transit: boolean): LoginStep {
    switch (this.#phase) {
      case 'method':
        return this.#method(answers, transit);
      case 'challenge':
        return transit ? violated('login-stage') : this.#respond(answers);
      case 'proof': {
        const problem = this.#verify(answers);
        if (problem !== undefined) return problem;
        this.#phase = 'leaving-security';
        return this.#leaveSecurity(transit);
      }
      case 'leaving-security':
      case 'operational':
        return this.#leaveSecurity(transit);
    }
  }

  #method(answers: Answers, transit: boolean): LoginStep {
    const { chap, asksForChap } = this.#options;
    const method = answers.get('AuthMethod') ?? 'None';
    if (method === 'CHAP' && asksForChap === true) {
      return failed('authentication', 'it requires CHAP, and there is no secret');
    }
    if (method === 'CHAP' && chap !== undefined && !transit) {
      this.#phase = 'challenge';
      return this.#send([['CHAP_A', this.#options.chapAlgorithms]], false);
    }
    if (method === 'None' && chap?.incoming === undefined) {
      this.#phase = 'leaving-security';
      return this.#leaveSecurity(transit);
    }
    if (method === 'None') return distrusted('does not authenticate itself');
    if (method === 'Reject') return failed('authentication', 'it refuses how we authenticate');
    return violated('AuthMethod');
  }

  #respond(answers: Answers): LoginStep {
    const { chap, challenges } = this.#options;
    if (chap === undefined) return violated('CHAP_C');
    const challenge = decodeBinaryValue(answers.get('CHAP_C') ?? '', CHAP_BINARY_BYTES);
    const id = Number(answers.get('CHAP_I') ?? 'none');
    if (challenge === undefined) return violated('CHAP_C');
    if (!Number.isInteger(id) || id < 0 || id > 255) return violated('CHAP_I');
    if (challenges.has(challenge)) return distrusted('sent our own challenge back to us');
    this.#algorithm = answers.get('CHAP_A') ?? '';
    const response = chapResponse(this.#algorithm, id, chap.password, challenge);
    if (response === undefined) return violated('CHAP_A');
    const pairs: TextPair[] = [
      ['CHAP_N', chap.user],
      ['CHAP_R', encodeBinaryValue(response)],
    ];
    if (chap.incoming !== undefined) {
      this.#ours = challenges.make();
      pairs.push(['CHAP_I', String(this.#ours.id)]);
      pairs.push(['CHAP_C', encodeBinaryValue(this.#ours.challenge)]);
    }
    this.#phase = 'proof';
    return this.#send(pairs, true);
  }

  /** The target's own proof, where it was asked for one. */
  #verify(answers: Answers): LoginStep | undefined {
    const incoming = this.#options.chap?.incoming;
    const ours = this.#ours;
    if (incoming === undefined || ours === undefined) return undefined;
    const response = decodeBinaryValue(answers.get('CHAP_R') ?? '', CHAP_BINARY_BYTES);
    if (response === undefined) return distrusted('gave no proof of who it is');
    if (answers.get('CHAP_N') !== incoming.user)
      return distrusted('gave another name than expected');
    const expected = chapResponse(this.#algorithm, ours.id, incoming.password, ours.challenge);
    if (expected === undefined || !sameResponse(response, expected)) {
      return distrusted('does not know the secret');
    }
    return undefined;
  }

  #leaveSecurity(transit: boolean): LoginStep {
    if (!transit) return this.#send([], true);
    this.#phase = 'operational';
    this.#stage = STAGE.operational;
    return this.#send(this.#offered, true);
  }

  #operational(
    answers: Answers,
    transit: boolean,
    pdu: { nextStage: number; tsih: number },
  ): LoginStep {
    const replies: TextPair[] = [];
    for (const [key, value] of answers) {
      const reply = answerTo(key, this.#offeredKeys);
      if (reply !== undefined) replies.push(reply);
      this.#settled.set(key, value);
    }
    if (!transit) return this.#send(replies, true);
    if (pdu.nextStage !== STAGE.fullFeature) return violated('login-next-stage');
    const parameters = settle(this.#options, this.#settled);
    if (typeof parameters !== 'string') return { kind: 'done', parameters, tsih: pdu.tsih };
    const answer = this.#settled.get(parameters) ?? 'nothing';
    return failed('refused', `${parameters}: it answers ${answer.slice(0, 80)}`);
  }

  #refused(status: number, data: Buffer): LoginStep {
    switch (status) {
      case LOGIN_STATUS.movedTemporarily:
      case LOGIN_STATUS.movedPermanently: {
        const text = decodeText(data);
        const pairs: readonly TextPair[] = text.kind === 'text' ? text.pairs : [];
        const portal = parsePortal(new Map(pairs).get('TargetAddress') ?? '');
        return portal === undefined ? violated('TargetAddress') : { kind: 'redirect', portal };
      }
      case LOGIN_STATUS.authenticationFailure:
        return this.#mayBeHash()
          ? failed('chap-algorithms', 'it knows none of our hashes, or no secret of ours')
          : failed('authentication', 'CHAP user or password is wrong, or CHAP is required');
      case LOGIN_STATUS.initiatorError:
        if (this.#mayBeHash())
          return failed('chap-algorithms', 'it knows none of our hashes, or no secret of ours');
        return failed('refused', `login status ${hex(status)}`);
      case LOGIN_STATUS.authorizationFailure:
        return failed('authorization', 'this initiator is not allowed');
      case LOGIN_STATUS.notFound:
      case LOGIN_STATUS.targetRemoved:
        return failed('not-found', 'there is no such target, or not for this initiator');
      case LOGIN_STATUS.targetError:
      case LOGIN_STATUS.serviceUnavailable:
      case LOGIN_STATUS.outOfResources:
        return failed('unavailable', `not now (login status ${hex(status)})`);
      default:
        return failed('refused', `login status ${hex(status)}`);
    }
  }

  /** It chokes on what we offer in CHAP_A, or on what it chose from that itself (tgt does). */
  #mayBeHash(): boolean {
    return this.#phase === 'challenge' || (this.#phase === 'proof' && this.#algorithm !== MD5);
  }

  #send(pairs: readonly TextPair[], transit: boolean): LoginStep {
    const stage = this.#stage;
    const nextStage = stage === STAGE.security ? STAGE.operational : STAGE.fullFeature;
    return { kind: 'send', stage, nextStage, transit, text: encodeText(pairs) };
  }
}

const hex = (status: number): string => status.toString(16).padStart(4, '0');

function failed(failure: Exclude<IscsiFailure, 'violation'>, message: string): LoginStep {
  return {
    kind: 'failed',
    error: new IscsiError(failure, `the iSCSI target refused the login: ${message}`),
  };
}

function distrusted(message: string): LoginStep {
  const error = new IscsiError('target-authentication', `the iSCSI target ${message}`);
  return { kind: 'failed', error };
}

function violated(violation: string): LoginStep {
  return { kind: 'failed', error: new IscsiViolation(violation) };
}
