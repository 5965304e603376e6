/**
 * Attaches a block device as a repository of carved volumes, or makes an empty one into such.
 *
 * Order: find out whose it is; write our name and a new token; if it was in another server's hands, wait until that has
 * noticed; only then read the metadata, write it anew (two checkpoints, both superblocks), and go on from there. That the
 * wait is not over is on the device: whoever cancels it, or dies, waits the whole of it at the next attach.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BlockDevice, currentSizeOf } from '../../block/index.ts';
import { ArrayError } from '../../errors/index.ts';
import type { AdapterParts, Connection } from '../adapter.ts';
import type { VolumeLocator } from '../ports.ts';
import { Answers } from './answers.ts';
import { type CarvedBelow, CarvedControl, type CarvedDescription } from './carved-control.ts';
import { Claims } from './claims.ts';
import { CommitQueue } from './commit-queue.ts';
import { readDeviceContent } from './device-content.ts';
import { DeviceSize } from './device-size.ts';
import { ExtentPool } from './extent-pool.ts';
import type { FindingCode } from './findings.ts';
import { DeviceGrowth, isInRegion } from './grow-device.ts';
import { Journal } from './journal.ts';
import { defaultExtentSize, isExtentSize, planLayout } from './layout.ts';
import {
  METADATA_BLOCK_BYTES,
  OVERCOMMIT,
  OVERCOMMIT_LARGEST,
  OWNER_BYTES,
  OWNER_CHECK_MS,
  OWNER_LEASE_MS,
  SIZE_CHECK_MS,
  TAKE_OVER_WAIT_MS,
} from './limits.ts';
import { type ReadFresh, readerOf, readSuperblocks } from './metadata-io.ts';
import { MetadataState } from './metadata-state.ts';
import { arrayErrorOf, Ownership, writeSuperblock } from './ownership.ts';
import { readMetadata } from './recover-metadata.ts';
import { DeviceWords } from './shared-words.ts';
import type { Superblock } from './superblock.ts';
import { VolumeChanges } from './volume-changes.ts';
import { type Wanted, whileWanted } from './while-wanted.ts';

export interface AttachCarvedRequest {
  /**
   * The whole device, writable, with a flush that covers every handle (multiConn). Closed with the control port, or
   * when attaching fails. One that can be measured is used as it grows.
   */
  readonly device: BlockDevice;
  readonly connection: Pick<Connection, 'repositoryId' | 'initiatorName'>;
  readonly parts: AdapterParts;
  /** As in Adapter.attach. Once anything is written, only the wait of a take-over is cancelled. */
  readonly options: {
    readonly create?: boolean;
    readonly takeOver?: boolean;
    readonly signal: AbortSignal;
  };
  readonly giveUp?: Wanted['giveUp'];
  readonly adapterKind: string;
  /** What a worker needs to find the device; goes into every locator. */
  readonly locatorAddress: VolumeLocator['address'];
  readonly description: CarvedDescription;
  /** Closed with the control port; not when attaching fails. */
  readonly below?: CarvedBelow;
  /** Another server has taken the device over; nothing works any more. Called once. */
  readonly onOwnerLost?: (owner: string) => void;
  /** Given a question, for a device that may keep changes for long before it makes them: as in CarvedVolumeDataOptions. */
  readonly onOwned?: (stillOurs: () => Promise<void>) => void;
  /** Where this host caches the device: a way to read past it. */
  readonly readFresh?: ReadFresh;
  /** Bytes, of a new device; by its size unless given. */
  readonly extentSize?: number;
  /** How many times the device's space volumes may promise. */
  readonly overcommit?: number;
  readonly timing?: {
    readonly ownerCheckMs: number;
    readonly takeOverWaitMs: number;
    readonly sizeCheckMs?: number;
  };
}

/** What the attach that follows puts right by itself. */
const HARMLESS: ReadonlySet<FindingCode> = new Set<FindingCode>([
  'checkpoint-copy',
  'journal-copy',
  'unfinished',
]);

/** @throws ArrayError NOT_FOUND, ALREADY_MANAGED, EXCLUSIVE_ATTACHED, FROZEN (damaged), OUT_OF_RANGE … */
export async function attachCarved(request: AttachCarvedRequest): Promise<CarvedControl> {
  const { device, connection } = request;
  const claims = new Claims();
  try {
    checkRequest(request);
    claims.inProcess(`repository ${connection.repositoryId}`);
    const found = (await ifWanted(request, findOwn)) ?? (await format(request));
    claims.inProcess(`device ${found.formatId}`);
    await claims.onHost(connection.initiatorName, found.formatId);
    return await open(request, found, () => claims.release());
  } catch (error) {
    claims.release();
    await device.close().catch(() => undefined);
    throw arrayErrorOf(error);
  }
}

function ifWanted<T>(
  request: AttachCarvedRequest,
  look: (request: AttachCarvedRequest) => Promise<T>,
): Promise<T> {
  const { giveUp, options } = request;
  return whileWanted({ giveUp, signal: options.signal }, () => look(request));
}

function checkRequest({ device, connection, extentSize, overcommit }: AttachCarvedRequest): void {
  const { capabilities, geometry } = device;
  const { write, flush, multiConn, zero } = capabilities;
  if (!write || !flush || !multiConn || !zero || geometry.minimumIo > METADATA_BLOCK_BYTES) {
    const message = 'the device cannot be carved: it must write, zero and flush for all';
    throw new ArrayError('UNSUPPORTED', message);
  }
  const { initiatorName: owner } = connection;
  if (owner === '' || Buffer.byteLength(owner) > OWNER_BYTES) {
    throw new ArrayError('INVALID_ARGUMENT', 'the server has no name for the superblock');
  }
  if (extentSize !== undefined && !isExtentSize(extentSize)) {
    const expected = 'a power of two from 65536 to 67108864';
    const details = { field: 'extentSize', value: extentSize, expected };
    throw new ArrayError('INVALID_ARGUMENT', `no extent size: ${expected}`, details);
  }
  const factor = overcommit ?? OVERCOMMIT;
  if (!(factor >= 1 && factor <= OVERCOMMIT_LARGEST)) {
    const expected = `1 to ${OVERCOMMIT_LARGEST}`;
    const details = { field: 'overcommit', value: factor, expected };
    throw new ArrayError('INVALID_ARGUMENT', `no overcommit: ${expected}`, details);
  }
}

/** The superblock of the device, which is this repository's and may be attached by this server. undefined: it is new. */
async function findOwn(request: AttachCarvedRequest): Promise<Superblock | undefined> {
  const { device, connection, options } = request;
  const size = currentSizeOf(device);
  const { copies, newest } = await readSuperblocks(readerOf(device, request.readFresh), size);
  if (newest === undefined) {
    const newer = copies.find((copy) => copy.kind === 'version');
    if (newer !== undefined) {
      throw new ArrayError('VERSION_UNSUPPORTED', `the device has format ${newer.version}`);
    }
    if (copies.some((copy) => copy.kind === 'damaged')) {
      throw new ArrayError('FROZEN', 'both superblocks of the device are damaged');
    }
    if (options.create !== true) {
      throw new ArrayError('NOT_FOUND', 'the device holds no repository');
    }
    await refuseContent(device);
    return undefined;
  }
  if (newest.repositoryId !== connection.repositoryId) {
    const message = `the device holds another repository, of ${newest.owner}`;
    throw new ArrayError('ALREADY_MANAGED', message, { refs: [newest.repositoryId] });
  }
  if (newest.owner !== connection.initiatorName && options.takeOver !== true) {
    const message = 'the device belongs to another server';
    throw new ArrayError('EXCLUSIVE_ATTACHED', message, { refs: [newest.owner] });
  }
  if (size < newest.deviceSize) {
    const message = `the device has ${size} bytes, it had ${newest.deviceSize}`;
    throw new ArrayError('FROZEN', message);
  }
  return newest;
}

async function refuseContent(device: BlockDevice): Promise<void> {
  const content = await readDeviceContent(device);
  if (content.kind === 'empty') return;
  const what = content.kind === 'other' ? content.description : 'a repository';
  throw new ArrayError('ALREADY_MANAGED', `the device is not empty: it holds ${what}`, {
    refs: [what],
  });
}

/** Makes an empty device ours. The superblock comes last: before it, the device is as empty as it was. */
async function format(request: AttachCarvedRequest): Promise<Superblock> {
  const { device, connection } = request;
  const deviceSize = device.geometry.size;
  const extentSize = request.extentSize ?? defaultExtentSize(deviceSize);
  const layout = planLayout(deviceSize, extentSize);
  if (layout === undefined) {
    throw new ArrayError('OUT_OF_RANGE', `a device of ${deviceSize} bytes is too small`);
  }
  const formatId = randomHex();
  const { region, extentCount } = layout;
  const state = new MetadataState(extentSize, extentCount);
  const journal = new Journal({ device, formatId, region, state, complete: 0, newest: 0 });
  const minimumGeneration = await journal.restart();
  const now = Date.now();
  const first: Superblock = {
    ...layout,
    sequence: 0,
    formatId,
    repositoryId: connection.repositoryId,
    owner: connection.initiatorName,
    epoch: 0,
    attachToken: randomHex(),
    attached: false,
    takingOver: false,
    deviceSize,
    minimumGeneration,
    createdAt: now,
    attachedAt: now,
  };
  return await writeSuperblock(device, first, {});
}

async function open(
  request: AttachCarvedRequest,
  found: Superblock,
  onClosed: () => void,
): Promise<CarvedControl> {
  const { device, connection, options, parts } = request;
  const { log } = parts;
  const words = new DeviceWords();
  const isForeign = found.owner !== connection.initiatorName;
  const takingOver = found.attached && (isForeign || found.takingOver);
  const claimed = await writeSuperblock(device, found, {
    owner: connection.initiatorName,
    epoch: found.epoch + 1,
    attachToken: randomHex(),
    attached: true,
    takingOver,
    attachedAt: Date.now(),
  });
  const ownership = new Ownership({
    device,
    readFresh: request.readFresh,
    superblock: claimed,
    words,
    clock: parts.clock,
    leaseMs: OWNER_LEASE_MS,
    onLost: (owner) => {
      log.error({ owner }, 'another server has taken the device over');
      request.onOwnerLost?.(owner);
    },
  });
  request.onOwned?.(() => ownership.verify());
  if (takingOver) {
    log.warn({ owner: found.owner }, 'the device is taken over: waiting for its owner to notice');
    const wait = request.timing?.takeOverWaitMs ?? TAKE_OVER_WAIT_MS;
    await sleep(wait, undefined, { signal: options.signal }).catch(() => {
      throw new ArrayError('CANCELLED', 'cancelled');
    });
  }
  try {
    const { state, journal } = await restart(request, ownership);
    const growth = new DeviceGrowth({ state, journal, ownership });
    if (await growth.grow(currentSizeOf(device))) {
      log.info({ extents: state.extentCount }, 'the device has grown');
    }
    return await assemble(request, { words, ownership, state, journal, growth, onClosed });
  } catch (error) {
    await ownership.update({ attached: false }).catch(() => undefined);
    throw error;
  }
}

/** Reads the metadata and writes it anew. */
async function restart(
  { device, parts }: AttachCarvedRequest,
  ownership: Ownership,
): Promise<{ state: MetadataState; journal: Journal }> {
  await ownership.verify();
  const { superblock } = ownership;
  const reading = await readMetadata(device, superblock);
  const recovered = reading.recovered[0];
  const findings = [...reading.findings, ...(recovered?.findings ?? [])];
  const bad = findings.find(({ code }) => !HARMLESS.has(code));
  if (recovered === undefined || bad !== undefined) {
    const message = `the metadata of the device is damaged: ${bad?.message ?? 'nothing of it can be read'}`;
    throw new ArrayError('FROZEN', message, {
      expected: 'rootcast repository check, and --repair',
    });
  }
  for (const { code, message } of findings) parts.log.warn({ code }, message);
  const { state, complete, newest } = recovered;
  const { formatId, region } = superblock;
  const journal = new Journal({ device, formatId, region, state, complete, newest });
  const minimumGeneration = await journal.restart();
  await ownership.update({ minimumGeneration, takingOver: false });
  return { state, journal };
}

async function assemble(
  request: AttachCarvedRequest,
  made: {
    words: DeviceWords;
    ownership: Ownership;
    state: MetadataState;
    journal: Journal;
    growth: DeviceGrowth;
    onClosed: () => void;
  },
): Promise<CarvedControl> {
  const { device, parts } = request;
  const { words, ownership, state, journal, growth } = made;
  const { extentSize, dataStart } = ownership.superblock;
  const pool = new ExtentPool({
    device,
    extentSize,
    dataStart,
    extentCount: state.extentCount,
    isTaken: (extent) => state.isMapped(extent) || isInRegion(ownership.superblock, extent),
    verify: () => ownership.verify(),
    flush: () => journal.flush(),
  });
  growth.pool = pool;
  const queue = new CommitQueue({ state, journal, ownership, pool, words, growth });
  const granularity = Math.max(METADATA_BLOCK_BYTES, device.geometry.minimumIo);
  const overcommit = request.overcommit ?? OVERCOMMIT;
  const changes = new VolumeChanges({ state, queue, pool, ownership, granularity, overcommit });
  await changes.removeUnfinished();
  return new CarvedControl({
    device,
    state,
    journal,
    ownership,
    pool,
    queue,
    changes,
    size: new DeviceSize({ device, ownership, queue, growth, pool, words, log: parts.log }),
    answers: new Answers({ state, queue, pool, ownership, words }),
    words,
    log: parts.log,
    granularity,
    description: request.description,
    below: request.below,
    adapterKind: request.adapterKind,
    locatorAddress: request.locatorAddress,
    ownerCheckMs: request.timing?.ownerCheckMs ?? OWNER_CHECK_MS,
    sizeCheckMs: request.timing?.sizeCheckMs ?? SIZE_CHECK_MS,
    onClosed: made.onClosed,
  });
}

function randomHex(): string {
  return randomBytes(16).toString('hex');
}
