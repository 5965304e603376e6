/** Finding a LUN in steps: address → targets → LUNs, with what lies on them → ready. Changes nothing. */
import { ArrayError } from '../../errors/index.ts';
import {
  discoverTargets,
  enforcesChap,
  type FoundLun,
  type FoundTarget,
  IscsiDataPort,
  IscsiError,
  type Portal,
  portalText,
  probeLuns,
  REAL_TIME,
} from '../../iscsi/index.ts';
import {
  type AdapterParts,
  findingOfContent,
  type ProbeAnswer,
  type ProbeFinding,
} from '../../repositories/index.ts';
import { accessOf } from './access.ts';
import { arrayErrorOf } from './array-errors.ts';
import { lunCapabilities } from './capabilities.ts';
import { LOOK_PATIENCE_MS, LUNS_LOOKED_INTO } from './limits.ts';
import { type IscsiConnection, type IscsiSettings, iscsiSettings } from './settings.ts';

/** @throws ArrayError INVALID_ARGUMENT, UNREACHABLE, AUTH_FAILED, NOT_FOUND … */
export async function probeIscsi(
  connection: IscsiConnection,
  parts: AdapterParts,
  signal: AbortSignal,
): Promise<ProbeAnswer> {
  const settings = iscsiSettings(connection);
  if (settings.addresses.length === 0) return { step: 'address', choose: 'target', found: [] };
  try {
    if (settings.iqn === undefined) {
      return { step: 'system', choose: 'targetIQN', found: await targets(settings, parts, signal) };
    }
    const luns = await lunsOf(settings, settings.iqn, parts, signal);
    const chosen = settings.wwid ?? settings.lun;
    const found = chosen === undefined ? luns : luns.filter((lun) => isChosen(lun, settings));
    const findings = await lookInto(found, settings, settings.iqn, parts, signal);
    if (chosen === undefined) return { step: 'pool', choose: 'SCSIid', found: findings };
    if (found.length > 0) {
      const chapEnforced = await isChapEnforced(settings, settings.iqn, parts, signal);
      const capabilities = lunCapabilities(chapEnforced);
      return { step: 'ready', choose: undefined, found: findings, capabilities };
    }
    throw new ArrayError('NOT_FOUND', `the target ${settings.iqn} has no such LUN: ${chosen}`, {
      refs: luns.map(({ lun, wwid }) => `${lun}: ${wwid}`),
    });
  } catch (error) {
    throw arrayErrorOf(error, signal);
  }
}

function isChosen({ lun, wwid }: FoundLun, settings: IscsiSettings): boolean {
  const sameLun = settings.lun === undefined || settings.lun === lun;
  const sameDisk =
    settings.wwid === undefined || settings.wwid.toLowerCase() === wwid.toLowerCase();
  return sameLun && sameDisk;
}

/** `yes`: a login with a wrong secret, and one with none, were refused. `no`: also when no CHAP is set. @throws IscsiError */
export async function isChapEnforced(
  { chap, portals, initiatorName }: IscsiSettings,
  iqn: string,
  { clock }: AdapterParts,
  signal: AbortSignal,
): Promise<'yes' | 'no'> {
  if (chap === undefined) return 'no';
  const timers = { ...REAL_TIME, now: clock };
  const enforced = await enforcesChap({ portals, iqn, initiatorName, timers, chap, signal });
  return enforced ? 'yes' : 'no';
}

/** @throws IscsiError, LunUnusable */
export function lunsOf(
  settings: IscsiSettings,
  iqn: string,
  { clock }: AdapterParts,
  signal: AbortSignal,
): Promise<readonly FoundLun[]> {
  const { portals, initiatorName, chap } = settings;
  const timers = { ...REAL_TIME, now: clock };
  const options = { portals, iqn, initiatorName, timers, signal };
  return probeLuns(chap === undefined ? options : { ...options, chap });
}

async function targets(
  settings: IscsiSettings,
  { clock }: AdapterParts,
  signal: AbortSignal,
): Promise<readonly ProbeFinding[]> {
  const { addresses, initiatorName, chap } = settings;
  const timers = { ...REAL_TIME, now: clock };
  let problem: unknown;
  for (const portal of addresses) {
    try {
      const options = { portal, initiatorName, timers, signal };
      const found = await discoverTargets(chap === undefined ? options : { ...options, chap });
      return found.map((target) => described(target, portal));
    } catch (error) {
      problem = error;
      if (error instanceof IscsiError && error.failure !== 'unreachable') break;
    }
  }
  throw problem;
}

/**
 * Arrays behind address translation announce addresses that we cannot use. Where the one that we asked is not
 * among those, it alone is proposed.
 */
function described({ iqn, portals }: FoundTarget, asked: Portal): ProbeFinding {
  const known = portals.includes(portalText(asked));
  return {
    value: iqn,
    description: known ? portals.join(', ') : `announces ${portals.join(', ')}`,
    settings: { portals: known ? portals : [portalText(asked)] },
  };
}

/** With what lies on each of the first few: whose it is. One that cannot be read is told all the same. */
async function lookInto(
  luns: readonly FoundLun[],
  settings: IscsiSettings,
  iqn: string,
  { log, clock }: AdapterParts,
  signal: AbortSignal,
): Promise<readonly ProbeFinding[]> {
  const port = new IscsiDataPort({ log, timers: { ...REAL_TIME, now: clock } });
  const giveUp = (): void => void port.close();
  signal.addEventListener('abort', giveUp, { once: true });
  const reach = { ...accessOf(settings), portals: settings.portals.map(portalText), iqn };
  const look = async (found: FoundLun): Promise<ProbeFinding> => {
    const { lun, wwid: expectWwid } = found;
    const wishes = { lun, expectWwid, patienceMs: LOOK_PATIENCE_MS, write: false };
    try {
      const device = await port.open({ ...reach, ...wishes });
      return await findingOfContent(finding(found), device).finally(() => device.close());
    } catch (error) {
      signal.throwIfAborted();
      log.warn({ lun, error }, 'a LUN cannot be read: what lies on it is not known');
      return finding(found);
    }
  };
  try {
    const findings: ProbeFinding[] = [];
    for (const [nth, lun] of luns.entries()) {
      signal.throwIfAborted();
      findings.push(nth < LUNS_LOOKED_INTO ? await look(lun) : finding(lun));
    }
    return findings;
  } finally {
    signal.removeEventListener('abort', giveUp);
    await port.close();
  }
}

function finding({ lun, wwid, vendor, product, serial, size }: FoundLun): ProbeFinding {
  const description = [vendor, product, serial].filter((part) => part !== undefined && part !== '');
  const disk = { vendor: vendor ?? '', product: product ?? '', serial: serial ?? '' };
  return { value: wwid, description: description.join(' '), settings: { LUNid: lun }, size, disk };
}
