/**
 * A small iSCSI target for tests: correct unless a test tampers with it. Every PDU that it sends passes
 * `tamper`, every one that it gets `intercept`.
 */
import { createServer, type Server, type Socket } from 'node:net';
import {
  AHS_BYTES,
  BHS_SIZE,
  CDB_OFFSET,
  crc32c,
  decodeCdb,
  decodeFrame,
  decodeRequest,
  decodeText,
  encodeSense,
  encodeText,
  type InitiatorPdu,
  NO_TAG,
  padding,
  type ScsiCommand,
  type TargetPdu,
  writeResponse,
} from '../../src/iscsi/wire/index.ts';
import type { DiskAnswer, TargetDisk } from './iscsi-target-disk.ts';
import { DEFAULT_KEYS, type LoginScript, TargetLogin } from './iscsi-target-login.ts';

export interface Sent {
  readonly pdu: TargetPdu;
  readonly data: Buffer;
}

export interface TargetScript extends LoginScript {
  /** What goes out instead; undefined: as it is. */
  tamper?: (sent: Sent, connection: TargetConnection) => readonly Sent[] | undefined;
  /** Bytes of one PDU on their way out, digests included. */
  mangle?: (bytes: Buffer, pdu: TargetPdu) => Buffer;
  /** True: the script has dealt with it. */
  intercept?: (pdu: InitiatorPdu, data: Buffer, connection: TargetConnection) => boolean;
  targets?: readonly (readonly [string, string])[];
  /** Bytes of text in one PDU, to see continuations. */
  textPiece?: number;
  /** Commands that it takes before it has answered one. */
  window?: number;
}

const WINDOW = 64;
const SEND_SEGMENT = 4096;

export class IscsiTarget {
  script: TargetScript;
  readonly disk: TargetDisk;
  readonly connections = new Set<TargetConnection>();
  /** Logins that came to the full-feature phase. */
  logins = 0;
  readonly #server: Server;
  readonly portal: string;

  private constructor(server: Server, port: number, disk: TargetDisk, script: TargetScript) {
    this.#server = server;
    this.portal = `127.0.0.1:${port}`;
    this.disk = disk;
    this.script = script;
  }

  static async start(disk: TargetDisk, script: TargetScript = {}): Promise<IscsiTarget> {
    let target: IscsiTarget | undefined;
    const server = createServer((socket) => {
      if (target !== undefined) target.connections.add(new TargetConnection(socket, target));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    target = new IscsiTarget(server, address.port, disk, script);
    return target;
  }

  /** Breaks every connection. */
  cut(): void {
    for (const connection of this.connections) connection.socket.destroy();
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.cut();
    await closed;
  }
}

interface Transfer {
  readonly pdu: ScsiCommand;
  readonly cdb: Buffer;
  readonly data: Buffer;
  received: number;
  r2tSN: number;
  ttt: number;
  awaited: number;
}

export class TargetConnection {
  readonly socket: Socket;
  readonly target: IscsiTarget;
  statSN = 1;
  expCmdSN = 1;
  readonly transfers = new Map<number, Transfer>();
  readonly #phase = new TargetLogin(() => this.script);
  #buffer: Buffer = Buffer.alloc(0);
  #digests = { header: false, data: false };
  #fullFeature = false;
  #discovery = false;
  #loginText: Buffer[] = [];
  #textRest: Buffer = Buffer.alloc(0);

  constructor(socket: Socket, target: IscsiTarget) {
    this.socket = socket;
    this.target = target;
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('error', () => {});
    socket.on('close', () => target.connections.delete(this));
  }

  get script(): TargetScript {
    return this.target.script;
  }

  /** The numbers that every PDU carries. */
  numbers(itt: number, dataLength = 0) {
    const { statSN, expCmdSN } = this;
    const { window = WINDOW } = this.script;
    return { itt, statSN, expCmdSN, maxCmdSN: expCmdSN + window - 1, dataLength };
  }

  send(pdu: TargetPdu, data: Buffer = Buffer.alloc(0) as Buffer): void {
    const counts =
      pdu.kind === 'data-in'
        ? pdu.hasStatus
        : pdu.kind !== 'r2t' && !(pdu.kind === 'nop-in' && pdu.itt === NO_TAG);
    if (counts) this.statSN += 1;
    const sent = this.script.tamper?.({ pdu, data }, this) ?? [{ pdu, data }];
    for (const one of sent) this.#write(one);
  }

  #write({ pdu, data }: Sent): void {
    const login = pdu.kind === 'login-response';
    const head = Buffer.alloc(BHS_SIZE);
    writeResponse(head, 0, pdu);
    const digest = (bytes: Buffer): Buffer => {
      const crc = Buffer.alloc(4);
      crc.writeUInt32LE(crc32c(bytes));
      return crc;
    };
    const body = Buffer.concat([data, Buffer.alloc(padding(data.length))]);
    const parts: Buffer[] = [head];
    if (this.#digests.header && !login) parts.push(digest(head));
    parts.push(body);
    if (this.#digests.data && !login && data.length > 0) parts.push(digest(body));
    const bytes = Buffer.concat(parts);
    this.socket.write(this.script.mangle?.(bytes, pdu) ?? bytes);
  }

  #receive(bytes: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, bytes]);
    for (;;) {
      const headerDigest = this.#digests.header;
      const rules = { headerDigest, maxDataSegment: 1 << 20, maxAhs: AHS_BYTES };
      const frame = decodeFrame(this.#buffer, 0, this.#buffer.length, rules);
      if (frame.kind === 'violation') throw new Error(`the initiator sent ${frame.violation}`);
      if (frame.kind === 'need-more') return;
      const { size, dataLength } = frame;
      const digest = this.#digests.data && dataLength > 0 ? 4 : 0;
      const body = dataLength + padding(dataLength);
      if (this.#buffer.length < size + body + digest) return;
      const pdu = decodeRequest(this.#buffer, 0);
      if (pdu.kind === 'violation') throw new Error('the initiator sent an unknown opcode');
      if (digest > 0) {
        const crc = crc32c(this.#buffer, size, size + body);
        if (this.#buffer.readUInt32LE(size + body) !== crc) throw new Error('data digest');
      }
      const header = Buffer.from(this.#buffer.subarray(0, BHS_SIZE));
      const data = Buffer.from(this.#buffer.subarray(size, size + dataLength));
      this.#buffer = this.#buffer.subarray(size + body + digest);
      if (this.script.intercept?.(pdu, data, this) !== true) this.#handle(pdu, header, data);
    }
  }

  #handle(pdu: InitiatorPdu, header: Buffer, data: Buffer): void {
    switch (pdu.kind) {
      case 'login-request':
        this.#login(pdu, data);
        return;
      case 'scsi-command':
        if (!this.#fullFeature || this.#discovery) throw new Error('a command before login');
        if (pdu.cmdSN !== this.expCmdSN) throw new Error('CmdSN out of order');
        if (!pdu.immediate) this.expCmdSN += 1;
        this.#command(pdu, header, data);
        return;
      case 'data-out':
        this.#dataOut(pdu, data);
        return;
      case 'nop-out':
        if (pdu.itt !== NO_TAG) {
          const lun = { high: 0, low: 0 };
          this.send(
            { kind: 'nop-in', lun, ttt: NO_TAG, ...this.numbers(pdu.itt, data.length) },
            data,
          );
        }
        return;
      case 'text-request':
        this.#text(pdu.itt, pdu.ttt);
        return;
      case 'task-management-request':
        if (pdu.fn === 1) this.transfers.delete(pdu.referencedTag);
        else this.transfers.clear();
        this.send({ kind: 'task-management-response', response: 0, ...this.numbers(pdu.itt) });
        return;
      case 'logout-request':
        this.send({
          kind: 'logout-response',
          response: 0,
          time2Wait: 0,
          time2Retain: 0,
          ...this.numbers(pdu.itt),
        });
        this.socket.end();
    }
  }

  // Login

  #login(pdu: Extract<InitiatorPdu, { kind: 'login-request' }>, data: Buffer): void {
    this.#loginText.push(data);
    const text = decodeText(Buffer.concat(this.#loginText.splice(0)));
    const asked = new Map(text.kind === 'text' ? text.pairs : []);
    if (asked.get('SessionType') === 'Discovery') this.#discovery = true;
    const { chap } = this.script;
    const answers: [string, string][] = [];
    let status = 0;
    let { transit } = pdu;
    if (pdu.currentStage === 0) {
      if (asked.has('AuthMethod')) answers.push(['TargetPortalGroupTag', '1']);
      if (chap === undefined) {
        if (asked.has('AuthMethod')) answers.push(['AuthMethod', 'None']);
      } else {
        transit = false;
        status = this.#phase.authenticate(chap, asked, answers);
        if (status === 0 && this.#phase.authenticated) transit = pdu.transit;
      }
    } else {
      for (const [key, value] of asked) answers.push([key, this.#phase.answer(key, value)]);
    }
    const body = status === 0 ? encodeText(answers) : Buffer.alloc(0);
    const done = transit && pdu.nextStage === 3;
    this.send(
      {
        kind: 'login-response',
        transit: status === 0 && transit,
        more: false,
        currentStage: pdu.currentStage,
        nextStage: transit ? pdu.nextStage : 0,
        versionActive: 0,
        isid: pdu.isid,
        tsih: done ? 1 : 0,
        status,
        ...this.numbers(pdu.itt, body.length),
      },
      body,
    );
    if (done && status === 0) {
      this.expCmdSN = pdu.cmdSN;
      const on = (key: string) => this.#phase.has(key, 'CRC32C');
      this.#digests = { header: on('HeaderDigest'), data: on('DataDigest') };
      this.#fullFeature = true;
      this.target.logins += 1;
    } else if (status !== 0) this.socket.end();
  }

  #text(itt: number, ttt: number): void {
    if (ttt === NO_TAG) this.#textRest = encodeText(this.script.targets ?? []);
    const piece = this.#textRest.subarray(0, this.script.textPiece ?? 8192);
    this.#textRest = this.#textRest.subarray(piece.length);
    const more = this.#textRest.length > 0;
    this.send(
      {
        kind: 'text-response',
        final: !more,
        more,
        ttt: more ? 5 : NO_TAG,
        ...this.numbers(itt, piece.length),
      },
      piece,
    );
  }

  // Commands

  #command(pdu: ScsiCommand, header: Buffer, data: Buffer): void {
    const cdb = header.subarray(CDB_OFFSET, CDB_OFFSET + 16);
    const length = pdu.write ? pdu.expectedLength : 0;
    const transfer: Transfer = {
      ...{ pdu, cdb, data: Buffer.alloc(length), received: 0, r2tSN: 0, ttt: NO_TAG },
      awaited: pdu.final ? 0 : Math.min(length, Number(DEFAULT_KEYS['FirstBurstLength'])),
    };
    this.transfers.set(pdu.itt, transfer);
    data.copy(transfer.data);
    transfer.received = data.length;
    this.#proceed(transfer);
  }

  #dataOut(pdu: Extract<InitiatorPdu, { kind: 'data-out' }>, data: Buffer): void {
    const transfer = this.transfers.get(pdu.itt);
    if (transfer === undefined) return; // aborted
    if (pdu.ttt !== transfer.ttt) throw new Error('target transfer tag');
    if (pdu.bufferOffset !== transfer.received) throw new Error('data out of order');
    data.copy(transfer.data, pdu.bufferOffset);
    transfer.received += data.length;
    if (pdu.final && transfer.received !== transfer.awaited) throw new Error('final too early');
    this.#proceed(transfer);
  }

  #proceed(transfer: Transfer): void {
    const { pdu, data } = transfer;
    if (transfer.received < transfer.awaited) return;
    if (transfer.received < data.length) {
      const most = Number(this.script.keys?.['MaxBurstLength'] ?? DEFAULT_KEYS['MaxBurstLength']);
      const desiredLength = Math.min(most, data.length - transfer.received);
      transfer.ttt = 100 + transfer.r2tSN;
      transfer.awaited = transfer.received + desiredLength;
      const { ttt, r2tSN, received: bufferOffset } = transfer;
      transfer.r2tSN += 1;
      const r2t = { kind: 'r2t', lun: pdu.lun, ttt, r2tSN, bufferOffset, desiredLength } as const;
      this.send({ ...r2t, ...this.numbers(pdu.itt) });
      return;
    }
    this.transfers.delete(pdu.itt);
    const cdb = decodeCdb(transfer.cdb, 0);
    const answer: DiskAnswer =
      'violation' in cdb ? { status: 2, sense: 0x052000 } : this.target.disk.execute(cdb, data);
    this.#respond(pdu, answer);
  }

  #respond(pdu: ScsiCommand, answer: DiskAnswer): void {
    const data = answer.data?.subarray(0, pdu.expectedLength) ?? Buffer.alloc(0);
    const residual = pdu.read ? pdu.expectedLength - data.length : 0;
    const rest = { overflow: false, underflow: residual > 0, residual };
    const good = answer.status === 0;
    let dataSN = 0;
    for (let at = 0; at < data.length; at += SEND_SEGMENT) {
      const piece = data.subarray(at, at + SEND_SEGMENT);
      const last = at + piece.length === data.length;
      const status = last && good ? rest : { overflow: false, underflow: false, residual: 0 };
      this.send(
        {
          kind: 'data-in',
          final: last,
          hasStatus: last && good,
          status: 0,
          ttt: NO_TAG,
          dataSN,
          bufferOffset: at,
          ...status,
          ...this.numbers(pdu.itt, piece.length),
        },
        piece,
      );
      dataSN += 1;
    }
    if (data.length > 0 && good) return;
    const key = answer.sense ?? 0;
    const sense =
      answer.sense === undefined ? Buffer.alloc(0) : encodeSense(key >> 16, key & 0xffff);
    const numbers = this.numbers(pdu.itt, sense.length);
    const { status } = answer;
    this.send(
      { kind: 'scsi-response', response: 0, status, expDataSN: dataSN, ...rest, ...numbers },
      sense,
    );
  }
}
