/**
 * Makes the daemon's targets what the store says. One target a volume, with the volume as LUN 1: who may reach a
 * target is told by initiator *names* only (addresses and names bound to one target are alternatives to each other,
 * so an address would let every initiator there in), and accounts of CHAP belong to a target as well.
 *
 * Every step looks first, so that doing it again, or after the daemon was started again, does what is missing.
 */
import { createHash } from 'node:crypto';
import { ArrayError } from '../../errors/index.ts';
import { TARGETS, VOLUME_LUN } from './limits.ts';
import {
  parsePortals,
  parseTargets,
  type ShownSession,
  type ShownTarget,
} from './shown-targets.ts';
import type { Tgtadm } from './tgtadm.ts';
import type { Passwords, StoredVolume, VolumeStore } from './volume-store.ts';

/** What a target is to be. */
interface Wanted {
  readonly initiators: readonly string[];
  readonly accounts: readonly string[];
  readonly outgoing: string | undefined;
  readonly readOnly: boolean;
}

export class Targets {
  readonly #tgtadm: Tgtadm;
  readonly #store: VolumeStore;
  /** Initiators that have a volume open through this service alone, by the volume's id. */
  readonly #passing = new Map<string, { readonly iqn: string; readonly write: boolean }>();

  constructor(tgtadm: Tgtadm, store: VolumeStore) {
    this.#tgtadm = tgtadm;
    this.#store = store;
  }

  async shown(): Promise<readonly ShownTarget[]> {
    return parseTargets(await this.#tgtadm.show('target'));
  }

  async portals(): Promise<readonly string[]> {
    return parsePortals(await this.#tgtadm.show('portal'));
  }

  async of(volume: StoredVolume): Promise<ShownTarget | undefined> {
    return (await this.shown()).find(({ iqn }) => iqn === volume.iqn);
  }

  /** @throws ArrayError LIMIT_REACHED */
  async freeTid(): Promise<number> {
    const taken = new Set((await this.shown()).map(({ tid }) => tid));
    for (const { tid } of this.#store.all) taken.add(tid);
    for (let tid = 1; tid <= TARGETS; tid += 1) if (!taken.has(tid)) return tid;
    throw new ArrayError('LIMIT_REACHED', `tgtd has ${TARGETS} targets`);
  }

  /** Volumes whose target is missing: the daemon was started again. */
  async missing(): Promise<readonly StoredVolume[]> {
    const shown = new Set((await this.shown()).map(({ iqn }) => iqn));
    return this.#store.all.filter(({ iqn }) => !shown.has(iqn));
  }

  /** This service opens the volume without a mapping; undefined: not any more. */
  setPassing(id: string, who: { readonly iqn: string; readonly write: boolean } | undefined): void {
    if (who === undefined) this.#passing.delete(id);
    else this.#passing.set(id, who);
  }

  isPassing(id: string): boolean {
    return this.#passing.has(id);
  }

  /** Makes or mends it. */
  async mend(volume: StoredVolume): Promise<void> {
    const wanted = this.#wanted(volume);
    let shown = await this.of(volume);
    const target = ['--mode', 'target', '--tid', String(volume.tid)];
    if (shown === undefined) {
      const args = [...target, '--op', 'new', '--targetname', volume.iqn];
      await this.#tgtadm.change(args, `make target ${volume.iqn}`);
      shown = await this.of(volume);
    }
    if (shown?.tid !== volume.tid) {
      // Its number is part of the disk's name (NAA), which must not change.
      const message = `target ${volume.iqn} has another number than ${volume.tid}`;
      throw new ArrayError('ALREADY_EXISTS_DIFFERENT', message, { value: shown?.tid });
    }
    await this.#mendLun(volume, shown, wanted.readOnly);
    await this.#mendAccounts(volume, shown, wanted);
    // Last: nobody is let in before the accounts that they must show are bound.
    await this.#mendInitiators(volume, shown, wanted.initiators);
  }

  #wanted(volume: StoredVolume): Wanted {
    const { fenced } = this.#store;
    const passing = this.#passing.get(volume.id);
    const initiators = volume.mappings.flatMap(({ iqns }) => iqns);
    if (passing !== undefined) initiators.push(passing.iqn);
    const writes = volume.mappings.some(({ mode }) => mode === 'rw');
    return {
      initiators: [...new Set(initiators)].filter((iqn) => !fenced.includes(iqn)),
      accounts: [...new Set(volume.mappings.flatMap(({ user }) => user ?? []))],
      outgoing: volume.mappings.find(({ mutualUser }) => mutualUser !== undefined)?.mutualUser,
      readOnly: !(writes || passing?.write === true) && volume.mappings.length > 0,
    };
  }

  async #mendLun(volume: StoredVolume, shown: ShownTarget, readOnly: boolean): Promise<void> {
    const lun = shown.luns.find(({ number }) => number === VOLUME_LUN);
    const at = ['--mode', 'logicalunit', '--tid', String(volume.tid), '--lun', String(VOLUME_LUN)];
    if (lun === undefined) {
      const store = ['--backing-store', this.#store.dataPath(volume.id), '--bstype', 'rdwr'];
      await this.#tgtadm.change([...at, '--op', 'new', ...store], `make the LUN of ${volume.name}`);
    }
    const { scsiId, serial } = disk(volume.id);
    const same = lun?.scsiId === scsiId && lun.serial === serial && lun.readOnly === readOnly;
    if (same) return;
    const parameters = [
      ...['vendor_id=ROOTCAST', 'product_id=VOLUME', `scsi_id=${scsiId}`, `scsi_sn=${serial}`],
      ...[`thin_provisioning=${volume.thin ? 1 : 0}`, `readonly=${readOnly ? 1 : 0}`],
    ];
    const args = [...at, '--op', 'update', '--params', parameters.join(',')];
    await this.#tgtadm.change(args, `name the LUN of ${volume.name}`);
  }

  async #mendAccounts(volume: StoredVolume, shown: ShownTarget, wanted: Wanted): Promise<void> {
    const passwords = await this.#store.passwords(volume.id);
    for (const user of shown.accounts.filter((each) => !wanted.accounts.includes(each))) {
      await this.#unbindAccount(volume, user, []);
    }
    if (shown.outgoing !== undefined && shown.outgoing !== wanted.outgoing) {
      await this.#unbindAccount(volume, shown.outgoing, ['--outgoing']);
    }
    for (const user of wanted.accounts) {
      if (!shown.accounts.includes(user)) await this.#bindAccount(volume, user, passwords, []);
    }
    if (wanted.outgoing !== undefined && shown.outgoing !== wanted.outgoing) {
      await this.#bindAccount(volume, wanted.outgoing, passwords, ['--outgoing']);
    }
  }

  async #bindAccount(
    volume: StoredVolume,
    user: string,
    passwords: Passwords,
    way: readonly string[],
  ): Promise<void> {
    const password = passwords[user];
    if (password === undefined) {
      throw new ArrayError('AUTH_FAILED', `the password of the CHAP user ${user} is lost`);
    }
    const account = ['--mode', 'account', '--user', user];
    const make = [...account, '--op', 'new', '--password', password];
    await this.#tgtadm.change(make, `make the account ${user}`, ['ALREADY_EXISTS_DIFFERENT']);
    const bind = [...account, '--op', 'bind', '--tid', String(volume.tid), ...way];
    await this.#tgtadm.change(bind, `bind the account ${user}`);
  }

  /** The account goes with its last target. */
  async #unbindAccount(volume: StoredVolume, user: string, way: readonly string[]): Promise<void> {
    const account = ['--mode', 'account', '--user', user];
    const unbind = [...account, '--op', 'unbind', '--tid', String(volume.tid), ...way];
    await this.#tgtadm.change(unbind, `unbind the account ${user}`, ['NOT_FOUND']);
    const used = (await this.shown()).some(
      ({ accounts, outgoing }) => accounts.includes(user) || outgoing === user,
    );
    if (used) return;
    const remove = [...account, '--op', 'delete'];
    await this.#tgtadm.change(remove, `delete the account ${user}`, ['NOT_FOUND']);
  }

  async #mendInitiators(
    volume: StoredVolume,
    shown: ShownTarget,
    wanted: readonly string[],
  ): Promise<void> {
    const at = ['--mode', 'target', '--tid', String(volume.tid)];
    for (const name of shown.initiators.filter((each) => !wanted.includes(each))) {
      const args = [...at, '--op', 'unbind', '--initiator-name', name];
      await this.#tgtadm.change(args, `unbind ${name} from ${volume.name}`, ['NOT_FOUND']);
    }
    for (const name of wanted.filter((each) => !shown.initiators.includes(each))) {
      const args = [...at, '--op', 'bind', '--initiator-name', name];
      await this.#tgtadm.change(args, `bind ${name} to ${volume.name}`, [
        'ALREADY_EXISTS_DIFFERENT',
      ]);
    }
  }

  /** Ends what these initiators have open. They are unbound by then, so they do not come back. */
  async endSessions(volume: StoredVolume, iqns: readonly string[]): Promise<void> {
    for (const session of await this.sessions(volume, iqns)) {
      for (const { id } of session.connections) {
        const at = ['--mode', 'conn', '--op', 'delete', '--tid', String(volume.tid)];
        const args = [...at, '--sid', session.id, '--cid', id];
        await this.#tgtadm.change(args, `end a session of ${session.initiator}`, ['NOT_FOUND']);
      }
    }
  }

  /** @param iqns undefined: of all initiators */
  async sessions(
    volume: StoredVolume,
    iqns: readonly string[] | undefined,
  ): Promise<readonly ShownSession[]> {
    const sessions = (await this.of(volume))?.sessions ?? [];
    return iqns === undefined
      ? sessions
      : sessions.filter(({ initiator }) => iqns.includes(initiator));
  }

  /** Refused by the daemon while somebody is connected. @throws ArrayError IN_USE */
  async remove(volume: StoredVolume): Promise<void> {
    const args = ['--mode', 'target', '--op', 'delete', '--tid', String(volume.tid)];
    if ((await this.of(volume))?.tid !== volume.tid) return;
    await this.#tgtadm.change(args, `remove the target of ${volume.name}`, ['NOT_FOUND']);
    this.#passing.delete(volume.id);
  }

  /** The LUN is closed, and opened again in the file's new size. Nobody may be connected. */
  async reopen(volume: StoredVolume): Promise<void> {
    const at = ['--mode', 'logicalunit', '--tid', String(volume.tid), '--lun', String(VOLUME_LUN)];
    const args = [...at, '--op', 'delete'];
    await this.#tgtadm.change(args, `close the LUN of ${volume.name}`, ['NOT_FOUND']);
    await this.mend(volume);
  }
}

/** What the disk is called in SCSI: made of the volume's id, which never changes and is never used again. */
export function disk(id: string): { readonly scsiId: string; readonly serial: string } {
  const serial = createHash('sha256').update(id).digest('hex').slice(0, 20);
  return { scsiId: `rootcast${id}`, serial };
}

/** As our initiator names it: the type of the designator (T10 vendor identification), then its text. */
export function wwidOf(id: string): string {
  return `1${disk(id).scsiId}`;
}
