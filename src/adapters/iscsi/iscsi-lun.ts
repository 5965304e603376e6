/**
 * The one LUN of a repository on iSCSI without array control, opened on the main thread: the device that carving
 * stands on, and what the control port wants to know of it.
 */
import { ArrayError } from '../../errors/index.ts';
import {
  IscsiDataPort,
  type IscsiDevice,
  type PathReport,
  portalText,
  REAL_TIME,
} from '../../iscsi/index.ts';
import type { AdapterParts, ArrayHealth, VolumeLocator } from '../../repositories/index.ts';
import { accessOf } from './access.ts';
import { arrayErrorOf } from './array-errors.ts';
import { lunLocator } from './locator.ts';
import { isChapEnforced, lunsOf } from './probe.ts';
import { type IscsiConnection, type IscsiSettings, iscsiSettings } from './settings.ts';

export interface OpenLunOptions {
  readonly repositoryId: string;
  readonly write: boolean;
  readonly signal: AbortSignal;
  /** As IscsiOpen.stillOurs. */
  readonly stillOurs?: () => Promise<void>;
  /** @param size bytes */
  readonly onResize?: (size: number) => void;
  readonly onPaths?: () => void;
}

export interface OpenLun {
  readonly device: IscsiDevice;
  readonly wwid: string;
  /** For the data ports. */
  readonly locator: VolumeLocator;
  readonly vendor: string;
  readonly product: string;
  readonly revision: string;
  readonly serial: string;
  /** `yes`: a login with a wrong secret, and one with none, were refused. `no`: also when no CHAP is set. */
  readonly chapEnforced: 'yes' | 'no';
  health(): ArrayHealth;
  /** What is under way fails, and everything after it; nobody waits for a path. To be closed all the same. */
  giveUp(): void;
  /** Closes the device and its sessions. */
  close(): Promise<void>;
}

/** @throws ArrayError INVALID_ARGUMENT, UNREACHABLE, AUTH_FAILED, NOT_FOUND (no such LUN, or another disk) … */
export async function openLun(
  connection: IscsiConnection,
  parts: AdapterParts,
  options: OpenLunOptions,
): Promise<OpenLun> {
  const settings = iscsiSettings(connection);
  const timers = { ...REAL_TIME, now: parts.clock };
  const port = new IscsiDataPort({ log: parts.log, timers });
  // Nobody waits for a path any more: not for the whole of the patience.
  const giveUp = (): void => void port.close();
  options.signal.addEventListener('abort', giveUp, { once: true });
  try {
    options.signal.throwIfAborted();
    const { iqn, lun } = await whichLun(settings, parts, options.signal);
    const portals = settings.portals.map(portalText);
    const { signal, repositoryId, ...wishes } = options;
    const access = { ...accessOf(settings), ...wishes, portals, iqn, lun };
    const { wwid: expectWwid } = settings;
    const device = await port.open(expectWwid === undefined ? access : { ...access, expectWwid });
    const { facts, wwid } = device;
    const { chap } = settings;
    const chapEnforced = await isChapEnforced(settings, iqn, parts, signal);
    if (chap !== undefined && chapEnforced === 'no')
      parts.log.warn({ iqn }, 'the target does not enforce its CHAP');
    options.signal.throwIfAborted();
    return {
      device,
      wwid,
      locator: lunLocator(repositoryId, wwid, { portals, iqn, lun, wwid }),
      vendor: facts.inquiry.vendor,
      product: facts.inquiry.product,
      revision: facts.inquiry.revision,
      serial: facts.serial ?? '',
      chapEnforced,
      health: () => healthOf(device.paths),
      giveUp,
      close: async () => {
        await device.close();
        await port.close();
      },
    };
  } catch (error) {
    await port.close();
    throw arrayErrorOf(error, options.signal);
  } finally {
    options.signal.removeEventListener('abort', giveUp);
  }
}

async function whichLun(
  settings: IscsiSettings,
  parts: AdapterParts,
  signal: AbortSignal,
): Promise<{ readonly iqn: string; readonly lun: number }> {
  const { iqn, lun, wwid } = settings;
  if (iqn === undefined) throw missing('targetIQN');
  if (lun !== undefined) return { iqn, lun };
  if (wwid === undefined) throw missing('SCSIid');
  const luns = await lunsOf(settings, iqn, parts, signal);
  const found = luns.find((candidate) => candidate.wwid.toLowerCase() === wwid.toLowerCase());
  if (found !== undefined) return { iqn, lun: found.lun };
  throw new ArrayError('NOT_FOUND', `the target ${iqn} has no LUN ${wwid}`, { field: 'SCSIid' });
}

function missing(field: string): ArrayError {
  return new ArrayError('INVALID_ARGUMENT', `${field} is missing`, { field });
}

export function healthOf(paths: readonly PathReport[]): ArrayHealth {
  const down = paths.filter(({ up }) => !up);
  return {
    state: down.length === 0 ? 'good' : down.length < paths.length ? 'degraded' : 'failed',
    messages: down.map(({ name, state, reason }) => `path ${name}: ${reason ?? state}`),
    paths: paths.map(({ name, up }) => ({ name, up })),
  };
}
