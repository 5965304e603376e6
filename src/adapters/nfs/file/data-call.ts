/** READ, WRITE and COMMIT as calls. What an answer means is its file's business (data-file.ts). */
import { ZEROES } from '../../../block/index.ts';
import { RpcCall } from '../rpc/call.ts';
import type { RpcFailure } from '../rpc/failure.ts';
import {
  COMMIT_ARGUMENT_BYTES,
  type DataCodec,
  DataResult,
  type DataTemplates,
  offsetAndCount,
  READ_ARGUMENT_BYTES,
  UNSTABLE,
} from '../wire/data.ts';
import { MARK_BYTES, sealCall } from '../wire/rpc-message.ts';
import { paddingOf, type XdrReader } from '../wire/xdr.ts';
import type { Segment } from './write-memory.ts';

/** What a call needs to know of its file. */
export interface CallFile {
  readonly codec: DataCodec;
  readonly templates: DataTemplates;
  answered(call: DataCall): void;
  failed(call: DataCall, failure: RpcFailure): void;
}

/** Read into by one answer after the other: what is needed of it is taken at once. */
export const RESULT = new DataResult();

const ZERO_WORD = Buffer.alloc(4);

export abstract class DataCall extends RpcCall {
  readonly file: CallFile;
  readonly offset: number;
  readonly count: number;
  /** With which it went out last: those of a file change when its state was made anew. */
  templates: DataTemplates;
  /** Pause before it is made again, in milliseconds; 0: it was not put off yet. */
  pause = 0;
  /** Times that it was refused for its state. */
  refusals = 0;
  resolve: () => void;
  reject: (error: Error) => void;

  constructor(
    file: CallFile,
    offset: number,
    count: number,
    resolve: () => void,
    reject: (error: Error) => void,
    repeatable: boolean,
  ) {
    super(repeatable);
    this.file = file;
    this.templates = file.templates;
    this.offset = offset;
    this.count = count;
    this.resolve = resolve;
    this.reject = reject;
  }

  override done(): void {
    this.file.answered(this);
  }

  override fail(failure: RpcFailure): void {
    this.file.failed(this, failure);
  }
}

export class ReadCall extends DataCall {
  readonly #target: Buffer;

  constructor(
    file: CallFile,
    target: Buffer,
    offset: number,
    resolve: () => void,
    reject: (error: Error) => void,
  ) {
    super(file, offset, target.length, resolve, reject, true);
    this.#target = target;
  }

  override get target(): Buffer {
    return this.#target;
  }

  override get frameBytes(): number {
    return this.file.templates.read.length + READ_ARGUMENT_BYTES;
  }

  override encode(target: Buffer, at: number): number {
    this.templates = this.file.templates;
    const { read } = this.templates;
    read.copy(target, at);
    const end = offsetAndCount(target, at + read.length, this.offset, this.count);
    sealCall(target, at, end - at - MARK_BYTES, this.xid);
    return end;
  }

  override results(reader: XdrReader): number {
    RESULT.count = 0;
    this.file.codec.readResult(reader, RESULT);
    if (!reader.ok || RESULT.count > this.count) return -1;
    return RESULT.status === 0 ? RESULT.count : 0;
  }
}

export class WriteCall extends DataCall {
  readonly stable: number;
  /** The data: in `segment`, or memory that nobody changes while the call lasts. */
  readonly data: Buffer;
  readonly segment: Segment | undefined;
  /** What was written, from the start. */
  written = 0;
  committed = UNSTABLE;
  verifierHigh = 0;
  verifierLow = 0;
  /** Place in the order in which writes were answered. */
  sequence = 0;
  readonly #framed: { readonly buffer: Buffer; readonly at: number } | undefined;

  /** @param segment with room for the frame in front of the data, which stands before `padding` at its end */
  constructor(
    file: CallFile,
    data: Buffer,
    segment: Segment | undefined,
    offset: number,
    stable: number,
    resolve: () => void,
    reject: (error: Error) => void,
    repeatable = true,
  ) {
    super(file, offset, data.length, resolve, reject, repeatable);
    this.data = data;
    this.segment = segment;
    this.stable = stable;
    this.#framed =
      segment === undefined
        ? undefined
        : { buffer: segment.buffer, at: segment.used - writeFrameBytes(file, data.length) };
  }

  override get frame(): { readonly buffer: Buffer; readonly at: number } | undefined {
    return this.#framed;
  }

  override get frameBytes(): number {
    return writeFrameBytes(this.file, this.data.length);
  }

  /** Data that is not in a segment is copied: it is what a restarted server lost. */
  override encode(target: Buffer, at: number): number {
    let end = this.encodeHead(target, at);
    if (this.segment === undefined) this.data.copy(target, end);
    end += this.count;
    const padding = paddingOf(this.count);
    if (padding > 0) end += ZERO_WORD.copy(target, end, 0, padding);
    sealCall(target, at, end - at - MARK_BYTES, this.xid);
    return end;
  }

  protected encodeHead(target: Buffer, at: number): number {
    this.templates = this.file.templates;
    const { write } = this.templates;
    write.copy(target, at);
    const { codec } = this.file;
    return codec.writeArguments(target, at + write.length, this.offset, this.count, this.stable);
  }

  override results(reader: XdrReader): number {
    this.file.codec.writeResult(reader, RESULT);
    if (!reader.ok) return -1;
    return RESULT.status === 0 && RESULT.count > this.count ? -1 : 0;
  }
}

/** A WRITE of zeroes, which everybody has already: they are sent from where they are. */
export class ZeroCall extends WriteCall {
  readonly #zeroes: Buffer;

  /** @param length such that it and its padding fit into ZEROES */
  constructor(
    file: CallFile,
    offset: number,
    length: number,
    stable: number,
    resolve: () => void,
    reject: (error: Error) => void,
  ) {
    super(file, ZEROES.subarray(0, length), undefined, offset, stable, resolve, reject);
    this.#zeroes = ZEROES.subarray(0, length + paddingOf(length));
  }

  override get frameBytes(): number {
    return writeHeadBytes(this.file);
  }

  override get trailer(): Buffer {
    return this.#zeroes;
  }

  override encode(target: Buffer, at: number): number {
    const end = this.encodeHead(target, at);
    sealCall(target, at, end - at - MARK_BYTES + this.#zeroes.length, this.xid);
    return end;
  }
}

/** Bytes of a WRITE: what is in front of its data, the data, its padding. */
export function writeFrameBytes(file: CallFile, count: number): number {
  return writeHeadBytes(file) + count + paddingOf(count);
}

/** Version 4 has a word less between state id and data. */
export function writeHeadBytes(file: CallFile): number {
  return file.templates.write.length + file.codec.writeArgumentBytes;
}

export class CommitCall extends DataCall {
  verifierHigh = 0;
  verifierLow = 0;

  override get frameBytes(): number {
    return this.file.templates.commit.length + COMMIT_ARGUMENT_BYTES;
  }

  override encode(target: Buffer, at: number): number {
    this.templates = this.file.templates;
    const { commit } = this.templates;
    commit.copy(target, at);
    const end = offsetAndCount(target, at + commit.length, 0, 0); // all of the file
    sealCall(target, at, end - at - MARK_BYTES, this.xid);
    return end;
  }

  override results(reader: XdrReader): number {
    this.file.codec.commitResult(reader, RESULT);
    return reader.ok ? 0 : -1;
  }
}
