/**
 * The client's side of the handshake, in the order that the document recommends: greeting, STARTTLS
 * first of all options, reply style, meta contexts, GO (EXPORT_NAME for servers that have no GO).
 */
import type { Socket } from 'node:net';
import { Fault, type FaultCode } from '../../errors/index.ts';
import {
  DEFAULT_MAXIMUM_PAYLOAD,
  DEFAULT_MINIMUM_BLOCK,
  DEFAULT_PREFERRED_BLOCK,
  NBD_INFO_BLOCK_SIZE,
  NBD_INFO_DESCRIPTION,
  NBD_INFO_NAME,
} from '../wire/constants.ts';
import {
  type BlockSizes,
  decodeExportNameReply,
  decodeGreeting,
  decodeOptionReply,
  encodeClientFlags,
  encodeOption,
  type OptionBody,
  type OptionError,
  optionCode,
  type ReceivedOptionReply,
  type ReplyStyle,
} from '../wire/index.ts';
import type { NbdAddress } from './address.ts';
import { Inbox } from './inbox.ts';
import { LISTED_EXPORTS, OPTION_REPLIES } from './limits.ts';
import type { ResolvedOptions } from './options.ts';
import { addressText, openSocket, upgrade } from './transport.ts';
import { NbdViolation } from './violation.ts';

/** What was agreed on, as far as transmission needs it. */
export interface Negotiated {
  readonly style: ReplyStyle;
  /** The server's name for the export. */
  readonly exportName: string;
  readonly description: string;
  /** Bytes. */
  readonly size: number;
  readonly flags: number;
  readonly sizes: BlockSizes;
  /** Selected meta contexts: id to name. */
  readonly contexts: ReadonlyMap<number, string>;
  readonly tls: boolean;
}

type Refusal = Extract<ReceivedOptionReply, { readonly name: 'error' | 'error-unknown' }>;

interface Answer {
  readonly replies: readonly ReceivedOptionReply[];
  /** Undefined when the option was acknowledged. */
  readonly refusal: Refusal | undefined;
}

/** What an error reply means to the caller of `connectNbd`. Total: a new error must be thought about. */
const FAULT_OF: Readonly<Record<OptionError, FaultCode>> = {
  unsupported: 'UNAVAILABLE',
  policy: 'PERMISSION_DENIED',
  invalid: 'INVALID_INPUT',
  platform: 'UNAVAILABLE',
  'tls-required': 'PERMISSION_DENIED',
  'unknown-export': 'EXPORT_NOT_FOUND',
  shutdown: 'UNAVAILABLE',
  'block-size-required': 'UNAVAILABLE',
  'too-big': 'LIMIT_EXCEEDED',
  'extended-headers-required': 'UNAVAILABLE',
};

export class Handshake {
  readonly #address: NbdAddress;
  readonly #options: ResolvedOptions;
  #socket: Socket;
  #inbox: Inbox;
  #noZeroes = false;
  #tls = false;

  private constructor(address: NbdAddress, options: ResolvedOptions, socket: Socket) {
    this.#address = address;
    this.#options = options;
    this.#socket = socket;
    this.#inbox = new Inbox(socket);
  }

  /**
   * Connects, greets, and upgrades to TLS as the options say; then `use` haggles. The socket is
   * destroyed when anything of it fails or takes too long.
   */
  static async run<T>(
    address: NbdAddress,
    options: ResolvedOptions,
    use: (handshake: Handshake) => Promise<T>,
  ): Promise<T> {
    const { socket, connected } = openSocket(address, options.tls === 'off');
    const handshake = new Handshake(address, options, socket);
    const seconds = options.connectMs / 1000;
    const timeout = `no NBD handshake with ${addressText(address)} within ${seconds} s`;
    const cancel = options.timers.after(options.connectMs, () => {
      const fault = new Fault('UNAVAILABLE', timeout);
      handshake.#inbox.fail(fault);
      socket.destroy(fault);
    });
    try {
      await connected;
      await handshake.#greet();
      await handshake.#startTls();
      return await use(handshake);
    } catch (error) {
      handshake.#socket.destroy();
      throw error;
    } finally {
      cancel();
    }
  }

  async #greet(): Promise<void> {
    const greeting = await this.#inbox.next(decodeGreeting);
    if (!greeting.fixedNewstyle && this.#options.tls === 'require') {
      throw new Fault('PERMISSION_DENIED', 'this NBD server is too old for TLS');
    }
    this.#noZeroes = greeting.noZeroes;
    this.#socket.write(
      encodeClientFlags({ fixedNewstyle: greeting.fixedNewstyle, noZeroes: greeting.noZeroes }),
    );
  }

  async #startTls(): Promise<void> {
    if (this.#options.tls === 'off') return;
    const { refusal } = await this.#ask({ name: 'starttls' });
    if (refusal !== undefined) {
      if (this.#options.tls === 'allow') return;
      throw this.#fault(refusal, 'TLS');
    }
    // Bytes that are here already were sent in plain text, perhaps by somebody in the middle.
    if (this.#inbox.detach().length > 0) throw new NbdViolation('data-after-starttls');
    this.#socket = await upgrade(this.#socket, this.#address, this.#options.tlsCredentials);
    this.#inbox = new Inbox(this.#socket);
    this.#tls = true;
  }

  async list(): Promise<{ name: string; description: string }[]> {
    const { replies, refusal } = await this.#ask({ name: 'list' });
    if (refusal !== undefined) throw this.#fault(refusal, 'the list of exports');
    return replies.map((reply) => {
      if (reply.name !== 'server') throw new NbdViolation('option-reply-unexpected', reply.name);
      return { name: reply.exportName, description: reply.description };
    });
  }

  /** A soft disconnect; the server's acknowledgement is not waited for. */
  abort(): void {
    this.#socket.end(encodeOption({ name: 'abort' }));
  }

  async go(exportName: string): Promise<Negotiated> {
    const style = await this.#chooseStyle();
    const contexts =
      style === 'simple' ? new Map<number, string>() : await this.#selectContexts(exportName);
    const infos = [NBD_INFO_NAME, NBD_INFO_DESCRIPTION, NBD_INFO_BLOCK_SIZE];
    const { replies, refusal } = await this.#ask({ name: 'go', exportName, infos });
    const common = { style, contexts, tls: this.#tls };
    if (refusal === undefined) return { ...exportOf(replies, exportName), ...common };
    const unsupported = refusal.name === 'error' && refusal.error === 'unsupported';
    // "if the server has acknowledged NBD_OPT_EXTENDED_HEADERS, a client MUST NOT use this option"
    if (!unsupported || style === 'extended') {
      throw this.#fault(refusal, `export '${exportName}'`);
    }
    return { ...(await this.#exportName(exportName)), ...common };
  }

  async #exportName(exportName: string): Promise<Omit<Negotiated, 'style' | 'contexts' | 'tls'>> {
    this.#socket.write(encodeOption({ name: 'export-name', exportName }));
    const reply = await this.#inbox.next((source, start, end) =>
      decodeExportNameReply(source, start, end, this.#noZeroes),
    );
    return {
      exportName,
      description: '',
      size: checkedSize(reply.exportSize),
      flags: reply.transmissionFlags,
      sizes: DEFAULT_SIZES,
    };
  }

  async #chooseStyle(): Promise<ReplyStyle> {
    const wanted = this.#options.style;
    if (wanted === 'simple') return 'simple';
    if (wanted === 'extended' && (await this.#accepts({ name: 'extended-headers' }))) {
      return 'extended';
    }
    return (await this.#accepts({ name: 'structured-reply' })) ? 'structured' : 'simple';
  }

  async #accepts(body: OptionBody): Promise<boolean> {
    const { refusal } = await this.#ask(body);
    if (refusal === undefined) return true;
    // These two will meet every other option as well.
    const hopeless: readonly string[] = ['tls-required', 'shutdown'];
    if (refusal.name === 'error' && hopeless.includes(refusal.error)) {
      throw this.#fault(refusal, 'the handshake');
    }
    return false;
  }

  async #selectContexts(exportName: string): Promise<ReadonlyMap<number, string>> {
    const queries = this.#options.contexts;
    const contexts = new Map<number, string>();
    if (queries.length === 0) return contexts;
    const { replies, refusal } = await this.#ask({
      name: 'set-meta-context',
      exportName,
      queries,
    });
    // Contexts are an extra: without them there is no block status, and that is all.
    if (refusal !== undefined) return contexts;
    for (const reply of replies) {
      if (reply.name !== 'meta-context')
        throw new NbdViolation('option-reply-unexpected', reply.name);
      if (contexts.has(reply.id)) throw new NbdViolation('context-duplicate', reply.context);
      contexts.set(reply.id, reply.context);
    }
    return contexts;
  }

  /** Sends an option and collects its replies. */
  async #ask(body: OptionBody): Promise<Answer> {
    this.#socket.write(encodeOption(body));
    const code = optionCode(body);
    const most = body.name === 'list' ? LISTED_EXPORTS : OPTION_REPLIES;
    const replies: ReceivedOptionReply[] = [];
    for (;;) {
      const reply = await this.#inbox.next(decodeOptionReply);
      if (reply.code !== code) throw new NbdViolation('option-reply-code', String(reply.code));
      if (reply.body.name === 'ack') return { replies, refusal: undefined };
      if (reply.body.name === 'error' || reply.body.name === 'error-unknown') {
        return { replies, refusal: reply.body };
      }
      replies.push(reply.body);
      if (replies.length > most) throw new NbdViolation('option-reply-endless');
    }
  }

  #fault(refusal: Refusal, what: string): Fault {
    const code = refusal.name === 'error' ? FAULT_OF[refusal.error] : 'UNAVAILABLE';
    const reason = refusal.name === 'error' ? refusal.error : `error type ${refusal.type}`;
    const message = refusal.message === '' ? '' : `: ${refusal.message}`;
    return new Fault(code, `${addressText(this.#address)} refused ${what}: ${reason}${message}`);
  }

  /** Hands the socket over to transmission, with the bytes that have arrived for it. */
  release(): { socket: Socket; rest: Buffer } {
    return { socket: this.#socket, rest: this.#inbox.detach() };
  }
}

const DEFAULT_SIZES: BlockSizes = Object.freeze({
  minimum: DEFAULT_MINIMUM_BLOCK,
  preferred: DEFAULT_PREFERRED_BLOCK,
  maximumPayload: DEFAULT_MAXIMUM_PAYLOAD,
});

function exportOf(
  replies: readonly ReceivedOptionReply[],
  asked: string,
): Omit<Negotiated, 'style' | 'contexts' | 'tls'> {
  let exportName = asked;
  let description = '';
  let sizes = DEFAULT_SIZES;
  let base: { size: number; flags: number } | undefined;
  for (const reply of replies) {
    switch (reply.name) {
      case 'info-export':
        base = { size: checkedSize(reply.exportSize), flags: reply.flags };
        break;
      case 'info-name':
        exportName = reply.exportName;
        break;
      case 'info-description':
        description = reply.description;
        break;
      case 'info-block-size':
        sizes = checkedSizes(reply.sizes);
        break;
      case 'info-unknown': // "MUST ignore information types that it does not recognize"
        break;
      case 'ack':
      case 'server':
      case 'meta-context':
      case 'error':
      case 'error-unknown':
        throw new NbdViolation('option-reply-unexpected', reply.name);
    }
  }
  if (base === undefined) throw new NbdViolation('info-export-missing');
  return { exportName, description, sizes, ...base };
}

function checkedSize(size: number): number {
  if (!Number.isSafeInteger(size)) throw new NbdViolation('export-size', String(size));
  return size;
}

/** "Size constraints": the bounds of each of the three numbers. */
function checkedSizes(sizes: BlockSizes): BlockSizes {
  const { minimum, preferred, maximumPayload } = sizes;
  const sound =
    isPowerOfTwo(minimum) &&
    minimum <= 65_536 &&
    isPowerOfTwo(preferred) &&
    preferred >= Math.max(minimum, 512) &&
    maximumPayload >= preferred;
  if (!sound) throw new NbdViolation('block-size', `${minimum}, ${preferred}, ${maximumPayload}`);
  return sizes;
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value));
}
