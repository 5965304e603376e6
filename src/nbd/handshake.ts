/**
 * The handshake of one connection as a state machine: pure, so that its table can be tested. The
 * connection feeds it decoded messages, does what `effect` says, and sends the answer to that
 * (handshake-answers.ts).
 *
 *                        option (answered, refused, unknown)
 *                                 ┌────────┐
 *   ┌──────────────┐ client flags │        ▼   GO, EXPORT_NAME   ┌──────────────┐
 *   │ client-flags │────────────▶┌┴─────────┐───────────────────▶│ transmission │
 *   └──────┬───────┘             │ haggling │   (when opened)    └──────────────┘
 *          │ unknown flags       └┬───▲───┬─┘
 *          │              STARTTLS│   │   │ ABORT, a violation, too many options
 *          │                 (ACK)▼   │TLS is up: nothing negotiated is kept
 *          │              ┌───────────┴┐  │
 *          │              │ upgrading  │  │
 *          │              └──────┬─────┘  │
 *          ▼       TLS failed    ▼        ▼
 *        over ◀──────────────── over ◀── over
 *
 * INFO and GO differ only in `enter`. Nothing here knows what exports there are.
 */

import {
  NBD_OPT_EXPORT_NAME,
  NBD_OPT_SET_META_CONTEXT,
  NBD_OPT_STARTTLS,
} from './wire/constants.ts';
import {
  type ClientFlags,
  encodeOptionReply,
  type Option,
  type OptionError,
  type OversizedOption,
  type ReplyStyle,
} from './wire/index.ts';

export type TlsMode = 'off' | 'allowed' | 'required';

/** What the server decides for the whole life of a connection, and whether it is going away. */
export interface HandshakePolicy {
  readonly tls: TlsMode;
  readonly draining: boolean;
  readonly maximumOptions: number;
}

/** The metadata contexts selected last, bound to the export name they were selected for. */
export interface SelectedContexts {
  /** As the client named the export. */
  readonly exportName: string;
  /** At least one; see contextNames in handshake-answers.ts. */
  readonly ids: readonly number[];
}

export interface Negotiated {
  readonly fixedNewstyle: boolean;
  readonly noZeroes: boolean;
  readonly tls: boolean;
  readonly style: ReplyStyle;
  readonly contexts: SelectedContexts | undefined;
  readonly options: number;
}

export type HandshakeState =
  | { readonly phase: 'client-flags' }
  | { readonly phase: 'haggling'; readonly negotiated: Negotiated }
  | { readonly phase: 'upgrading'; readonly negotiated: Negotiated }
  | { readonly phase: 'over' };

export type Effect =
  | { readonly do: 'nothing' }
  /** Drop the connection; `reason` is for the log. */
  | { readonly do: 'drop'; readonly reason: string }
  /** The client said goodbye: end the connection once the reply is sent. */
  | { readonly do: 'end' }
  | { readonly do: 'start-tls' }
  | { readonly do: 'list'; readonly code: number }
  | {
      readonly do: 'describe';
      readonly code: number;
      readonly exportName: string;
      readonly infos: readonly number[];
      /** GO: enter the transmission phase when it succeeds. */
      readonly enter: boolean;
    }
  | { readonly do: 'enter-by-name'; readonly exportName: string }
  | {
      readonly do: 'contexts';
      readonly code: number;
      readonly exportName: string;
      readonly queries: readonly string[];
      /** SET rather than LIST. */
      readonly select: boolean;
    };

export interface Step {
  readonly state: HandshakeState;
  readonly reply: Buffer | undefined;
  readonly effect: Effect;
}

export const INITIAL: HandshakeState = { phase: 'client-flags' };

const NOTHING: Effect = { do: 'nothing' };
const OVER: HandshakeState = { phase: 'over' };

export function onClientFlags(flags: ClientFlags, policy: HandshakePolicy): Step {
  // "TLS requires fixed newstyle negotiation to have completed", and without it no option can be
  // refused with NBD_REP_ERR_TLS_REQD.
  if (!flags.fixedNewstyle && policy.tls === 'required') {
    return drop('TLS is required and the client does not speak fixed newstyle');
  }
  const negotiated: Negotiated = {
    fixedNewstyle: flags.fixedNewstyle,
    noZeroes: flags.noZeroes,
    tls: false,
    style: 'simple',
    contexts: undefined,
    options: 0,
  };
  return { state: { phase: 'haggling', negotiated }, reply: undefined, effect: NOTHING };
}

/** TLS is up: "the server MUST NOT preserve any negotiation state". The client flags stay. */
export function onTls(before: Negotiated): HandshakeState {
  const negotiated: Negotiated = {
    ...before,
    tls: true,
    style: 'simple',
    contexts: undefined,
  };
  return { phase: 'haggling', negotiated };
}

export function onOption(
  before: Negotiated,
  option: Option | OversizedOption,
  policy: HandshakePolicy,
): Step {
  const now = forgetContexts({ ...before, options: before.options + 1 }, option.code);
  if (now.options > policy.maximumOptions) return drop('too many options');
  const isAbort = option.kind === 'option' && option.body.name === 'abort';
  const refusal = isAbort ? undefined : refuseAll(now, option, policy);
  if (refusal !== undefined) {
    // NBD_OPT_EXPORT_NAME has no way to return an error.
    if (option.code === NBD_OPT_EXPORT_NAME) return drop(refusal.message);
    return answer(now, option.code, refusal.error, refusal.message);
  }
  if (option.kind === 'oversized-option') {
    if (option.code === NBD_OPT_EXPORT_NAME) return drop('the export name is too long');
    return answer(now, option.code, 'too-big', 'the option has too much data');
  }
  return onBody(now, option, policy);
}

/** "Issuing this command replaces all previously-set metadata contexts (including when this command fails)". */
function forgetContexts(now: Negotiated, code: number): Negotiated {
  return code === NBD_OPT_SET_META_CONTEXT ? { ...now, contexts: undefined } : now;
}

function refuseAll(
  now: Negotiated,
  option: Option | OversizedOption,
  policy: HandshakePolicy,
): { error: OptionError; message: string } | undefined {
  if (policy.draining) return { error: 'shutdown', message: 'the server is shutting down' };
  // Also a malformed STARTTLS: its own error says more than "start TLS".
  if (policy.tls === 'required' && !now.tls && option.code !== NBD_OPT_STARTTLS) {
    return { error: 'tls-required', message: 'this server speaks only TLS' };
  }
  return undefined;
}

function onBody(now: Negotiated, option: Option, policy: HandshakePolicy): Step {
  const { code, body } = option;
  switch (body.name) {
    case 'export-name':
      // "Once extended headers are successfully requested, a client MUST NOT use NBD_OPT_EXPORT_NAME."
      if (now.style === 'extended') return drop('NBD_OPT_EXPORT_NAME after extended headers');
      return proceed(now, { do: 'enter-by-name', exportName: body.exportName });
    case 'abort':
      return {
        state: OVER,
        reply: encodeOptionReply(code, { name: 'ack' }),
        effect: { do: 'end' },
      };
    case 'list':
      return proceed(now, { do: 'list', code });
    case 'starttls':
      return onStartTls(now, code, policy);
    case 'info':
    case 'go':
      return proceed(now, {
        do: 'describe',
        code,
        exportName: body.exportName,
        infos: body.infos,
        enter: body.name === 'go',
      });
    case 'structured-reply':
      if (now.style === 'extended') {
        return answer(
          now,
          code,
          'extended-headers-required',
          'extended headers are already in use',
        );
      }
      return acknowledge({ ...now, style: 'structured' }, code);
    case 'extended-headers':
      if (now.style === 'extended') {
        return answer(now, code, 'invalid', 'extended headers are already in use');
      }
      return acknowledge({ ...now, style: 'extended' }, code);
    case 'list-meta-context':
    case 'set-meta-context':
      if (now.style === 'simple') {
        return answer(now, code, 'invalid', 'structured replies must be negotiated first');
      }
      return proceed(now, {
        do: 'contexts',
        code,
        exportName: body.exportName,
        queries: body.queries,
        select: body.name === 'set-meta-context',
      });
    case 'malformed':
      if (code === NBD_OPT_EXPORT_NAME) return drop(body.reason);
      return answer(now, code, 'invalid', body.reason);
    case 'unknown':
      return answer(now, code, 'unsupported', 'this server does not know the option');
  }
}

function onStartTls(now: Negotiated, code: number, policy: HandshakePolicy): Step {
  if (now.tls) return answer(now, code, 'invalid', 'TLS is already in use');
  if (policy.tls === 'off' || !now.fixedNewstyle) {
    return answer(now, code, 'policy', 'this server does not offer TLS');
  }
  return {
    state: { phase: 'upgrading', negotiated: now },
    reply: encodeOptionReply(code, { name: 'ack' }),
    effect: { do: 'start-tls' },
  };
}

function proceed(now: Negotiated, effect: Effect): Step {
  return { state: { phase: 'haggling', negotiated: now }, reply: undefined, effect };
}

function acknowledge(now: Negotiated, code: number): Step {
  const reply = encodeOptionReply(code, { name: 'ack' });
  return { state: { phase: 'haggling', negotiated: now }, reply, effect: NOTHING };
}

function answer(now: Negotiated, code: number, error: OptionError, message: string): Step {
  const reply = encodeOptionReply(code, { name: 'error', error, message });
  return { state: { phase: 'haggling', negotiated: now }, reply, effect: NOTHING };
}

function drop(reason: string): Step {
  return { state: OVER, reply: undefined, effect: { do: 'drop', reason } };
}
