/**
 * Reads the metadata of a device back: the newest checkpoint that is whole, and the journal after it.
 *
 * A journal of generation g is whole up to the first block that neither of its two copies holds. What follows is the
 * tail that a crash has torn off: it was never flushed. Whether that is true is checked: every block says what was on
 * stable storage when it was written, and a block that says so of something that is not there any more gives the damage
 * away. Generation g + 1 goes on only if generation g has as many blocks as it says, so that what is read back is
 * always a beginning of what was written, without a gap.
 */
import type { BlockDevice } from '../../block/index.ts';
import { decodeCheckpointBody, decodeCheckpointHead } from './checkpoint.ts';
import { type Finding, findingOf } from './findings.ts';
import { decodeJournalBlock, type JournalBlock, type JournalPosition } from './journal-block.ts';
import { checkpointPlace, journalPlace } from './layout.ts';
import { FSCK_FINDINGS, METADATA_BLOCK_BYTES, METADATA_PIECE_BYTES } from './limits.ts';
import { readRange } from './metadata-io.ts';
import type { Contradiction, MetadataState } from './metadata-state.ts';
import type { Superblock } from './superblock.ts';

export interface RecoveredMetadata {
  readonly state: MetadataState;
  /** Generation of the checkpoint that it was read from. */
  readonly complete: number;
  /** Highest generation that anything on the device has. */
  readonly newest: number;
  readonly position: JournalPosition;
  readonly findings: readonly Finding[];
}

export interface MetadataReading {
  /** From each checkpoint that is whole, the newest first. */
  readonly recovered: readonly RecoveredMetadata[];
  /** Of the copies, whatever was recovered. */
  readonly findings: readonly Finding[];
}

/** Both journals, by generation and index; as bytes, because records take many times as much memory. */
class Journals {
  readonly #formatId: string;
  readonly #blocks = new Map<string, Buffer>();
  readonly findings: Finding[] = [];
  newest = 0;
  /** The furthest place that a block says is stable. */
  stable: JournalPosition = { generation: 0, blocks: 0 };
  readonly #copies = new Map<string, number>();

  constructor(formatId: string) {
    this.#formatId = formatId;
  }

  add(block: JournalBlock, bytes: Buffer): void {
    const key = `${block.generation}:${block.index}`;
    this.#copies.set(key, (this.#copies.get(key) ?? 0) + 1);
    if (!this.#blocks.has(key)) this.#blocks.set(key, Buffer.from(bytes));
    this.newest = Math.max(this.newest, block.generation);
    if (isBefore(this.stable, block.stable)) this.stable = block.stable;
  }

  get(generation: number, index: number): JournalBlock | undefined {
    const bytes = this.#blocks.get(`${generation}:${index}`);
    return bytes === undefined ? undefined : decodeJournalBlock(bytes, this.#formatId);
  }

  isWhole(block: JournalBlock): boolean {
    return this.#copies.get(`${block.generation}:${block.index}`) === 2;
  }
}

function isBefore(a: JournalPosition, b: JournalPosition): boolean {
  return a.generation === b.generation ? a.blocks < b.blocks : a.generation < b.generation;
}

/** Changes nothing. @throws BlockError when the device cannot be read */
export async function readMetadata(
  device: BlockDevice,
  superblock: Superblock,
): Promise<MetadataReading> {
  const journals = await readJournals(device, superblock);
  const findings: Finding[] = [];
  const recovered: RecoveredMetadata[] = [];
  let newest = journals.newest;
  for (const slot of [0, 1]) {
    const found = await readCheckpoint(device, superblock, slot);
    if (typeof found === 'string') {
      findings.push({
        code: 'checkpoint-copy',
        severity: 'repairable',
        message: `checkpoint ${slot} ${found}`,
      });
      continue;
    }
    newest = Math.max(newest, found.generation);
    recovered.push(replay(found.generation, found.state, found.contradictions, journals));
  }
  if (recovered.length === 0) {
    findings.push({
      code: 'no-checkpoint',
      severity: 'fatal',
      message: 'neither of the two checkpoints can be read',
    });
  }
  recovered.sort((a, b) => b.complete - a.complete);
  return { recovered: recovered.map((one) => ({ ...one, newest })), findings };
}

async function readCheckpoint(
  device: BlockDevice,
  superblock: Superblock,
  slot: number,
): Promise<
  { generation: number; state: MetadataState; contradictions: readonly Contradiction[] } | string
> {
  const { region, formatId, minimumGeneration } = superblock;
  const place = checkpointPlace(region, slot);
  const block = await readRange(device, place, METADATA_BLOCK_BYTES);
  const longest = region.checkpointBytes - METADATA_BLOCK_BYTES;
  const head = decodeCheckpointHead(block, formatId, longest);
  if (head === undefined) return 'has no valid head';
  if (head.generation < minimumGeneration) return 'is of an earlier life';
  if (head.generation % 2 !== slot) return 'is not where it belongs';
  const body = await readRange(device, place + METADATA_BLOCK_BYTES, head.bodyBytes);
  const decoded = decodeCheckpointBody(body, head, superblock);
  if (decoded === undefined) return 'has a damaged body';
  return { generation: head.generation, ...decoded };
}

function replay(
  generation: number,
  state: MetadataState,
  contradictions: readonly Contradiction[],
  journals: Journals,
): RecoveredMetadata {
  const findings: Finding[] = contradictions.slice(0, FSCK_FINDINGS).map(findingOf);
  let position: JournalPosition = { generation, blocks: 0 };
  for (let current = generation; ; current++) {
    const next = journals.get(current + 1, 0);
    const limit = next?.previousBlocks ?? Number.POSITIVE_INFINITY;
    let index = 0;
    for (; index < limit; index++) {
      const block = journals.get(current, index);
      if (block === undefined) break;
      if (!journals.isWhole(block)) {
        const message = `block ${index} of journal ${current} is in one copy only`;
        findings.push({ code: 'journal-copy', severity: 'repairable', message });
      }
      applyAll(block, state, findings);
    }
    position = { generation: current, blocks: index };
    if (next === undefined || index < limit) break;
  }
  if (isBefore(position, journals.stable)) {
    const { generation: stableGeneration, blocks } = journals.stable;
    findings.push({
      code: 'journal-lost',
      severity: 'fatal',
      message:
        `the journal ends at block ${position.blocks} of generation ${position.generation}, ` +
        `but was on stable storage up to block ${blocks} of generation ${stableGeneration}`,
    });
  }
  for (const volume of state.volumes.values()) {
    if (volume.ready && volume.reserved === volume.size) continue;
    const what = volume.ready ? 'grown' : 'made';
    const message = `volume ${volume.id} was being ${what}`;
    findings.push({ code: 'unfinished', severity: 'note', message });
  }
  return { state, complete: generation, newest: generation, position, findings };
}

function applyAll(block: JournalBlock, state: MetadataState, findings: Finding[]): void {
  for (const record of block.records) {
    const contradiction = state.apply(record);
    if (contradiction !== undefined && findings.length < FSCK_FINDINGS) {
      findings.push(findingOf(contradiction));
    }
  }
}

async function readJournals(device: BlockDevice, superblock: Superblock): Promise<Journals> {
  const { region, formatId } = superblock;
  const journals = new Journals(formatId);
  const bytes = region.journalBlocks * METADATA_BLOCK_BYTES;
  for (const parity of [0, 1]) {
    for (const copy of [0, 1]) {
      const place = journalPlace(region, parity, copy);
      for (let done = 0; done < bytes; done += METADATA_PIECE_BYTES) {
        const length = Math.min(METADATA_PIECE_BYTES, bytes - done);
        const piece = await readRange(device, place + done, length);
        for (let at = 0; at < length; at += METADATA_BLOCK_BYTES) {
          const bytesOfBlock = piece.subarray(at, at + METADATA_BLOCK_BYTES);
          const block = decodeJournalBlock(bytesOfBlock, formatId);
          if (block?.index !== (done + at) / METADATA_BLOCK_BYTES) continue;
          if (block.generation % 2 === parity) journals.add(block, bytesOfBlock);
        }
      }
    }
  }
  return journals;
}
