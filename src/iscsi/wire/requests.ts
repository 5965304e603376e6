/**
 * The PDUs that an initiator sends (RFC 7143, 11.3 … 11.18), both ways: an initiator writes them, a target reads
 * them. Headers only: data is framed by frame.ts. Fields that the document calls reserved are written as zero and not read.
 */

import { type Violation, violation } from '../../base/index.ts';
import { BHS_SIZE, CONTINUE, FINAL, IMMEDIATE, OPCODE } from './constants.ts';
import type { Lun } from './lun.ts';

/** The initiator's part of a session's identity: six bytes (10.1.2). */
export interface Isid {
  /** The first two bytes: type and vendor. */
  readonly high: number;
  /** The last four. */
  readonly low: number;
}

export interface LoginRequest {
  readonly kind: 'login-request';
  readonly transit: boolean;
  readonly more: boolean;
  readonly currentStage: number;
  readonly nextStage: number;
  readonly isid: Isid;
  readonly tsih: number;
  readonly itt: number;
  readonly cid: number;
  readonly cmdSN: number;
  readonly expStatSN: number;
  readonly dataLength: number;
}

export interface TextRequest {
  readonly kind: 'text-request';
  readonly immediate: boolean;
  readonly final: boolean;
  readonly more: boolean;
  readonly itt: number;
  readonly ttt: number;
  readonly cmdSN: number;
  readonly expStatSN: number;
  readonly dataLength: number;
}

export interface ScsiCommand {
  readonly kind: 'scsi-command';
  readonly immediate: boolean;
  /** No unsolicited Data-Out follows. */
  readonly final: boolean;
  readonly read: boolean;
  readonly write: boolean;
  readonly attributes: number;
  readonly lun: Lun;
  readonly itt: number;
  readonly expectedLength: number;
  readonly cmdSN: number;
  readonly expStatSN: number;
  /** Immediate data. */
  readonly dataLength: number;
}

export interface DataOut {
  readonly kind: 'data-out';
  readonly final: boolean;
  readonly lun: Lun;
  readonly itt: number;
  readonly ttt: number;
  readonly expStatSN: number;
  readonly dataSN: number;
  readonly bufferOffset: number;
  readonly dataLength: number;
}

export interface NopOut {
  readonly kind: 'nop-out';
  readonly immediate: boolean;
  readonly lun: Lun;
  readonly itt: number;
  readonly ttt: number;
  readonly cmdSN: number;
  readonly expStatSN: number;
  readonly dataLength: number;
}

export interface TaskManagementRequest {
  readonly kind: 'task-management-request';
  readonly immediate: boolean;
  readonly fn: number;
  readonly lun: Lun;
  readonly itt: number;
  readonly referencedTag: number;
  readonly cmdSN: number;
  readonly expStatSN: number;
  readonly refCmdSN: number;
}

export interface LogoutRequest {
  readonly kind: 'logout-request';
  readonly immediate: boolean;
  /** 0: close the session. 1: close the connection. */
  readonly reason: number;
  readonly itt: number;
  readonly cid: number;
  readonly cmdSN: number;
  readonly expStatSN: number;
}

export type InitiatorPdu =
  | LoginRequest
  | TextRequest
  | ScsiCommand
  | DataOut
  | NopOut
  | TaskManagementRequest
  | LogoutRequest;

/** Where the CDB stands in a SCSI command. */
export const CDB_OFFSET = 32;
/** SIMPLE task attribute. */
export const SIMPLE = 1;

function head(target: Buffer, at: number, opcode: number, flags: number, dataLength: number): void {
  target.fill(0, at, at + BHS_SIZE);
  target[at] = opcode;
  target[at + 1] = flags;
  target.writeUInt32BE(dataLength, at + 4);
}

function lunAt(target: Buffer, at: number, lun: Lun): void {
  target.writeUInt32BE(lun.high, at + 8);
  target.writeUInt32BE(lun.low, at + 12);
}

/** Writes the header without the CDB, which `encodeCdb` puts at CDB_OFFSET. */
export function writeScsiCommand(target: Buffer, at: number, pdu: Omit<ScsiCommand, 'kind'>): void {
  const flags =
    (pdu.final ? FINAL : 0) | (pdu.read ? 0x40 : 0) | (pdu.write ? 0x20 : 0) | pdu.attributes;
  const opcode = pdu.immediate ? OPCODE.scsiCommand | IMMEDIATE : OPCODE.scsiCommand;
  head(target, at, opcode, flags, pdu.dataLength);
  lunAt(target, at, pdu.lun);
  target.writeUInt32BE(pdu.itt, at + 16);
  target.writeUInt32BE(pdu.expectedLength, at + 20);
  target.writeUInt32BE(pdu.cmdSN, at + 24);
  target.writeUInt32BE(pdu.expStatSN, at + 28);
}

export function writeDataOut(target: Buffer, at: number, pdu: Omit<DataOut, 'kind'>): void {
  head(target, at, OPCODE.dataOut, pdu.final ? FINAL : 0, pdu.dataLength);
  lunAt(target, at, pdu.lun);
  target.writeUInt32BE(pdu.itt, at + 16);
  target.writeUInt32BE(pdu.ttt, at + 20);
  target.writeUInt32BE(pdu.expStatSN, at + 28);
  target.writeUInt32BE(pdu.dataSN, at + 36);
  target.writeUInt32BE(pdu.bufferOffset, at + 40);
}

/** Writes the header of any other request; login and text are followed by their data. */
export function writeRequest(
  target: Buffer,
  at: number,
  pdu: LoginRequest | TextRequest | NopOut | TaskManagementRequest | LogoutRequest,
): void {
  switch (pdu.kind) {
    case 'login-request': {
      const flags =
        (pdu.transit ? FINAL | pdu.nextStage : 0) |
        (pdu.more ? CONTINUE : 0) |
        (pdu.currentStage << 2);
      head(target, at, OPCODE.loginRequest | IMMEDIATE, flags, pdu.dataLength);
      target.writeUInt16BE(pdu.isid.high, at + 8);
      target.writeUInt32BE(pdu.isid.low, at + 10);
      target.writeUInt16BE(pdu.tsih, at + 14);
      target.writeUInt16BE(pdu.cid, at + 20);
      break;
    }
    case 'text-request':
      head(target, at, OPCODE.textRequest, textFlags(pdu), pdu.dataLength);
      target.writeUInt32BE(pdu.ttt, at + 20);
      break;
    case 'nop-out':
      head(target, at, OPCODE.nopOut, FINAL, pdu.dataLength);
      lunAt(target, at, pdu.lun);
      target.writeUInt32BE(pdu.ttt, at + 20);
      break;
    case 'task-management-request':
      head(target, at, OPCODE.taskManagementRequest, FINAL | pdu.fn, 0);
      lunAt(target, at, pdu.lun);
      target.writeUInt32BE(pdu.referencedTag, at + 20);
      target.writeUInt32BE(pdu.refCmdSN, at + 32);
      break;
    case 'logout-request':
      head(target, at, OPCODE.logoutRequest, FINAL | pdu.reason, 0);
      target.writeUInt16BE(pdu.cid, at + 20);
      break;
  }
  if (pdu.kind !== 'login-request' && pdu.immediate) target[at] = (target[at] ?? 0) | IMMEDIATE;
  target.writeUInt32BE(pdu.itt, at + 16);
  target.writeUInt32BE(pdu.cmdSN, at + 24);
  target.writeUInt32BE(pdu.expStatSN, at + 28);
}

function textFlags(pdu: { final: boolean; more: boolean }): number {
  return (pdu.final ? FINAL : 0) | (pdu.more ? CONTINUE : 0);
}

/** The header at `at`, of which all 48 bytes are there. */
export function decodeRequest(source: Buffer, at: number): InitiatorPdu | Violation<'opcode'> {
  const first = source[at] ?? 0;
  const flags = source[at + 1] ?? 0;
  const shared = {
    immediate: (first & IMMEDIATE) !== 0,
    itt: source.readUInt32BE(at + 16),
    cmdSN: source.readUInt32BE(at + 24),
    expStatSN: source.readUInt32BE(at + 28),
    dataLength: source.readUIntBE(at + 5, 3),
  };
  const lun = { high: source.readUInt32BE(at + 8), low: source.readUInt32BE(at + 12) };
  const ttt = source.readUInt32BE(at + 20);
  const final = (flags & FINAL) !== 0;
  switch (first & 0x3f) {
    case OPCODE.loginRequest:
      return {
        kind: 'login-request',
        transit: final,
        more: (flags & CONTINUE) !== 0,
        currentStage: (flags >> 2) & 3,
        nextStage: flags & 3,
        isid: { high: source.readUInt16BE(at + 8), low: source.readUInt32BE(at + 10) },
        tsih: source.readUInt16BE(at + 14),
        cid: source.readUInt16BE(at + 20),
        ...shared,
      };
    case OPCODE.textRequest:
      return { kind: 'text-request', final, more: (flags & CONTINUE) !== 0, ttt, ...shared };
    case OPCODE.scsiCommand:
      return {
        kind: 'scsi-command',
        final,
        read: (flags & 0x40) !== 0,
        write: (flags & 0x20) !== 0,
        attributes: flags & 7,
        lun,
        expectedLength: ttt,
        ...shared,
      };
    case OPCODE.dataOut: {
      const { itt, expStatSN, dataLength } = shared;
      const dataSN = source.readUInt32BE(at + 36);
      const bufferOffset = source.readUInt32BE(at + 40);
      return {
        kind: 'data-out',
        final,
        lun,
        itt,
        ttt,
        expStatSN,
        dataSN,
        bufferOffset,
        dataLength,
      };
    }
    case OPCODE.nopOut:
      return { kind: 'nop-out', lun, ttt, ...shared };
    case OPCODE.taskManagementRequest: {
      const refCmdSN = source.readUInt32BE(at + 32);
      const fn = flags & 0x7f;
      return { kind: 'task-management-request', fn, lun, referencedTag: ttt, refCmdSN, ...shared };
    }
    case OPCODE.logoutRequest: {
      const cid = source.readUInt16BE(at + 20);
      return { kind: 'logout-request', reason: flags & 0x7f, cid, ...shared };
    }
    default:
      return violation('opcode');
  }
}
