/**
 * Checks the metadata of a carved device, and puts right what can be put right without guessing.
 *
 * Which extents are free is not written down anywhere: it is what no volume and no metadata has. So no extent can be
 * lost; what can be wrong is two volumes with one extent, extents that do not exist, and damaged copies.
 */
import { crc32 } from 'node:zlib';
import type { BlockDevice } from '../../block/index.ts';
import { ArrayError } from '../../errors/index.ts';
import { encodeCheckpoint } from './checkpoint.ts';
import type { Finding } from './findings.ts';
import { Journal } from './journal.ts';
import { regionBytes } from './layout.ts';
import { readSuperblocks, type SuperblockCopies } from './metadata-io.ts';
import type { MetadataState } from './metadata-state.ts';
import { arrayErrorOf, writeSuperblock } from './ownership.ts';
import { type RecoveredMetadata, readMetadata } from './recover-metadata.ts';
import type { Superblock } from './superblock.ts';

export interface FsckReport {
  /** Nothing fatal, and nothing repairable that was not repaired. */
  readonly clean: boolean;
  readonly repaired: boolean;
  readonly findings: readonly Finding[];
  /** undefined: there is no superblock. */
  readonly repositoryId: string | undefined;
  readonly owner: string | undefined;
  /** A server has it attached, or died with it. */
  readonly attached: boolean;
  readonly volumes: number;
  readonly extents: { readonly total: number; readonly mapped: number };
}

export interface FsckOptions {
  /** Write anew what is damaged in one copy, and leave out what nobody can reach. */
  readonly repair?: boolean;
  /** Also when the superblock says that a server has it attached: that server is known to be dead. */
  readonly force?: boolean;
}

/** @throws ArrayError EXCLUSIVE_ATTACHED (repair of an attached device without `force`), UNREACHABLE */
export async function fsckCarved(
  device: BlockDevice,
  options: FsckOptions = {},
): Promise<FsckReport> {
  try {
    return await check(device, options);
  } catch (error) {
    throw arrayErrorOf(error);
  }
}

async function check(device: BlockDevice, options: FsckOptions): Promise<FsckReport> {
  const { size } = device.geometry;
  const copies = await readSuperblocks((target, offset) => device.read(target, offset), size);
  const findings = superblockFindings(copies);
  const superblock = copies.newest;
  if (superblock === undefined) return report(findings, undefined, undefined, false);
  if (size < superblock.deviceSize) {
    const message = `the device has ${size} bytes, it had ${superblock.deviceSize}`;
    findings.push({ code: 'device-shrunk', severity: 'fatal', message });
  }
  const { region } = superblock;
  if (region.start + regionBytes(region) > size) {
    return report(findings, superblock, undefined, false);
  }
  const reading = await readMetadata(device, superblock);
  findings.push(...reading.findings);
  const [newest, older] = reading.recovered;
  findings.push(...(newest?.findings ?? []));
  if (newest !== undefined && older !== undefined) compare(superblock, newest, older, findings);
  const fatal = findings.some(({ severity }) => severity === 'fatal');
  const wanted = findings.some(({ severity }) => severity === 'repairable');
  if (options.repair !== true || fatal || !wanted || newest === undefined) {
    return report(findings, superblock, newest?.state, false);
  }
  if (superblock.attached && options.force !== true) {
    const message = `${superblock.owner} has the device attached`;
    throw new ArrayError('EXCLUSIVE_ATTACHED', message, { refs: [superblock.owner] });
  }
  await repair(device, superblock, newest);
  return report(findings, superblock, newest.state, true);
}

function superblockFindings({ copies, newest }: SuperblockCopies): Finding[] {
  if (newest === undefined) {
    const message = 'neither superblock can be read';
    return [{ code: 'no-superblock', severity: 'fatal', message }];
  }
  const findings: Finding[] = [];
  for (const [index, copy] of copies.entries()) {
    const stale = copy.kind === 'superblock' && copy.superblock.sequence !== newest.sequence;
    if (copy.kind === 'superblock' && !stale) continue;
    const message = `superblock ${index} is ${stale ? 'older than the other' : copy.kind}`;
    findings.push({ code: 'superblock-copy', severity: 'repairable', message });
  }
  return findings;
}

/** What the two checkpoints amount to, each with the journal after it, is the same. */
function compare(
  superblock: Superblock,
  newest: RecoveredMetadata,
  older: RecoveredMetadata,
  findings: Finding[],
): void {
  const digest = ({ state }: RecoveredMetadata): number =>
    crc32(encodeCheckpoint(state, 0, superblock.formatId));
  if (digest(newest) === digest(older)) return;
  findings.push({
    code: 'copies-differ',
    // After a crash the newer one may be there although what came before it was not flushed.
    severity: superblock.attached ? 'note' : 'repairable',
    message: 'the older checkpoint and its journal do not lead to what the newer one says',
  });
}

async function repair(
  device: BlockDevice,
  superblock: Superblock,
  { state, complete, newest }: RecoveredMetadata,
): Promise<void> {
  const { formatId, region } = superblock;
  const journal = new Journal({ device, formatId, region, state, complete, newest });
  const minimumGeneration = await journal.restart();
  await writeSuperblock(device, superblock, { minimumGeneration });
}

function report(
  findings: readonly Finding[],
  superblock: Superblock | undefined,
  state: MetadataState | undefined,
  repaired: boolean,
): FsckReport {
  const clean = findings.every(
    ({ severity }) => severity === 'note' || (repaired && severity === 'repairable'),
  );
  return {
    clean,
    repaired,
    findings,
    repositoryId: superblock?.repositoryId,
    owner: superblock?.owner,
    attached: superblock?.attached ?? false,
    volumes: state?.volumes.size ?? 0,
    extents: { total: superblock?.extentCount ?? 0, mapped: state?.mappedCount ?? 0 },
  };
}
