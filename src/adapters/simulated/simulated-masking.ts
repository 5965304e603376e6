import { ArrayError } from '../../errors/index.ts';
import type { ArrayMapping, HostIdentity, MaskingControl } from '../../repositories/index.ts';
import { type ArraySession, refOf } from './array-session.ts';
import { LUNS_PER_HOST } from './limits.ts';
import type { StoredMapping } from './simulated-array.ts';

export function simulatedMasking(session: ArraySession): MaskingControl {
  const { array } = session;
  const core: Omit<MaskingControl, 'fence' | 'unfence' | 'fenced'> = {
    map: ({ volume, host, mode, chap }, options) =>
      session.change('map', options, () => {
        const object = array.find(volume.nativeId);
        if (object === undefined) {
          throw new ArrayError('NOT_FOUND', `there is no ${volume.kind} ${volume.name}`);
        }
        const mappings = array.mappingsOf(object.id);
        const there = mappings.find((each) => each.host.name === host.name);
        if (there !== undefined) {
          if (there.mode === mode) return show(session, there);
          const message = `${object.name} is mapped to ${host.name} as ${there.mode}`;
          throw new ArrayError('ALREADY_EXISTS_DIFFERENT', message);
        }
        checkInitiators(session, host);
        if (mappings.length > 0 && !session.can('multiAttach')) {
          throw new ArrayError('EXCLUSIVE_ATTACHED', `${object.name} is mapped to another host`, {
            refs: mappings.map((each) => each.host.name),
          });
        }
        if (chap !== undefined) session.need('chap', 'CHAP');
        if (chap?.mutual !== undefined) session.need('mutualChap', 'mutual CHAP');
        const mapping: StoredMapping = {
          id: array.newId('map'),
          object: object.id,
          objectName: object.name,
          host: structuredClone(host),
          mode,
          lun: freeLun(session, host),
          chap: chap === undefined ? undefined : { user: chap.user, password: chap.password },
        };
        array.mappings.set(mapping.id, mapping);
        return show(session, mapping);
      }),

    unmap: ({ volume, host, force }, options) =>
      session.change('unmap', options, () => {
        const ending = array
          .mappingsOf(volume.nativeId)
          .filter((each) => host === undefined || each.host.name === host);
        const live = ending.flatMap((each) => sessionsOf(session, each));
        if (live.length > 0 && force === true)
          session.need('terminateSessions', 'ending of sessions');
        if (live.length > 0 && force !== true) {
          throw new ArrayError('IN_USE', `${volume.name} is open`, {
            refs: live.map(({ initiator }) => initiator),
          });
        }
        for (const each of live) array.sessions.end(each);
        for (const { id } of ending) array.mappings.delete(id);
      }),

    listMappings: async ({ volume }) =>
      session.ask('listMappings', () => {
        const all =
          volume === undefined ? [...array.mappings.values()] : array.mappingsOf(volume.nativeId);
        return all.map((each) => show(session, each));
      }),
  };
  return session.can('fence') ? { ...core, ...fencing(session) } : core;
}

/** At once, whatever the host has open: when it is done, nothing of it reaches a volume any more. */
function fencing(
  session: ArraySession,
): Required<Pick<MaskingControl, 'fence' | 'unfence' | 'fenced'>> {
  const { array } = session;
  return {
    fence: ({ host }) =>
      session.change('fence', undefined, () => {
        checkNamed(host);
        for (const iqn of host.iqns) array.fenced.add(iqn);
        for (const each of array.sessions.ofInitiators(host.iqns)) array.sessions.end(each);
      }),
    unfence: ({ host }) =>
      session.change('unfence', undefined, () => {
        checkNamed(host);
        for (const iqn of host.iqns) array.fenced.delete(iqn);
      }),
    fenced: () => session.ask('fenced', () => [...array.fenced].sort()),
  };
}

/** @throws ArrayError INVALID_ARGUMENT */
function checkNamed(host: HostIdentity): void {
  if (host.iqns.length > 0) return;
  throw new ArrayError('INVALID_ARGUMENT', `${host.name} has no initiator name`, {
    field: 'host.iqns',
    expected: 'a host with an initiator name',
  });
}

function checkInitiators(session: ArraySession, host: HostIdentity): void {
  checkNamed(host);
  for (const { host: other } of session.array.mappings.values()) {
    const common = other.iqns.find((iqn) => host.iqns.includes(iqn));
    if (common === undefined || other.name === host.name) continue;
    throw new ArrayError('INITIATOR_CONFLICT', `${common} is an initiator of ${other.name}`, {
      refs: [other.name],
    });
  }
}

function freeLun(session: ArraySession, host: HostIdentity): number {
  const taken = new Set(
    [...session.array.mappings.values()]
      .filter((each) => each.host.name === host.name)
      .map(({ lun }) => lun),
  );
  for (let lun = 0; lun < LUNS_PER_HOST; lun += 1) if (!taken.has(lun)) return lun;
  throw new ArrayError('LUN_EXHAUSTED', `${host.name} sees ${LUNS_PER_HOST} LUNs already`);
}

function sessionsOf(session: ArraySession, { object, host }: StoredMapping) {
  return session.array.sessions.of(object).filter(({ initiator }) => host.iqns.includes(initiator));
}

function show(session: ArraySession, mapping: StoredMapping): ArrayMapping {
  const { array, settings } = session;
  const object = array.find(mapping.object);
  const missing = { kind: 'volume', nativeId: mapping.object, name: mapping.objectName } as const;
  return {
    ref: {
      kind: 'mapping',
      nativeId: mapping.id,
      name: `${mapping.objectName}-${mapping.host.name}`,
    },
    volume: object === undefined ? missing : refOf(object),
    host: mapping.host.name,
    mode: mapping.mode,
    lun: mapping.lun,
    sessions: sessionsOf(session, mapping).map((each) => `${each.initiator}#${each.number}`),
    target: { portals: settings.portals, iqn: `iqn.2026-01.dev.rootcast.simulated:${array.name}` },
  };
}
