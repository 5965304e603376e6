/** A disk in memory that answers SCSI commands, for the small target of the tests. Written from SBC-3 and SPC-4, with the codecs of src only for CDBs. */
import type { Cdb } from '../../src/iscsi/wire/index.ts';

export interface DiskAnswer {
  readonly status: number;
  /** Sense key and code as one number: key << 16 | asc. */
  readonly sense?: number;
  readonly data?: Buffer;
}

export interface DiskOptions {
  readonly size: number;
  readonly blockSize?: number;
  readonly wwid?: string;
  readonly serial?: string;
  readonly thin?: boolean;
  readonly writeProtected?: boolean;
  /** undefined: no caching page. */
  readonly writeCache?: boolean | undefined;
  readonly fua?: boolean;
  /** Opcodes that it does not know, by the codec's name. */
  readonly lacks?: readonly Cdb['op'][];
}

const GOOD = { status: 0 };
const sense = (key: number, asc: number): DiskAnswer => ({ status: 2, sense: (key << 16) | asc });
const ILLEGAL = 5;

export class TargetDisk {
  options: DiskOptions;
  content: Buffer;
  /** Blocks that hold something. */
  readonly mapped = new Set<number>();
  /** What came in, by name. */
  readonly seen: Cdb['op'][] = [];
  /** Unit attentions, and other answers to come first. */
  readonly pending: DiskAnswer[] = [];
  /** The answer to every write. */
  refusal: DiskAnswer | undefined;

  constructor(options: DiskOptions) {
    this.options = options;
    this.content = Buffer.alloc(options.size);
  }

  get blockSize(): number {
    return this.options.blockSize ?? 512;
  }

  grow(size: number): void {
    this.content = Buffer.concat([this.content, Buffer.alloc(size - this.content.length)]);
  }

  /** @param dataOut complete */
  execute(cdb: Cdb, dataOut: Buffer): DiskAnswer {
    this.seen.push(cdb.op);
    if (cdb.op !== 'inquiry') {
      const first = this.pending.shift();
      if (first !== undefined) return first;
    }
    if (this.refusal !== undefined && cdb.op.startsWith('write-')) return this.refusal;
    if (this.options.lacks?.includes(cdb.op) === true) return sense(ILLEGAL, 0x2000);
    switch (cdb.op) {
      case 'test-unit-ready':
        return GOOD;
      case 'inquiry':
        return this.#inquiry(cdb.page);
      case 'report-luns': {
        const data = Buffer.alloc(8 + 8);
        data.writeUInt32BE(8, 0);
        return { ...GOOD, data };
      }
      case 'read-capacity-10':
      case 'read-capacity-16':
        return this.#capacity(cdb.op === 'read-capacity-16');
      case 'mode-sense-6':
      case 'mode-sense-10':
        return this.#mode(cdb.op === 'mode-sense-10');
      case 'get-lba-status':
        return this.#lbaStatus(cdb.lba, cdb.allocation);
      case 'synchronize-cache-10':
      case 'synchronize-cache-16':
        return GOOD;
      case 'unmap':
        return this.#unmap(dataOut);
      default:
        return this.#move(cdb, dataOut);
    }
  }

  #move(cdb: Extract<Cdb, { blocks: number }>, dataOut: Buffer): DiskAnswer {
    const [at, length] = [cdb.lba * this.blockSize, cdb.blocks * this.blockSize];
    if (at + length > this.content.length) return sense(ILLEGAL, 0x2100);
    switch (cdb.op) {
      case 'read-10':
      case 'read-16':
        return { ...GOOD, data: Buffer.from(this.content.subarray(at, at + length)) };
      case 'write-10':
      case 'write-16':
        if (this.options.writeProtected === true) return sense(7, 0x2700);
        dataOut.copy(this.content, at, 0, length);
        this.#map(cdb.lba, cdb.blocks, true);
        return GOOD;
      case 'write-same-16':
        for (let to = at; to < at + length; to += this.blockSize) dataOut.copy(this.content, to);
        this.#map(cdb.lba, cdb.blocks, !cdb.unmap);
        return GOOD;
      default:
        return GOOD;
    }
  }

  #map(lba: number, blocks: number, mapped: boolean): void {
    for (let block = lba; block < lba + blocks; block += 1) {
      if (mapped) this.mapped.add(block);
      else this.mapped.delete(block);
    }
  }

  #unmap(list: Buffer): DiskAnswer {
    for (let at = 8; at + 16 <= list.length; at += 16) {
      const [lba, blocks] = [list.readUInt32BE(at + 4), list.readUInt32BE(at + 8)];
      this.content.fill(0, lba * this.blockSize, (lba + blocks) * this.blockSize);
      this.#map(lba, blocks, false);
    }
    return GOOD;
  }

  #inquiry(page: number | undefined): DiskAnswer {
    const { wwid = '600140500000000000000000000000aa', serial = 'serial-1', thin } = this.options;
    const vpd = (code: number, content: Buffer): DiskAnswer => {
      const head = Buffer.from([0, code, content.length >> 8, content.length & 0xff]);
      return { ...GOOD, data: Buffer.concat([head, content]) };
    };
    switch (page) {
      case undefined: {
        const data = Buffer.alloc(36);
        data[2] = 6;
        data[4] = 31;
        data.write('ROOTCASTTEST DISK       0001', 8, 'latin1');
        return { ...GOOD, data };
      }
      case 0x00:
        return vpd(0x00, Buffer.from([0, 0x80, 0x83, 0xb0, 0xb1, 0xb2]));
      case 0x80:
        return vpd(0x80, Buffer.from(serial));
      case 0x83: {
        if (wwid === '') return vpd(0x83, Buffer.alloc(0));
        const id = Buffer.from(wwid, 'hex');
        return vpd(0x83, Buffer.concat([Buffer.from([1, 3, 0, id.length]), id]));
      }
      case 0xb0:
        return vpd(0xb0, Buffer.alloc(60));
      case 0xb1:
        return vpd(0xb1, Buffer.from([0, 1]));
      case 0xb2:
        return vpd(0xb2, Buffer.from([0, thin === true ? 0xe4 : 0, 2, 0]));
      default:
        return sense(ILLEGAL, 0x2400);
    }
  }

  #capacity(long: boolean): DiskAnswer {
    const last = this.content.length / this.blockSize - 1;
    const data = Buffer.alloc(long ? 32 : 8);
    data.writeUInt32BE(last, long ? 4 : 0);
    data.writeUInt32BE(this.blockSize, long ? 8 : 4);
    if (long && this.options.thin === true) data[14] = 0xc0;
    return { ...GOOD, data };
  }

  #mode(long: boolean): DiskAnswer {
    const { writeProtected, fua = true } = this.options;
    const parameter = (writeProtected === true ? 0x80 : 0) | (fua ? 0x10 : 0);
    const page = Buffer.alloc(20);
    page[0] = 8;
    page[1] = 18;
    const cache = 'writeCache' in this.options ? this.options.writeCache : true;
    if (cache === true) page[2] = 4;
    const pages = cache === undefined ? Buffer.alloc(0) : page;
    const head = long
      ? Buffer.from([0, 0, 0, parameter, 0, 0, 0, 0])
      : Buffer.from([0, 0, parameter, 0]);
    return { ...GOOD, data: Buffer.concat([head, pages]) };
  }

  #lbaStatus(lba: number, allocation: number): DiskAnswer {
    const blocks = this.content.length / this.blockSize;
    const found: Buffer[] = [];
    for (let at = lba; at < blocks && 8 + 16 * found.length < allocation; ) {
      const mapped = this.mapped.has(at);
      let end = at;
      while (end < blocks && this.mapped.has(end) === mapped) end += 1;
      const descriptor = Buffer.alloc(16);
      descriptor.writeUInt32BE(at, 4);
      descriptor.writeUInt32BE(end - at, 8);
      descriptor[12] = mapped ? 0 : 1;
      found.push(descriptor);
      at = end;
    }
    const head = Buffer.alloc(8);
    head.writeUInt32BE(4 + 16 * found.length, 0);
    return { ...GOOD, data: Buffer.concat([head, ...found]) };
  }
}
