/** Looking at a target without opening a device: its LUNs, and whether it means its CHAP. */
import { type Lun, lunOf } from '../wire/index.ts';
import { type ChapCredentials, OwnChallenges } from './chap.ts';
import { Connection } from './connection.ts';
import { IscsiError } from './iscsi-error.ts';
import { COMMAND_MS, PROBED_LUNS } from './limits.ts';
import { logIn } from './log-in.ts';
import { LunUnusable, lookAtLun, lunsOfTarget, serialOf } from './lun-facts.ts';
import type { Portal } from './portal.ts';
import { randomIsid } from './session-pool.ts';
import type { Timers } from './timers.ts';

export interface ProbeOptions {
  /** Tried in this order. */
  readonly portals: readonly Portal[];
  readonly iqn: string;
  readonly initiatorName: string;
  readonly chap?: ChapCredentials;
  readonly timers: Timers;
  readonly signal?: AbortSignal;
}

export interface FoundLun {
  readonly lun: number;
  readonly wwid: string;
  readonly vendor: string;
  readonly product: string;
  readonly serial: string | undefined;
  /** Bytes. */
  readonly size: number;
}

/** The disks behind a target. @throws IscsiError, LunUnusable */
export function probeLuns(options: ProbeOptions): Promise<readonly FoundLun[]> {
  return withConnection(options, async (connection) => {
    const numbers = await lunsOfTarget(connection);
    const found: FoundLun[] = [];
    for (const lun of numbers.slice(0, PROBED_LUNS)) {
      const disk = await lookAt(connection, lun, lunOf(lun));
      if (disk !== undefined) found.push(disk);
    }
    return found;
  });
}

async function lookAt(
  connection: Connection,
  number: number,
  lun: Lun,
): Promise<FoundLun | undefined> {
  try {
    const { identity, inquiry, capacity } = await lookAtLun(connection, lun);
    return {
      lun: number,
      wwid: identity.wwid,
      vendor: inquiry.vendor,
      product: inquiry.product,
      serial: await serialOf(connection, lun),
      size: capacity.blocks * capacity.blockSize,
    };
  } catch (error) {
    if (error instanceof LunUnusable) return undefined; // a controller, or not ready
    throw error;
  }
}

/**
 * Whether CHAP keeps anybody out: with a wrong secret, and with none, the login must fail. (LIO has been seen to
 * let everybody in after its secrets were set.)
 * @throws IscsiError the target did not say
 */
export async function enforcesChap(
  options: ProbeOptions & { readonly chap: ChapCredentials },
): Promise<boolean> {
  const { user, password } = options.chap;
  const wrong: ChapCredentials = { user, password: `${password}-wrong` };
  return !(await letsIn(options, wrong)) && !(await letsIn(options, undefined));
}

async function letsIn(options: ProbeOptions, chap: ChapCredentials | undefined): Promise<boolean> {
  const { chap: _, ...rest } = options;
  try {
    await withConnection({ ...rest, ...(chap === undefined ? {} : { chap }) }, async () => {});
    return true;
  } catch (error) {
    const refused =
      error instanceof IscsiError &&
      // LIO takes CHAP where it is offered, and then has no secret to ask for: that is a target without CHAP, and lets
      // us in when we do not offer it.
      ['authentication', 'authorization', 'chap-algorithms'].includes(error.failure);
    if (refused) return false;
    throw error;
  }
}

async function withConnection<T>(
  options: ProbeOptions,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await firstOf(options);
  const abort = (): void => connection.destroy('given up');
  options.signal?.addEventListener('abort', abort, { once: true });
  try {
    return await work(connection);
  } finally {
    options.signal?.removeEventListener('abort', abort);
    connection.logout();
  }
}

/** The first portal that lets us in; one that refuses speaks for all. */
async function firstOf(options: ProbeOptions): Promise<Connection> {
  const { timers, iqn, portals, ...rest } = options;
  let problem = new IscsiError('unreachable', 'there is no portal');
  for (const portal of portals) {
    try {
      const login = {
        ...rest,
        chap: options.chap,
        portal,
        timers,
        targetName: iqn,
        isid: randomIsid(),
        challenges: new OwnChallenges(),
        headerDigest: false,
        dataDigest: false,
      };
      const quiet = { leaving() {}, ended() {}, attention() {} };
      const tuning = { timers, commandMs: COMMAND_MS };
      return await logIn(login, (link) => new Connection(link, quiet, tuning));
    } catch (error) {
      if (!(error instanceof IscsiError)) throw error;
      if (error.failure !== 'unreachable' && error.failure !== 'timeout') throw error;
      problem = error;
    }
  }
  throw problem;
}
