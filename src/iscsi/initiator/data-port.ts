/** Opens LUNs as devices; one for each thread. Devices whose sessions could be the same share them. */
import { BlockError, type Errno } from '../../errors/index.ts';
import { LARGEST_LUN, lunOf } from '../wire/index.ts';
import type { ChapCredentials } from './chap.ts';
import { IscsiDevice } from './device.ts';
import { IscsiError, type IscsiFailure } from './iscsi-error.ts';
import { COMMAND_MS, PATHS, PATIENCE_MS } from './limits.ts';
import { factsOfLun, LunUnusable } from './lun-facts.ts';
import { LunPaths } from './lun-paths.ts';
import { OtherDisk } from './opening-failure.ts';
import { type Portal, parsePortal } from './portal.ts';
import type { IscsiLog } from './session.ts';
import { SessionPool } from './session-pool.ts';
import { REAL_TIME, type Timers } from './timers.ts';

/** How to reach a LUN and what to check. */
export interface IscsiOpen {
  /** `host`, `host:port`, `[v6]:port`; best first. */
  readonly portals: readonly string[];
  readonly iqn: string;
  readonly lun: number;
  readonly initiatorName: string;
  readonly chap?: ChapCredentials;
  /** The disk that it must be, by any of its names (LunIdentity). Absent: whatever is there when it is opened. */
  readonly expectWwid?: string;
  /** Milliseconds without a path before requests fail. */
  readonly patienceMs?: number;
  readonly headerDigest?: boolean;
  readonly dataDigest?: boolean;
  readonly write: boolean;
  /** How long one command may take before it is aborted and sent again, in milliseconds. */
  readonly commandMs?: number;
  /**
   * Asked before a change is sent that was asked for before an outage, or sent before: whether the disk is still ours.
   * A BlockError ESTALE or ESHUTDOWN fails the change; anything else makes it wait.
   */
  readonly stillOurs?: () => Promise<void>;
  /** The LUN was resized, and all paths know: `IscsiDevice.currentSize`. @param size bytes */
  readonly onResize?: (size: number) => void;
  /** Something about the paths changed: see `IscsiDevice.paths`. */
  readonly onPaths?: () => void;
}

export class IscsiDataPort {
  readonly #log: IscsiLog;
  readonly #timers: Timers;
  readonly #pool: SessionPool;
  readonly #open = new Set<IscsiDevice>();
  readonly #opening = new Set<LunPaths>();
  #closed = false;

  constructor(parts: { readonly log: IscsiLog; readonly timers?: Timers }) {
    this.#log = parts.log;
    this.#timers = parts.timers ?? REAL_TIME;
    this.#pool = new SessionPool(this.#timers, this.#log);
  }

  /**
   * Settles with the first path that leads to the disk; the others join when they can.
   * @throws BlockError of operation `open`: EINVAL, EPERM (refused, CHAP), ESTALE (another disk), ETIMEDOUT, EIO;
   *   the cause is the IscsiError, LunUnusable or OtherDisk
   */
  async open(request: IscsiOpen): Promise<IscsiDevice> {
    const portals = checked(request);
    if (this.#closed) throw openError('ESHUTDOWN', 'the data port is closed');
    const wishes = {
      targetName: request.iqn,
      initiatorName: request.initiatorName,
      chap: request.chap,
      headerDigest: request.headerDigest ?? false,
      dataDigest: request.dataDigest ?? false,
      commandMs: request.commandMs ?? COMMAND_MS,
    };
    const sessions = portals.map((portal) => this.#pool.acquire(portal, wishes));
    const release = async (): Promise<void> => {
      await Promise.all(sessions.map((session) => session.release()));
    };
    const lun = lunOf(request.lun);
    const paths = new LunPaths(
      sessions.map(({ session }) => session),
      {
        lun,
        timers: this.#timers,
        log: this.#log,
        patienceMs: request.patienceMs ?? PATIENCE_MS,
        expectWwid: request.expectWwid,
        stillOurs: request.stillOurs,
        onResize: (size) => request.onResize?.(size),
        onPaths: () => request.onPaths?.(),
      },
    );
    this.#opening.add(paths);
    try {
      await paths.open();
      const { path, look } = paths.ready ?? {};
      if (path?.connection === undefined || look === undefined) {
        throw new IscsiError('ended', 'the path broke while the LUN was opened');
      }
      const facts = await factsOfLun(path.connection, lun, look);
      const device = new IscsiDevice(paths, lun, facts, request.write, async () => {
        this.#open.delete(device);
        await release();
      });
      if (this.#closed) throw new IscsiError('ended', 'the data port is closed');
      this.#open.add(device);
      return device;
    } catch (error) {
      paths.close();
      await release();
      throw blockErrorOf(error);
    } finally {
      this.#opening.delete(paths);
    }
  }

  /** Ends every session. Devices that are still open, or being opened, fail from then on. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const paths of this.#opening) paths.close();
    for (const device of this.#open) device.abandon();
    await this.#pool.close();
  }
}

function checked({ portals, lun, iqn }: IscsiOpen): readonly Portal[] {
  const parsed = portals.flatMap((text) => parsePortal(text) ?? []);
  if (parsed.length === 0 || parsed.length !== portals.length || parsed.length > PATHS) {
    throw openError('EINVAL', `not portals: ${portals.join(', ')}`);
  }
  if (!Number.isInteger(lun) || lun < 0 || lun > LARGEST_LUN) {
    throw openError('EINVAL', `not a LUN: ${lun}`);
  }
  if (!/^(iqn\.|eui\.|naa\.)[\x21-\x7e]{1,219}$/.test(iqn)) {
    throw openError('EINVAL', `not an iSCSI name: ${iqn}`);
  }
  return parsed;
}

const ERRNO: Readonly<Record<IscsiFailure, Errno>> = {
  unreachable: 'ETIMEDOUT',
  timeout: 'ETIMEDOUT',
  authentication: 'EPERM',
  'chap-algorithms': 'EPERM',
  'target-authentication': 'EPERM',
  authorization: 'EPERM',
  'not-found': 'ESTALE',
  unavailable: 'ETIMEDOUT',
  refused: 'EIO',
  'redirect-loop': 'EIO',
  violation: 'EIO',
  ended: 'EIO',
};

function blockErrorOf(error: unknown): BlockError {
  const cause = error instanceof Error ? error : new Error(String(error));
  if (cause instanceof IscsiError) return openError(ERRNO[cause.failure], cause.message, cause);
  if (cause instanceof OtherDisk) return openError('ESTALE', cause.message, cause);
  if (cause instanceof LunUnusable) {
    return openError(cause.why === 'none' ? 'ESTALE' : 'ETIMEDOUT', cause.message, cause);
  }
  return BlockError.from(cause, 'open', 0, 0);
}

function openError(errno: Errno, detail: string, cause?: Error): BlockError {
  return new BlockError(errno, 'open', 0, 0, detail, cause === undefined ? {} : { cause });
}
