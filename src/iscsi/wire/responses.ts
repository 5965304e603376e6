/**
 * The PDUs that a target sends (RFC 7143, 11.4 … 11.19), both ways: an initiator reads them, a target writes them.
 * Headers only. A field that its flag says is not there reads as zero.
 */

import { type Violation, violation } from '../../base/index.ts';
import { BHS_SIZE, CONTINUE, FINAL, OPCODE } from './constants.ts';
import type { Lun } from './lun.ts';
import type { Isid } from './requests.ts';

/** What (nearly) every answer carries. */
export interface Numbering {
  readonly itt: number;
  readonly statSN: number;
  readonly expCmdSN: number;
  readonly maxCmdSN: number;
  readonly dataLength: number;
}

export interface LoginResponse extends Numbering {
  readonly kind: 'login-response';
  readonly transit: boolean;
  readonly more: boolean;
  readonly currentStage: number;
  readonly nextStage: number;
  readonly versionActive: number;
  readonly isid: Isid;
  readonly tsih: number;
  /** Class and detail as one number. */
  readonly status: number;
}

export interface TextResponse extends Numbering {
  readonly kind: 'text-response';
  readonly final: boolean;
  readonly more: boolean;
  readonly ttt: number;
}

/** Bits of a residual: more or less than expected. */
export interface Residual {
  readonly overflow: boolean;
  readonly underflow: boolean;
  readonly residual: number;
}

export interface ScsiResponse extends Numbering, Residual {
  readonly kind: 'scsi-response';
  /** 0: the command ended at the target. */
  readonly response: number;
  readonly status: number;
  readonly expDataSN: number;
}

export interface DataIn extends Numbering, Residual {
  readonly kind: 'data-in';
  readonly final: boolean;
  /** S: `status` and `statSN` count, and no response follows. */
  readonly hasStatus: boolean;
  readonly status: number;
  readonly ttt: number;
  readonly dataSN: number;
  readonly bufferOffset: number;
}

export interface R2t extends Numbering {
  readonly kind: 'r2t';
  readonly lun: Lun;
  readonly ttt: number;
  readonly r2tSN: number;
  readonly bufferOffset: number;
  readonly desiredLength: number;
}

export interface NopIn extends Numbering {
  readonly kind: 'nop-in';
  readonly lun: Lun;
  readonly ttt: number;
}

export interface TaskManagementResponse extends Numbering {
  readonly kind: 'task-management-response';
  readonly response: number;
}

export interface LogoutResponse extends Numbering {
  readonly kind: 'logout-response';
  readonly response: number;
  readonly time2Wait: number;
  readonly time2Retain: number;
}

export interface AsyncMessage extends Numbering {
  readonly kind: 'async-message';
  readonly lun: Lun;
  readonly event: number;
  readonly vcode: number;
  readonly parameter1: number;
  readonly parameter2: number;
  readonly parameter3: number;
}

export interface Reject extends Numbering {
  readonly kind: 'reject';
  readonly reason: number;
}

export type TargetPdu =
  | LoginResponse
  | TextResponse
  | ScsiResponse
  | DataIn
  | R2t
  | NopIn
  | TaskManagementResponse
  | LogoutResponse
  | AsyncMessage
  | Reject;

const RESIDUAL_UNDERFLOW = 0x02;
const RESIDUAL_OVERFLOW = 0x04;

/** The header at `at`, of which all 48 bytes are there. */
export function decodeResponse(source: Buffer, at: number): TargetPdu | Violation<'opcode'> {
  const flags = source[at + 1] ?? 0;
  const itt = source.readUInt32BE(at + 16);
  const word20 = source.readUInt32BE(at + 20);
  const statSN = source.readUInt32BE(at + 24);
  const expCmdSN = source.readUInt32BE(at + 28);
  const maxCmdSN = source.readUInt32BE(at + 32);
  const word36 = source.readUInt32BE(at + 36);
  const word40 = source.readUInt32BE(at + 40);
  const dataLength = source.readUInt32BE(at + 4) & 0xffffff;
  const third = source[at + 2] ?? 0;
  const final = (flags & FINAL) !== 0;
  switch ((source[at] ?? 0) & 0x3f) {
    case OPCODE.dataIn:
      return {
        kind: 'data-in',
        itt,
        statSN,
        expCmdSN,
        maxCmdSN,
        dataLength,
        final,
        hasStatus: (flags & 0x01) !== 0,
        status: source[at + 3] ?? 0,
        overflow: (flags & RESIDUAL_OVERFLOW) !== 0,
        underflow: (flags & RESIDUAL_UNDERFLOW) !== 0,
        residual: source.readUInt32BE(at + 44),
        ttt: word20,
        dataSN: word36,
        bufferOffset: word40,
      };
    case OPCODE.scsiResponse:
      return {
        kind: 'scsi-response',
        itt,
        statSN,
        expCmdSN,
        maxCmdSN,
        dataLength,
        response: third,
        status: source[at + 3] ?? 0,
        overflow: (flags & RESIDUAL_OVERFLOW) !== 0,
        underflow: (flags & RESIDUAL_UNDERFLOW) !== 0,
        residual: source.readUInt32BE(at + 44),
        expDataSN: word36,
      };
    case OPCODE.r2t:
      return {
        kind: 'r2t',
        itt,
        statSN,
        expCmdSN,
        maxCmdSN,
        dataLength,
        lun: lunAt(source, at),
        ttt: word20,
        r2tSN: word36,
        bufferOffset: word40,
        desiredLength: source.readUInt32BE(at + 44),
      };
    default:
      return decodeRare(source, at, { itt, statSN, expCmdSN, maxCmdSN, dataLength }, final);
  }
}

function lunAt(source: Buffer, at: number): Lun {
  return { high: source.readUInt32BE(at + 8), low: source.readUInt32BE(at + 12) };
}

function decodeRare(
  source: Buffer,
  at: number,
  numbering: Numbering,
  final: boolean,
): TargetPdu | Violation<'opcode'> {
  const flags = source[at + 1] ?? 0;
  const third = source[at + 2] ?? 0;
  const ttt = source.readUInt32BE(at + 20);
  const more = (flags & CONTINUE) !== 0;
  switch ((source[at] ?? 0) & 0x3f) {
    case OPCODE.loginResponse:
      return {
        kind: 'login-response',
        transit: final,
        more,
        currentStage: (flags >> 2) & 3,
        nextStage: flags & 3,
        versionActive: source[at + 3] ?? 0,
        isid: { high: source.readUInt16BE(at + 8), low: source.readUInt32BE(at + 10) },
        tsih: source.readUInt16BE(at + 14),
        status: source.readUInt16BE(at + 36),
        ...numbering,
      };
    case OPCODE.textResponse:
      return { kind: 'text-response', final, more, ttt, ...numbering };
    case OPCODE.nopIn:
      return { kind: 'nop-in', lun: lunAt(source, at), ttt, ...numbering };
    case OPCODE.taskManagementResponse:
      return { kind: 'task-management-response', response: third, ...numbering };
    case OPCODE.logoutResponse:
      return {
        kind: 'logout-response',
        response: third,
        time2Wait: source.readUInt16BE(at + 40),
        time2Retain: source.readUInt16BE(at + 42),
        ...numbering,
      };
    case OPCODE.asyncMessage:
      return {
        kind: 'async-message',
        lun: lunAt(source, at),
        event: source[at + 36] ?? 0,
        vcode: source[at + 37] ?? 0,
        parameter1: source.readUInt16BE(at + 38),
        parameter2: source.readUInt16BE(at + 40),
        parameter3: source.readUInt16BE(at + 42),
        ...numbering,
      };
    case OPCODE.reject:
      return { kind: 'reject', reason: third, ...numbering };
    default:
      return violation('opcode');
  }
}

const OPCODES: Readonly<Record<TargetPdu['kind'], number>> = {
  'login-response': OPCODE.loginResponse,
  'text-response': OPCODE.textResponse,
  'scsi-response': OPCODE.scsiResponse,
  'data-in': OPCODE.dataIn,
  r2t: OPCODE.r2t,
  'nop-in': OPCODE.nopIn,
  'task-management-response': OPCODE.taskManagementResponse,
  'logout-response': OPCODE.logoutResponse,
  'async-message': OPCODE.asyncMessage,
  reject: OPCODE.reject,
};

/** Writes the header of a target's PDU. */
export function writeResponse(target: Buffer, at: number, pdu: TargetPdu): void {
  target.fill(0, at, at + BHS_SIZE);
  target[at] = OPCODES[pdu.kind];
  target[at + 1] = FINAL;
  target.writeUInt32BE(pdu.dataLength, at + 4);
  target.writeUInt32BE(pdu.itt, at + 16);
  target.writeUInt32BE(pdu.statSN, at + 24);
  target.writeUInt32BE(pdu.expCmdSN, at + 28);
  target.writeUInt32BE(pdu.maxCmdSN, at + 32);
  switch (pdu.kind) {
    case 'login-response':
      target[at + 1] = textFlags(pdu.transit, pdu.more) | (pdu.currentStage << 2) | pdu.nextStage;
      target[at + 3] = pdu.versionActive;
      target.writeUInt16BE(pdu.isid.high, at + 8);
      target.writeUInt32BE(pdu.isid.low, at + 10);
      target.writeUInt16BE(pdu.tsih, at + 14);
      target.writeUInt16BE(pdu.status, at + 36);
      return;
    case 'text-response':
      target[at + 1] = textFlags(pdu.final, pdu.more);
      target.writeUInt32BE(pdu.ttt, at + 20);
      return;
    case 'data-in':
    case 'scsi-response':
      writeStatus(target, at, pdu);
      return;
    case 'r2t':
      putLun(target, at, pdu.lun);
      target.writeUInt32BE(pdu.ttt, at + 20);
      target.writeUInt32BE(pdu.r2tSN, at + 36);
      target.writeUInt32BE(pdu.bufferOffset, at + 40);
      target.writeUInt32BE(pdu.desiredLength, at + 44);
      return;
    case 'nop-in':
      putLun(target, at, pdu.lun);
      target.writeUInt32BE(pdu.ttt, at + 20);
      return;
    case 'task-management-response':
      target[at + 2] = pdu.response;
      return;
    case 'logout-response':
      target[at + 2] = pdu.response;
      target.writeUInt16BE(pdu.time2Wait, at + 40);
      target.writeUInt16BE(pdu.time2Retain, at + 42);
      return;
    case 'async-message':
      putLun(target, at, pdu.lun);
      target[at + 36] = pdu.event;
      target[at + 37] = pdu.vcode;
      target.writeUInt16BE(pdu.parameter1, at + 38);
      target.writeUInt16BE(pdu.parameter2, at + 40);
      target.writeUInt16BE(pdu.parameter3, at + 42);
      return;
    case 'reject':
      target[at + 2] = pdu.reason;
      return;
  }
}

function writeStatus(target: Buffer, at: number, pdu: DataIn | ScsiResponse): void {
  const residual =
    (pdu.overflow ? RESIDUAL_OVERFLOW : 0) | (pdu.underflow ? RESIDUAL_UNDERFLOW : 0);
  target[at + 3] = pdu.status;
  target.writeUInt32BE(pdu.residual, at + 44);
  if (pdu.kind === 'data-in') {
    target[at + 1] = (pdu.final ? FINAL : 0) | (pdu.hasStatus ? 0x01 : 0) | residual;
    target.writeUInt32BE(pdu.ttt, at + 20);
    target.writeUInt32BE(pdu.dataSN, at + 36);
    target.writeUInt32BE(pdu.bufferOffset, at + 40);
  } else {
    target[at + 1] = FINAL | residual;
    target[at + 2] = pdu.response;
    target.writeUInt32BE(pdu.expDataSN, at + 36);
  }
}

function putLun(target: Buffer, at: number, lun: Lun): void {
  target.writeUInt32BE(lun.high, at + 8);
  target.writeUInt32BE(lun.low, at + 12);
}

function textFlags(final: boolean, more: boolean): number {
  return (final ? FINAL : 0) | (more ? CONTINUE : 0);
}
