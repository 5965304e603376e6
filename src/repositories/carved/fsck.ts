/**
 * Checks the metadata of a carved device, and puts right what can be put right without guessing.
 *
 * Which extents are free is not written down anywhere: it is what no volume and no metadata has. So no extent can be
 * lost; what can be wrong is two volumes with one extent, extents that do not exist, and damaged copies.
 */
import { crc32 } from 'node:zlib';
import { type BlockDevice, currentSizeOf } from '../../block/index.ts';
import { ArrayError, BlockError } from '../../errors/index.ts';
import type { CheckReport } from '../check-report.ts';
import { encodeCheckpoint } from './checkpoint.ts';
import { Claims } from './claims.ts';
import type { Finding } from './findings.ts';
import { Journal } from './journal.ts';
import { regionBytes } from './layout.ts';
import { type ReadFresh, readerOf, readSuperblocks, type SuperblockCopies } from './metadata-io.ts';
import type { MetadataState } from './metadata-state.ts';
import { arrayErrorOf, writeSuperblock } from './ownership.ts';
import { type RecoveredMetadata, readMetadata } from './recover-metadata.ts';
import type { Superblock } from './superblock.ts';
import { type Wanted, whileWanted } from './while-wanted.ts';

export interface FsckOptions {
  /** Write anew what is damaged in one copy, and leave out what nobody can reach. */
  readonly repair?: boolean;
  /** Repair also what the superblock says that a server has attached: that server is known to be dead. */
  readonly force?: boolean;
  /** The repository that is meant: another one is not touched. Absent, or '' (as of Adapter.check): whatever is there. */
  readonly repositoryId?: string;
  /** This server's name: no other process of this host that goes by it has the device meanwhile. */
  readonly owner?: string;
  /** Where this host caches the device: a way to read past it. */
  readonly readFresh?: ReadFresh | undefined;
  /** As in AttachCarvedRequest: a change that waited for a path is made only when nobody took the device meanwhile. */
  readonly onOwned?: (stillOurs: () => Promise<void>) => void;
  /** A repair that has begun is not cancelled. */
  readonly signal?: AbortSignal;
  readonly giveUp?: Wanted['giveUp'];
}

/**
 * Of a device that this process has not attached.
 * @throws ArrayError EXCLUSIVE_ATTACHED (attached on this host; repair of an attached device without `force`),
 *   ALREADY_MANAGED (another repository), FENCED (somebody took it while it was repaired), UNREACHABLE
 */
export async function fsckCarved(
  device: BlockDevice,
  options: FsckOptions = {},
): Promise<CheckReport> {
  const claims = new Claims();
  try {
    return await check(device, options, claims);
  } catch (error) {
    throw arrayErrorOf(error);
  } finally {
    claims.release();
  }
}

async function check(
  device: BlockDevice,
  options: FsckOptions,
  claims: Claims,
): Promise<CheckReport> {
  const size = currentSizeOf(device);
  const read = readerOf(device, options.readFresh);
  const { signal, giveUp } = options;
  const { findings, superblock, newest } = await whileWanted({ signal, giveUp }, async () =>
    look(device, await readSuperblocks(read, size), options, claims),
  );
  const fatal = findings.some(({ severity }) => severity === 'fatal');
  const wanted = findings.some(({ severity }) => severity === 'repairable');
  const mayRepair = superblock !== undefined && newest !== undefined && !fatal && wanted;
  if (options.repair !== true || !mayRepair)
    return report(findings, superblock, newest?.state, false);
  if (superblock.attached && options.force !== true) {
    const message = 'a server has the device attached';
    throw new ArrayError('EXCLUSIVE_ATTACHED', message, {
      refs: [superblock.owner],
      field: 'force',
      expected: 'a server that has detached it; or force, when it is known to be dead',
    });
  }
  const unchanged = () => verifyUnchanged(read, size, superblock);
  options.onOwned?.(unchanged);
  await repair(device, superblock, newest, unchanged);
  return report(findings, superblock, newest.state, true);
}

interface Seen {
  readonly findings: readonly Finding[];
  readonly superblock: Superblock | undefined;
  readonly newest: RecoveredMetadata | undefined;
}

/** Changes nothing. */
async function look(
  device: BlockDevice,
  copies: SuperblockCopies,
  options: FsckOptions,
  claims: Claims,
): Promise<Seen> {
  const findings = superblockFindings(copies);
  const superblock = copies.newest;
  if (superblock === undefined) return { findings, superblock, newest: undefined };
  await claim(superblock, options, claims);
  const size = currentSizeOf(device);
  if (size < superblock.deviceSize) {
    const message = `the device has ${size} bytes, it had ${superblock.deviceSize}`;
    findings.push({ code: 'device-shrunk', severity: 'fatal', message });
  }
  const { region } = superblock;
  if (region.start + regionBytes(region) > size) {
    return { findings, superblock, newest: undefined };
  }
  const reading = await readMetadata(device, superblock);
  findings.push(...reading.findings);
  const [newest, older] = reading.recovered;
  findings.push(...(newest?.findings ?? []));
  if (newest !== undefined && older !== undefined) compare(superblock, newest, older, findings);
  return { findings, superblock, newest };
}

/** A device that is attached is in motion: what is read of it would be of several moments. */
async function claim(
  { repositoryId, formatId }: Superblock,
  options: FsckOptions,
  claims: Claims,
): Promise<void> {
  const { repositoryId: meant = '', owner } = options;
  if (meant !== '' && meant !== repositoryId) {
    const message = 'the device holds another repository';
    throw new ArrayError('ALREADY_MANAGED', message, { refs: [repositoryId] });
  }
  claims.inProcess(`device ${formatId}`);
  if (owner !== undefined) await claims.onHost(owner, formatId);
}

/** @throws BlockError ESTALE: a server has attached it since it was read */
async function verifyUnchanged(read: ReadFresh, size: number, before: Superblock): Promise<void> {
  const { newest } = await readSuperblocks(read, size);
  if (newest?.sequence === before.sequence && newest.attachToken === before.attachToken) return;
  const who = newest?.owner ?? 'somebody';
  throw new BlockError('ESTALE', 'write', 0, 0, `${who} has changed the device meanwhile`);
}

const IS_NOW = {
  superblock: 'whole',
  foreign: 'overwritten',
  damaged: 'damaged',
  version: 'of another version of the format',
} as const;

function superblockFindings({ copies, newest }: SuperblockCopies): Finding[] {
  if (newest === undefined) {
    const empty = copies.every(({ kind }) => kind === 'foreign');
    const message = empty
      ? 'there is no superblock: no repository, or both copies are overwritten'
      : 'neither superblock can be read';
    return [{ code: 'no-superblock', severity: 'fatal', message }];
  }
  const findings: Finding[] = [];
  for (const [index, copy] of copies.entries()) {
    const stale = copy.kind === 'superblock' && copy.superblock.sequence !== newest.sequence;
    if (copy.kind === 'superblock' && !stale) continue;
    const message = `superblock ${index} is ${stale ? 'older than the other' : IS_NOW[copy.kind]}`;
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
  verify: () => Promise<void>,
): Promise<void> {
  const { formatId, region } = superblock;
  const journal = new Journal({ device, formatId, region, state, complete, newest });
  const minimumGeneration = await journal.restart(verify);
  await verify();
  await writeSuperblock(device, superblock, { minimumGeneration });
}

function report(
  findings: readonly Finding[],
  superblock: Superblock | undefined,
  state: MetadataState | undefined,
  repaired: boolean,
): CheckReport {
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
