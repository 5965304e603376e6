/** Command descriptor blocks (SPC-4, SBC-3), both ways. Logical block addresses are numbers: safe integers. */
import { type Violation, violation } from '../../base/index.ts';

/** Every block that we write fills this many bytes of the header, unused ones zero. */
export const CDB_SIZE = 16;

interface BlockRange {
  /** First logical block. */
  readonly lba: number;
  /** Logical blocks. */
  readonly blocks: number;
}

export type Cdb =
  | (BlockRange & { readonly op: 'read-10' | 'read-16'; readonly fua: boolean })
  | (BlockRange & { readonly op: 'write-10' | 'write-16'; readonly fua: boolean })
  | (BlockRange & { readonly op: 'synchronize-cache-10' | 'synchronize-cache-16' })
  | (BlockRange & {
      readonly op: 'write-same-16';
      readonly unmap: boolean;
      /** No data-out buffer: zeroes are meant. */
      readonly ndob: boolean;
    })
  /** `length`: of the parameter list in bytes. */
  | { readonly op: 'unmap'; readonly length: number }
  | { readonly op: 'test-unit-ready' }
  | { readonly op: 'read-capacity-10' }
  | { readonly op: 'report-luns' | 'read-capacity-16'; readonly allocation: number }
  /** `page`: of the vital product data; undefined: the standard data. */
  | { readonly op: 'inquiry'; readonly page: number | undefined; readonly allocation: number }
  | {
      readonly op: 'mode-sense-6' | 'mode-sense-10';
      readonly page: number;
      readonly allocation: number;
    }
  | { readonly op: 'get-lba-status'; readonly lba: number; readonly allocation: number };

const OP = {
  testUnitReady: 0x00,
  inquiry: 0x12,
  modeSense6: 0x1a,
  readCapacity10: 0x25,
  read10: 0x28,
  write10: 0x2a,
  synchronizeCache10: 0x35,
  unmap: 0x42,
  modeSense10: 0x5a,
  read16: 0x88,
  write16: 0x8a,
  synchronizeCache16: 0x91,
  writeSame16: 0x93,
  serviceActionIn16: 0x9e,
  reportLuns: 0xa0,
} as const;

/** Service actions of 0x9e. */
const READ_CAPACITY_16 = 0x10;
const GET_LBA_STATUS = 0x12;

const FUA = 0x08;
const UNMAP = 0x08;
const NDOB = 0x01;
const TWO_32 = 2 ** 32;

type RangeCdb = Extract<Cdb, BlockRange>;

/** Writes into sixteen bytes that are zero. */
export function encodeCdb(target: Buffer, at: number, cdb: Cdb): void {
  if ('blocks' in cdb) encodeRange(target, at, cdb);
  else encodePlain(target, at, cdb);
}

function encodeRange(target: Buffer, at: number, cdb: RangeCdb): void {
  switch (cdb.op) {
    case 'read-16':
      range16(target, at, OP.read16, cdb.fua ? FUA : 0, cdb);
      return;
    case 'write-16':
      range16(target, at, OP.write16, cdb.fua ? FUA : 0, cdb);
      return;
    case 'read-10':
      range10(target, at, OP.read10, cdb.fua ? FUA : 0, cdb);
      return;
    case 'write-10':
      range10(target, at, OP.write10, cdb.fua ? FUA : 0, cdb);
      return;
    case 'synchronize-cache-10':
      range10(target, at, OP.synchronizeCache10, 0, cdb);
      return;
    case 'synchronize-cache-16':
      range16(target, at, OP.synchronizeCache16, 0, cdb);
      return;
    case 'write-same-16': {
      const flags = (cdb.unmap ? UNMAP : 0) | (cdb.ndob ? NDOB : 0);
      range16(target, at, OP.writeSame16, flags, cdb);
      return;
    }
  }
}

function encodePlain(target: Buffer, at: number, cdb: Exclude<Cdb, RangeCdb>): void {
  switch (cdb.op) {
    case 'unmap':
      target[at] = OP.unmap;
      target.writeUInt16BE(cdb.length, at + 7);
      return;
    case 'test-unit-ready':
      target[at] = OP.testUnitReady;
      return;
    case 'read-capacity-10':
      target[at] = OP.readCapacity10;
      return;
    case 'read-capacity-16':
      target[at] = OP.serviceActionIn16;
      target[at + 1] = READ_CAPACITY_16;
      target.writeUInt32BE(cdb.allocation, at + 10);
      return;
    case 'get-lba-status':
      target[at] = OP.serviceActionIn16;
      target[at + 1] = GET_LBA_STATUS;
      lba64(target, at + 2, cdb.lba);
      target.writeUInt32BE(cdb.allocation, at + 10);
      return;
    case 'report-luns':
      target[at] = OP.reportLuns;
      target.writeUInt32BE(cdb.allocation, at + 6);
      return;
    case 'inquiry':
      target[at] = OP.inquiry;
      target[at + 1] = cdb.page === undefined ? 0 : 1;
      target[at + 2] = cdb.page ?? 0;
      target.writeUInt16BE(cdb.allocation, at + 3);
      return;
    case 'mode-sense-6':
      target[at] = OP.modeSense6;
      target[at + 2] = cdb.page;
      target[at + 4] = cdb.allocation;
      return;
    case 'mode-sense-10':
      target[at] = OP.modeSense10;
      target[at + 2] = cdb.page;
      target.writeUInt16BE(cdb.allocation, at + 7);
      return;
  }
}

function range10(target: Buffer, at: number, op: number, flags: number, range: BlockRange): void {
  target[at] = op;
  target[at + 1] = flags;
  target.writeUInt32BE(range.lba, at + 2);
  target.writeUInt16BE(range.blocks, at + 7);
}

function range16(target: Buffer, at: number, op: number, flags: number, range: BlockRange): void {
  target[at] = op;
  target[at + 1] = flags;
  lba64(target, at + 2, range.lba);
  target.writeUInt32BE(range.blocks, at + 10);
}

function lba64(target: Buffer, at: number, lba: number): void {
  target.writeUInt32BE(Math.floor(lba / TWO_32), at);
  target.writeUInt32BE(lba % TWO_32, at + 4);
}

/** The block in sixteen bytes at `at`. An address beyond a safe integer is out of any device's range: `cdb-lba`. */
export function decodeCdb(source: Buffer, at: number): Cdb | Violation<'cdb-opcode' | 'cdb-lba'> {
  const flags = source[at + 1] ?? 0;
  const fua = (flags & FUA) !== 0;
  const ten = { lba: source.readUInt32BE(at + 2), blocks: source.readUInt16BE(at + 7) };
  const lba = ten.lba * TWO_32 + source.readUInt32BE(at + 6);
  const sixteen = { lba, blocks: source.readUInt32BE(at + 10) };
  const far = !Number.isSafeInteger(lba + sixteen.blocks);
  switch (source[at]) {
    case OP.testUnitReady:
      return { op: 'test-unit-ready' };
    case OP.inquiry: {
      const page = (flags & 1) === 0 ? undefined : (source[at + 2] ?? 0);
      return { op: 'inquiry', page, allocation: source.readUInt16BE(at + 3) };
    }
    case OP.modeSense6:
      return { op: 'mode-sense-6', page: source[at + 2] ?? 0, allocation: source[at + 4] ?? 0 };
    case OP.modeSense10:
      return { op: 'mode-sense-10', page: source[at + 2] ?? 0, allocation: ten.blocks };
    case OP.readCapacity10:
      return { op: 'read-capacity-10' };
    case OP.read10:
      return { op: 'read-10', fua, ...ten };
    case OP.write10:
      return { op: 'write-10', fua, ...ten };
    case OP.synchronizeCache10:
      return { op: 'synchronize-cache-10', ...ten };
    case OP.unmap:
      return { op: 'unmap', length: ten.blocks };
    case OP.read16:
      return far ? violation('cdb-lba') : { op: 'read-16', fua, ...sixteen };
    case OP.write16:
      return far ? violation('cdb-lba') : { op: 'write-16', fua, ...sixteen };
    case OP.synchronizeCache16:
      return far ? violation('cdb-lba') : { op: 'synchronize-cache-16', ...sixteen };
    case OP.writeSame16: {
      const [unmap, ndob] = [(flags & UNMAP) !== 0, (flags & NDOB) !== 0];
      return far ? violation('cdb-lba') : { op: 'write-same-16', unmap, ndob, ...sixteen };
    }
    case OP.reportLuns:
      return { op: 'report-luns', allocation: source.readUInt32BE(at + 6) };
    case OP.serviceActionIn16:
      return decodeServiceAction(flags & 0x1f, sixteen.lba, sixteen.blocks);
    default:
      return violation('cdb-opcode');
  }
}

function decodeServiceAction(
  action: number,
  lba: number,
  allocation: number,
): Cdb | Violation<'cdb-opcode' | 'cdb-lba'> {
  if (action === READ_CAPACITY_16) return { op: 'read-capacity-16', allocation };
  if (action !== GET_LBA_STATUS) return violation('cdb-opcode');
  return Number.isSafeInteger(lba)
    ? { op: 'get-lba-status', lba, allocation }
    : violation('cdb-lba');
}
