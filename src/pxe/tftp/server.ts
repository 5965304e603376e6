/**
 * TFTP's sockets: one listens for requests; each transfer has its own, with its own port (RFC 1350
 * §4), and a timer that follows the transfer's deadline.
 */
import type { RemoteInfo, Socket } from 'node:dgram';
import type { BootCatalog } from '../boot-catalog.ts';
import type { LoaderFiles } from '../boot-loaders.ts';
import type { PxeReporter } from '../events.ts';
import { MAX_TFTP_TRANSFERS, MAX_TFTP_TRANSFERS_PER_ADDRESS } from '../limits.ts';
import type { ServedScript } from '../served-script.ts';
import { bindUdp, closeUdp } from '../udp-socket.ts';
import { HeldFiles } from './held-files.ts';
import { negotiate } from './negotiate.ts';
import { toNetascii } from './netascii.ts';
import { isUsuallyAbsent, type ServedName, servedName } from './served-names.ts';
import { Transfer } from './transfer.ts';
import { decodeTftp, encodeError, TFTP_ERROR, type TftpRequest } from './wire/packet.ts';

export interface TftpSetup {
  readonly address: string;
  readonly port: number;
  readonly loaders: LoaderFiles;
  readonly catalog: Pick<BootCatalog, 'openFile'>;
  /** A machine's: this is a boot. */
  readonly script: (wanted: ServedScript) => Promise<string>;
  readonly report: PxeReporter;
  readonly now: () => number;
}

export interface TftpServer {
  readonly bound: { readonly address: string; readonly port: number };
  /** Ends transfers in progress: their clients start over. */
  close(): Promise<void>;
}

type Content =
  | {
      readonly kind: 'content';
      readonly bytes: Buffer;
      readonly ended: (isComplete: boolean) => void;
    }
  | { readonly kind: 'refusal'; readonly code: number; readonly message: string };

const refusal = (code: number, message: string): Content => ({ kind: 'refusal', code, message });

interface Running {
  readonly address: string;
  close(): Promise<void>;
}

/** @throws Fault ADDRESS_IN_USE, PERMISSION_DENIED, INVALID_INPUT */
export async function startTftpServer(setup: TftpSetup): Promise<TftpServer> {
  const socket = await bindUdp(
    {
      service: 'TFTP',
      address: setup.address,
      port: setup.port,
      field: 'pxe.ports.tftp',
      usualOwners: 'tftpd-hpa, atftpd or dnsmasq',
    },
    { reuseAddr: false },
  );
  const server = new Listener(setup, socket);
  const { address, port } = socket.address();
  return { bound: { address, port }, close: () => server.close() };
}

class Listener {
  readonly #setup: TftpSetup;
  readonly #socket: Socket;
  readonly #files = new HeldFiles();
  /** By client address and port: the client's side of a transfer's identity. */
  readonly #running = new Map<string, Running>();
  #closed = false;

  constructor(setup: TftpSetup, socket: Socket) {
    this.#setup = setup;
    this.#socket = socket;
    socket.on('message', (bytes, from) => this.#receive(bytes, from));
    socket.on('error', (error) => setup.report({ type: 'failure', where: 'tftp', error }));
  }

  async close(): Promise<void> {
    this.#closed = true;
    const transfers = [...this.#running.values()].map((running) => running.close());
    await Promise.all([...transfers, closeUdp(this.#socket)]);
  }

  #receive(bytes: Buffer, from: RemoteInfo): void {
    const decoded = decodeTftp(bytes);
    if (decoded.kind === 'violation') {
      this.#refuse(from, TFTP_ERROR.ILLEGAL_OPERATION, decoded.violation);
      return;
    }
    const { packet } = decoded;
    switch (packet.kind) {
      case 'read':
        this.#read(packet, from);
        return;
      case 'write':
        this.#fail(from, packet.file, TFTP_ERROR.ACCESS_VIOLATION, 'this server is read-only');
        return;
      case 'data':
      case 'ack':
      case 'option-ack':
        this.#refuse(from, TFTP_ERROR.UNKNOWN_TRANSFER, 'no transfer on this port');
        return;
      case 'error':
        return; // never answered, else two servers could answer each other for ever
    }
  }

  #read(request: TftpRequest, from: RemoteInfo): void {
    const key = `${from.address}:${from.port}`;
    // Its first packet got lost and the client asks again; the transfer repeats it by itself.
    if (this.#running.has(key)) return;
    const ofAddress = [...this.#running.values()].filter(({ address }) => address === from.address);
    if (
      this.#running.size >= MAX_TFTP_TRANSFERS ||
      ofAddress.length >= MAX_TFTP_TRANSFERS_PER_ADDRESS
    ) {
      this.#fail(from, request.file, TFTP_ERROR.NOT_DEFINED, 'too many transfers');
      return;
    }
    // The place is taken before the file is read, or a storm would pass the limit meanwhile.
    this.#running.set(key, { address: from.address, close: async () => {} });
    this.#serve(request, from, key).catch((error: unknown) => {
      this.#running.delete(key);
      this.#setup.report({ type: 'failure', where: 'tftp', error });
    });
  }

  async #serve(request: TftpRequest, from: RemoteInfo, key: string): Promise<void> {
    const content = await this.#content(request);
    if (content.kind === 'refusal') {
      if (this.#closed) return;
      this.#running.delete(key);
      if (isUsuallyAbsent(request.file)) this.#refuse(from, content.code, content.message);
      else this.#fail(from, request.file, content.code, content.message);
      return;
    }
    const socket = await this.#transferSocket().catch((error: unknown) => {
      content.ended(false);
      throw error;
    });
    if (this.#closed) {
      content.ended(false);
      return closeUdp(socket);
    }
    const ended = (isComplete: boolean) => {
      this.#running.delete(key);
      content.ended(isComplete);
    };
    const running = runTransfer(this.#setup, {
      socket,
      from,
      request,
      content: content.bytes,
      ended,
    });
    this.#running.set(key, running);
  }

  #transferSocket(): Promise<Socket> {
    return bindUdp(
      {
        service: 'A TFTP transfer',
        address: this.#setup.address,
        port: 0,
        field: 'pxe.serverAddress',
        usualOwners: 'nobody',
      },
      { reuseAddr: false },
    );
  }

  async #content(request: TftpRequest): Promise<Content> {
    if (request.mode !== 'octet' && request.mode !== 'netascii') {
      return refusal(TFTP_ERROR.ILLEGAL_OPERATION, 'mode is neither octet nor netascii');
    }
    const name = servedName(request.file);
    if (name === undefined) return refusal(TFTP_ERROR.FILE_NOT_FOUND, 'no such file');
    const content = await this.#named(name);
    return content.kind === 'content' && request.mode === 'netascii'
      ? { ...content, bytes: toNetascii(content.bytes) }
      : content;
  }

  async #named(name: ServedName): Promise<Content> {
    const ended = (): void => {};
    switch (name.kind) {
      case 'script':
        return {
          kind: 'content',
          bytes: Buffer.from(await this.#setup.script(name.script)),
          ended,
        };
      case 'loader': {
        const loader = await this.#setup.loaders.load(name.name);
        if (loader.kind === 'loaded') return { kind: 'content', bytes: loader.content, ended };
        const { message } = loader;
        this.#setup.report({ type: 'loader-missing', file: name.name, message });
        return refusal(TFTP_ERROR.FILE_NOT_FOUND, message);
      }
      case 'boot-file': {
        const file = await this.#setup.catalog.openFile(name.file);
        if (file === undefined) return refusal(TFTP_ERROR.FILE_NOT_FOUND, 'no such file');
        const held = await this.#files.hold(file);
        if (held === undefined) {
          return refusal(TFTP_ERROR.NOT_DEFINED, 'no memory for another file by TFTP');
        }
        const ended = (isComplete: boolean): void => {
          held.release();
          const { size: bytes } = file;
          if (isComplete)
            this.#setup.report({ type: 'file-served', ...name.file, bytes, complete: true });
        };
        return { kind: 'content', bytes: held.content, ended };
      }
    }
  }

  #fail(to: RemoteInfo, file: string, code: number, reason: string): void {
    this.#setup.report({ type: 'tftp-failed', address: to.address, file, reason });
    this.#refuse(to, code, reason);
  }

  #refuse(to: RemoteInfo, code: number, message: string): void {
    if (this.#closed) return;
    // A reply that cannot be sent is a lost packet: the client asks again.
    this.#socket.send(encodeError(code, message), to.port, to.address, () => {});
  }
}

interface TransferSetup {
  readonly socket: Socket;
  readonly from: RemoteInfo;
  readonly request: TftpRequest;
  readonly content: Buffer;
  readonly ended: (isComplete: boolean) => void;
}

function runTransfer(
  { report, now }: Pick<TftpSetup, 'report' | 'now'>,
  { socket, from, request, content, ended }: TransferSetup,
): Running {
  const startedAt = now();
  const transfer = new Transfer(content, negotiate(request.options, content.length), startedAt);
  let timer: NodeJS.Timeout | undefined;
  let closing: Promise<void> | undefined;
  const close = () => {
    clearTimeout(timer);
    closing ??= closeUdp(socket);
    return closing;
  };
  const send = (packets: readonly Buffer[]) => {
    if (closing !== undefined) return; // its end is told once
    for (const packet of packets) socket.send(packet, from.port, from.address, () => {});
    clearTimeout(timer);
    const { outcome } = transfer;
    if (outcome === undefined) {
      timer = setTimeout(
        () => send(transfer.timeout(now())),
        Math.max(1, transfer.deadline - now()),
      );
      return;
    }
    ended(outcome.kind === 'complete');
    const { file } = request;
    const { address } = from;
    switch (outcome.kind) {
      case 'complete': {
        const milliseconds = now() - startedAt;
        report({ type: 'tftp-served', address, file, bytes: content.length, milliseconds });
        break;
      }
      case 'aborted':
      case 'failed':
        report({ type: 'tftp-failed', address, file, reason: outcome.reason });
        break;
      case 'probed':
        break; // it comes back at once
    }
    void close();
  };
  socket.on('error', () => {}); // an ICMP error: the deadline will tell
  socket.on('message', (bytes, sender) => {
    if (sender.port !== from.port || sender.address !== from.address) {
      // RFC 1350 §4: a stray packet is answered and does not disturb the transfer.
      socket.send(
        encodeError(TFTP_ERROR.UNKNOWN_TRANSFER, 'unknown port'),
        sender.port,
        sender.address,
        () => {},
      );
      return;
    }
    const decoded = decodeTftp(bytes);
    if (decoded.kind === 'packet') send(transfer.receive(decoded.packet, now()));
  });
  send(transfer.start());
  return { address: from.address, close };
}
