/**
 * A checkpoint (docs/CARVED.md): all volumes and maps at the start of a generation of the journal. A head of one
 * metadata block, and a body of volumes, each a `create` record, its state and the runs of its map. Little-endian.
 */
import { crc32 } from 'node:zlib';
import { RUN_BYTES } from './layout.ts';
import { CARVED_EXTENTS, CARVED_VOLUMES, METADATA_BLOCK_BYTES } from './limits.ts';
import { type CarvedVolume, type Contradiction, MetadataState } from './metadata-state.ts';
import { decodeRecord, encodeRecord, recordLength, type VolumeEntry } from './records.ts';
import { readNumber, writeNumber } from './superblock.ts';

export interface CheckpointHead {
  readonly generation: number;
  readonly bodyBytes: number;
  readonly bodyChecksum: number;
  readonly nextVolume: number;
}

const MAGIC: Buffer = Buffer.from('RCCHKPT1', 'latin1');
const CHECKSUM = 8;
/** After a volume's record: flags (4), runs (4), reserved (8). */
const VOLUME_TAIL = 16;
const READY = 1;

function entryOf(volume: CarvedVolume): VolumeEntry {
  const { number, id, name, tag, size, thin, createdAt } = volume;
  return { volume: number, id, name, tag, size, thin, createdAt };
}

/** Bytes that the volumes of a state take in a checkpoint, without their maps. */
export function volumeTableBytes(state: MetadataState): number {
  let bytes = 0;
  for (const volume of state.volumes.values()) {
    const entry = entryOf(volume);
    bytes += recordLength({ kind: 'create', ...entry }) + VOLUME_TAIL;
  }
  return bytes;
}

/** The whole checkpoint, head first, ready to be written. A copy: the state may change meanwhile. */
export function encodeCheckpoint(
  state: MetadataState,
  generation: number,
  formatId: string,
): Buffer {
  let runs = 0;
  for (const volume of state.volumes.values()) {
    volume.map.forEachRun(state.extentsOf(volume.reserved), () => {
      runs += 1;
    });
  }
  const bodyBytes = volumeTableBytes(state) + runs * RUN_BYTES;
  const bytes = Buffer.alloc(METADATA_BLOCK_BYTES + bodyBytes);
  let at = METADATA_BLOCK_BYTES;
  for (const volume of state.volumes.values()) {
    const entry = entryOf(volume);
    at = encodeRecord({ kind: 'create', ...entry }, bytes, at);
    const tail = at;
    at += VOLUME_TAIL;
    let count = 0;
    volume.map.forEachRun(state.extentsOf(volume.reserved), (logical, physical, length) => {
      bytes.writeUInt32LE(logical, at);
      bytes.writeUInt32LE(physical, at + 4);
      bytes.writeUInt32LE(length, at + 8);
      at += RUN_BYTES;
      count += 1;
    });
    bytes.writeUInt32LE(volume.ready ? READY : 0, tail);
    bytes.writeUInt32LE(count, tail + 4);
    writeNumber(bytes, volume.reserved, tail + 8);
  }
  MAGIC.copy(bytes, 0);
  bytes.write(formatId, 16, 16, 'hex');
  writeNumber(bytes, generation, 32);
  writeNumber(bytes, bodyBytes, 40);
  bytes.writeUInt32LE(crc32(bytes.subarray(METADATA_BLOCK_BYTES)), 48);
  bytes.writeUInt32LE(state.nextVolume, 52);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, METADATA_BLOCK_BYTES)), CHECKSUM);
  return bytes;
}

/**
 * @param block METADATA_BLOCK_BYTES bytes; any content
 * @param longest bytes that a body may have
 * @returns undefined: no head of this format that was written whole
 */
export function decodeCheckpointHead(
  block: Buffer,
  formatId: string,
  longest: number,
): CheckpointHead | undefined {
  if (block.length !== METADATA_BLOCK_BYTES || !block.subarray(0, 8).equals(MAGIC)) {
    return undefined;
  }
  const bytes = Buffer.from(block);
  bytes.writeUInt32LE(0, CHECKSUM);
  if (crc32(bytes) !== block.readUInt32LE(CHECKSUM)) return undefined;
  if (bytes.toString('hex', 16, 32) !== formatId) return undefined;
  const generation = readNumber(bytes, 32);
  const bodyBytes = readNumber(bytes, 40);
  if (generation < 0 || bodyBytes < 0 || bodyBytes > longest) return undefined;
  return {
    generation,
    bodyBytes,
    bodyChecksum: bytes.readUInt32LE(48),
    nextVolume: bytes.readUInt32LE(52),
  };
}

export interface DecodedCheckpoint {
  readonly state: MetadataState;
  readonly contradictions: readonly Contradiction[];
}

/** @returns undefined: no body that could have been written */
export function decodeCheckpointBody(
  body: Buffer,
  head: CheckpointHead,
  geometry: { readonly extentSize: number; readonly extentCount: number },
): DecodedCheckpoint | undefined {
  if (body.length !== head.bodyBytes || crc32(body) !== head.bodyChecksum) return undefined;
  const state = new MetadataState(geometry.extentSize, geometry.extentCount);
  const contradictions: Contradiction[] = [];
  const note = (found: Contradiction | undefined): void => {
    if (found !== undefined) contradictions.push(found);
  };
  for (let at = 0; at < body.length; ) {
    const found = decodeRecord(body, at, body.length);
    if (found?.record.kind !== 'create' || state.volumes.size >= CARVED_VOLUMES) return undefined;
    const tail = found.end;
    if (body.length - tail < VOLUME_TAIL) return undefined;
    const { volume } = found.record;
    const runs = body.readUInt32LE(tail + 4);
    const reserved = readNumber(body, tail + 8);
    at = tail + VOLUME_TAIL + runs * RUN_BYTES;
    if (at > body.length || reserved < 0) return undefined;
    if (state.extentsOf(Math.max(found.record.size, reserved)) > CARVED_EXTENTS) return undefined;
    note(state.apply(found.record));
    note(state.apply({ kind: 'reserve', volume, size: reserved }));
    for (let run = tail + VOLUME_TAIL; run < at; run += RUN_BYTES) {
      const logical = body.readUInt32LE(run);
      const physical = body.readUInt32LE(run + 4);
      const count = body.readUInt32LE(run + 8);
      if (logical + count > CARVED_EXTENTS || physical + count > CARVED_EXTENTS) return undefined;
      note(state.apply({ kind: 'map', volume, logical, physical, count }));
    }
    if ((body.readUInt32LE(tail) & READY) !== 0) note(state.apply({ kind: 'ready', volume }));
  }
  state.nextVolume = Math.max(state.nextVolume, head.nextVolume);
  return { state, contradictions };
}
