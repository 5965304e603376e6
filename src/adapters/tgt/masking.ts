/** Which hosts reach which volume: initiator names bound to the volume's target, and CHAP. */
import type { KeyedMutex } from '../../base/index.ts';
import { ArrayError } from '../../errors/index.ts';
import type {
  ArrayMapping,
  ArrayRef,
  HostIdentity,
  MaskingControl,
  Mutation,
} from '../../repositories/index.ts';
import { NAME_CHARACTERS, VOLUME_LUN } from './limits.ts';
import type { Targets } from './targets.ts';
import type { HostMapping, Passwords, StoredVolume, VolumeStore } from './volume-store.ts';

type MapRequest = Parameters<MaskingControl['map']>[0];

const HOST = new RegExp(`^[A-Za-z0-9][A-Za-z0-9._-]{0,${NAME_CHARACTERS - 1}}$`);
const IQN = /^(iqn|eui|naa)\.[\x21-\x2b\x2d-\x7e]{1,219}$/;
/** tgt keeps 63 characters of either. */
const USER = /^[A-Za-z0-9._:-]{1,63}$/;
const PASSWORD = /^[\x21-\x7e]{12,63}$/;

export class Masking implements MaskingControl {
  readonly #store: VolumeStore;
  readonly #targets: Targets;
  readonly #portals: () => Promise<readonly string[]>;
  readonly #turns: KeyedMutex;

  constructor(
    store: VolumeStore,
    targets: Targets,
    portals: () => Promise<readonly string[]>,
    turns: KeyedMutex,
  ) {
    this.#store = store;
    this.#targets = targets;
    this.#portals = portals;
    this.#turns = turns;
  }

  map(request: MapRequest): Promise<ArrayMapping> {
    return this.#turns.run('tgt', async () => {
      const { host, mode, chap } = request;
      checkHost(request);
      const volume = this.#ofRef(request.volume);
      const wanted: HostMapping = {
        ...{ host: host.name, iqns: [...host.iqns], mode },
        ...{ user: chap?.user, mutualUser: chap?.mutual?.user },
      };
      const there = volume.mappings.find((each) => each.host === host.name);
      if (there !== undefined) refuseDifferent(there, wanted);
      else refuseConflict(volume, wanted);
      const passwords = passwordsOf(request);
      await this.#refuseOtherPasswords(passwords);
      const mappings = there === undefined ? [...volume.mappings, wanted] : volume.mappings;
      const mapped = { ...volume, mappings };
      if (there === undefined) {
        const all = { ...(await this.#store.passwords(volume.id)), ...passwords };
        if (chap !== undefined) await this.#store.setPasswords(volume.id, all);
        await this.#store.put(mapped);
      }
      await this.#targets.mend(mapped);
      return this.#shown(mapped, there ?? wanted);
    });
  }

  /** A user of CHAP is the daemon's, not the target's: it has one password everywhere. */
  async #refuseOtherPasswords(passwords: Passwords): Promise<void> {
    for (const { id } of this.#store.all) {
      const known = await this.#store.passwords(id);
      for (const [user, password] of Object.entries(passwords)) {
        if (known[user] === undefined || known[user] === password) continue;
        const message = `the CHAP user ${user} has another password already`;
        throw new ArrayError('INITIATOR_CONFLICT', message, { field: 'chap.user', value: user });
      }
    }
  }

  unmap(request: Parameters<MaskingControl['unmap']>[0]): Promise<void> {
    return this.#turns.run('tgt', async () => {
      const volume = this.#store.get(request.volume.nativeId);
      if (volume === undefined) return;
      const goes = ({ host }: HostMapping): boolean =>
        request.host === undefined || host === request.host;
      const gone = volume.mappings.filter(goes);
      if (gone.length === 0) return this.#targets.mend(volume);
      const iqns = gone.flatMap((mapping) => mapping.iqns);
      const sessions = await this.#targets.sessions(volume, iqns);
      if (sessions.length > 0 && request.force !== true) {
        const refs = sessions.map(({ initiator }) => initiator);
        throw new ArrayError('IN_USE', `${volume.name} is open`, { refs });
      }
      const left = { ...volume, mappings: volume.mappings.filter((each) => !goes(each)) };
      await this.#store.put(left);
      await this.#targets.mend(left);
      await this.#targets.endSessions(left, iqns);
      await this.#forgetPasswords(left);
    });
  }

  async #forgetPasswords(volume: StoredVolume): Promise<void> {
    const users = volume.mappings.flatMap(({ user, mutualUser }) => [user, mutualUser]);
    const known = Object.entries(await this.#store.passwords(volume.id));
    const left = known.filter(([user]) => users.includes(user));
    if (left.length < known.length) {
      await this.#store.setPasswords(volume.id, Object.fromEntries(left));
    }
  }

  async listMappings(query: { readonly volume?: ArrayRef }): Promise<readonly ArrayMapping[]> {
    const one = query.volume === undefined ? undefined : this.#store.get(query.volume.nativeId);
    const volumes = query.volume === undefined ? this.#store.all : one === undefined ? [] : [one];
    const found: ArrayMapping[] = [];
    for (const volume of volumes) {
      for (const mapping of volume.mappings) found.push(await this.#shown(volume, mapping));
    }
    return found;
  }

  /** Its initiators are unbound everywhere, their sessions ended, and stay out until `unfence`, mapped or not. */
  fence(request: Mutation & { readonly host: HostIdentity }): Promise<void> {
    return this.#turns.run('tgt', async () => {
      const iqns = initiatorsOf(request.host);
      await this.#store.setFenced([...new Set([...this.#store.fenced, ...iqns])]);
      for (const volume of this.#store.all) {
        await this.#targets.mend(volume);
        await this.#targets.endSessions(volume, iqns);
      }
    });
  }

  unfence(request: Mutation & { readonly host: HostIdentity }): Promise<void> {
    return this.#turns.run('tgt', async () => {
      const iqns = initiatorsOf(request.host);
      await this.#store.setFenced(this.#store.fenced.filter((each) => !iqns.includes(each)));
      for (const volume of this.#store.all) await this.#targets.mend(volume);
    });
  }

  async fenced(): Promise<readonly string[]> {
    return [...this.#store.fenced].sort();
  }

  #ofRef(ref: ArrayRef): StoredVolume {
    const volume = this.#store.get(ref.nativeId);
    if (volume !== undefined) return volume;
    throw new ArrayError('NOT_FOUND', `there is no volume ${ref.name}`);
  }

  async #shown(volume: StoredVolume, mapping: HostMapping): Promise<ArrayMapping> {
    const sessions = await this.#targets.sessions(volume, mapping.iqns);
    const id = `${volume.id}:${mapping.host}`;
    return {
      ref: { kind: 'mapping', nativeId: id, name: `${volume.name}:${mapping.host}` },
      volume: { kind: 'volume', nativeId: volume.id, name: volume.name },
      host: mapping.host,
      mode: mapping.mode,
      lun: VOLUME_LUN,
      sessions: sessions.flatMap(({ initiator, connections }) =>
        connections.map(({ address }) => `${initiator} from ${address}`),
      ),
      target: { portals: await this.#portals(), iqn: volume.iqn },
    };
  }
}

/** @throws ArrayError INVALID_ARGUMENT: it has none, and nothing would happen */
function initiatorsOf({ iqns }: HostIdentity): readonly string[] {
  if (iqns.length > 0) return iqns;
  throw wrong('host.iqns', iqns, 'a name of an initiator');
}

function checkHost({ host, chap }: MapRequest): void {
  if (!HOST.test(host.name)) throw wrong('host.name', host.name, 'a name');
  initiatorsOf(host);
  const odd = host.iqns.find((iqn) => !IQN.test(iqn));
  if (odd !== undefined) throw wrong('host.iqns', odd, 'iqn.…, eui.… or naa.…');
  for (const account of [chap, chap?.mutual]) {
    if (account === undefined) continue;
    if (!USER.test(account.user)) throw wrong('chap.user', account.user, 'a user of CHAP');
    if (PASSWORD.test(account.password)) continue;
    throw wrong('chap.password', undefined, '12 to 63 characters without spaces');
  }
}

function passwordsOf({ chap }: MapRequest): Passwords {
  const mutual = chap?.mutual;
  return {
    ...(chap === undefined ? {} : { [chap.user]: chap.password }),
    ...(mutual === undefined ? {} : { [mutual.user]: mutual.password }),
  };
}

function refuseDifferent(there: HostMapping, wanted: HostMapping): void {
  const same =
    there.mode === wanted.mode &&
    there.user === wanted.user &&
    there.mutualUser === wanted.mutualUser &&
    [...there.iqns].sort().join() === [...wanted.iqns].sort().join();
  if (same) return;
  const message = `the volume is mapped to ${there.host} in another way`;
  throw new ArrayError('ALREADY_EXISTS_DIFFERENT', message, { field: 'mode', value: wanted.mode });
}

/**
 * What tgt has for a target only, all hosts of a volume share: whether it may be written, whether CHAP is asked for,
 * and the account by which the target shows itself.
 */
function refuseConflict(volume: StoredVolume, wanted: HostMapping): void {
  const [other] = volume.mappings;
  if (other === undefined) return;
  const taken = volume.mappings.find(({ iqns }) => iqns.some((iqn) => wanted.iqns.includes(iqn)));
  const conflict =
    taken !== undefined
      ? `${taken.host} has the same initiator`
      : other.mode !== wanted.mode
        ? `${other.host} has it as ${other.mode}`
        : (other.user === undefined) !== (wanted.user === undefined)
          ? `${other.host} has it ${other.user === undefined ? 'without' : 'with'} CHAP`
          : other.mutualUser !== wanted.mutualUser
            ? `${other.host} has another mutual CHAP`
            : undefined;
  if (conflict === undefined) return;
  throw new ArrayError('INITIATOR_CONFLICT', `${volume.name} cannot be mapped: ${conflict}`, {
    refs: [taken?.host ?? other.host],
  });
}

function wrong(field: string, value: unknown, expected: string): ArrayError {
  return new ArrayError('INVALID_ARGUMENT', `${field} is wrong`, { field, value, expected });
}
