/** A service and the naive model of it, side by side: what one does the other must do, and refuse what it refuses. */
import { expect } from 'vitest';
import { type BlockDevice, PLAIN, PLAIN_ZERO } from '../../../src/block/index.ts';
import {
  addMachine,
  beginVersion,
  captureMachine,
  deleteVersion,
  demoteVersion,
  mergeVersion,
  promoteVersion,
  requestBoot,
  revertVdisk,
  sealVersion,
  type TaskView,
  updateVdisk,
  type VersionView,
  verifyVdisk,
} from '../../../src/control/index.ts';
import { LifecycleRig, type RigConnection } from '../../support/lifecycle-rig.ts';
import { MemoryArray } from '../../support/memory-array.ts';
import { ELSEWHERE, knownElsewhere, layersElsewhere } from '../../support/repository-elsewhere.ts';
import { seededRandom } from '../../support/seed.ts';
import { type NaiveMachine, NaiveVdisk, REFUSED } from './naive-vdisk.ts';
import { BLOCK, SIZE, type Step } from './steps.ts';

const LATER_MS = 3_600_000;
const CLASSES = ['production', 'test', 'maintenance'] as const;

/** Service and model, side by side. */
export class Life {
  readonly rig: LifecycleRig;
  /** The second repository, in which write caches are made at times. */
  readonly array: MemoryArray;
  readonly model: NaiveVdisk;
  readonly connections = new Map<string, RigConnection>();
  readonly log: string[] = [];
  /** What was done and what was refused, by kind. */
  static readonly seen = new Map<string, { done: number; refused: number }>();

  /** Layers that were on the second repository at the end of lives. */
  static onArray = 0;

  private constructor(rig: LifecycleRig, array: MemoryArray, model: NaiveVdisk) {
    this.rig = rig;
    this.array = array;
    this.model = model;
  }

  static async begin(folder: string): Promise<Life> {
    const array = new MemoryArray();
    const rig = await LifecycleRig.open(folder, { elsewhere: array });
    const content = firstContent();
    await rig.importDisk('v', content);
    const machines: NaiveMachine[] = [];
    for (let number = 0; number < 4; number++) {
      const persistent = number >= 2;
      const discards = number === 3;
      const name = `m${number}`;
      const cacheMode = persistent ? ('server-persistent' as const) : ('server' as const);
      addMachine(rig.control, { name, mac: macOf(number), vdisk: 'v', cacheMode });
      const row = rig.catalog.machines.byName(name);
      if (row === undefined) throw new Error('a machine is missing');
      const onNewVersion = discards ? ('discard' as const) : ('keep' as const);
      rig.catalog.machines.update({ ...row, own: { ...row.own, onNewVersion } });
      machines.push({
        ...{ name, persistent, discards, class: 'production' as const },
        ...{ pin: undefined, isOn: false, cache: undefined, writes: undefined },
      });
    }
    return new Life(rig, array, new NaiveVdisk(content, machines, rig.now));
  }

  machine(index: number): NaiveMachine {
    const found = this.model.machines[index];
    if (found === undefined) throw new Error(`no machine ${index}`);
    return found;
  }

  number(back: number): number {
    return this.model.versions.at(-1 - back)?.number ?? 99;
  }

  /** The service must do what the model does, and refuse what it refuses. */
  async both<T>(
    what: string,
    expected: T | typeof REFUSED,
    act: () => Promise<unknown>,
  ): Promise<T> {
    const seen = Life.seen.get(what) ?? { done: 0, refused: 0 };
    Life.seen.set(what, seen);
    let failure: unknown;
    let result: unknown;
    try {
      result = await act();
    } catch (error) {
      failure = error;
    }
    if (expected === REFUSED) {
      seen.refused++;
      if (failure === undefined) throw new Error(`${what} was not refused`);
      return undefined as T;
    }
    if (failure !== undefined) throw new Error(`${what} was refused`, { cause: failure });
    seen.done++;
    return result as T;
  }

  async task<T>(begin: () => TaskView): Promise<T> {
    return this.rig.done<T>(begin());
  }

  async disconnect(target: NaiveMachine): Promise<void> {
    const connection = this.connections.get(target.name);
    this.connections.delete(target.name);
    await connection?.close();
  }

  async connect(target: NaiveMachine): Promise<void> {
    this.connections.set(target.name, await this.rig.connect(`machine/${target.name}`));
  }

  async take(step: Step): Promise<void> {
    const { control } = this.rig;
    switch (step.kind) {
      case 'boot': {
        const target = this.machine(step.machine);
        await this.disconnect(target);
        await this.both('boot', this.model.boot(target), async () => {
          await requestBoot(control, macOf(step.machine));
          await this.connect(target);
        });
        return;
      }
      case 'reconnect': {
        const target = this.machine(step.machine);
        await this.disconnect(target);
        this.model.off(target);
        await this.both('reconnect', this.model.reconnect(target), () => this.connect(target));
        return;
      }
      case 'off': {
        const target = this.machine(step.machine);
        await this.disconnect(target);
        this.model.off(target);
        return;
      }
      case 'capture': {
        const target = this.machine(step.machine);
        const expected = this.model.capture(target);
        const captured = await this.both<VersionView>(
          'capture',
          expected === REFUSED ? REFUSED : (undefined as unknown as VersionView),
          () => this.task(() => captureMachine(control, target.name)),
        );
        if (expected !== REFUSED) expect(captured.number).toBe(expected);
        return;
      }
      case 'write':
      case 'zero':
      case 'trim':
        return this.change(step);
      case 'edit':
        return this.edit(step);
      case 'take':
        return this.takeFrom(step);
      case 'class': {
        const target = this.machine(step.machine);
        target.class = CLASSES[step.to] ?? 'production';
        const row = this.rig.catalog.machines.byName(target.name);
        if (row === undefined) throw new Error('a machine is missing');
        this.rig.catalog.machines.update({ ...row, own: { ...row.own, class: target.class } });
        return;
      }
      default:
        return this.manage(step);
    }
  }

  /** What an operator does all the time: a version is begun, written by a machine, and sealed. */
  async edit({
    machine: index,
    at,
    fill,
  }: Extract<Step, { kind: 'edit' | 'take' }>): Promise<void> {
    await this.take({ kind: 'class', machine: index, to: CLASSES.indexOf('maintenance') });
    await this.take({ kind: 'begin', from: 0, isPrivate: false });
    await this.take({ kind: 'boot', machine: index });
    await this.take({ kind: 'write', machine: index, at, length: 2 * BLOCK, fill });
    await this.take({ kind: 'off', machine: index });
    await this.take({ kind: 'seal', version: 0 });
    await this.take({ kind: 'class', machine: index, to: fill % CLASSES.length });
  }

  /** A machine is set up as it should be, and what it wrote is taken for all. */
  async takeFrom({ machine, at, fill }: Extract<Step, { kind: 'edit' | 'take' }>): Promise<void> {
    await this.take({ kind: 'boot', machine });
    await this.take({ kind: 'write', machine, at, length: 2 * BLOCK, fill });
    await this.take({ kind: 'off', machine });
    await this.take({ kind: 'capture', machine });
  }

  async manage(step: Exclude<Step, { machine: number }>): Promise<void> {
    const { control } = this.rig;
    const { model } = this;
    switch (step.kind) {
      case 'begin': {
        const from = step.from === 0 ? undefined : this.number(step.from - 1);
        const input = { private: step.isPrivate, ...(from === undefined ? {} : { from }) };
        await this.both('begin', model.begin(from, step.isPrivate), async () =>
          beginVersion(control, 'v', input),
        );
        return;
      }
      case 'seal': {
        const number = model.open?.number ?? this.number(step.version);
        await this.both('seal', model.seal(number), () =>
          this.task(() => sealVersion(control, 'v', number)),
        );
        return;
      }
      case 'demote': {
        const number = this.number(step.version);
        await this.both('demote', model.demote(number), async () =>
          demoteVersion(control, 'v', number),
        );
        return;
      }
      case 'delete': {
        const number = this.number(step.version);
        await this.both('delete', model.delete(number), () => deleteVersion(control, 'v', number));
        return;
      }
      case 'pin': {
        const pinnedVersion = this.number(step.version);
        await this.both('pin', model.pinTo(pinnedVersion), async () =>
          updateVdisk(control, 'v', { pinnedVersion }),
        );
        return;
      }
      case 'unpin':
        await this.both('unpin', model.pinTo(undefined), async () =>
          updateVdisk(control, 'v', { pinnedVersion: null }),
        );
        return;
      case 'revert': {
        const to = this.number(step.version);
        await this.both('revert', model.revert(to), async () => revertVdisk(control, 'v', { to }));
        return;
      }
      case 'revertBack':
        await this.both('revert back', model.revert(undefined), async () =>
          revertVdisk(control, 'v'),
        );
        return;
      case 'promote': {
        const number = this.number(step.version);
        const at = step.later ? model.now + LATER_MS / 2 : 0;
        const input = step.later ? { releaseAt: new Date(at).toISOString() } : {};
        await this.both('promote', model.promote(number, at), async () =>
          promoteVersion(control, 'v', number, input),
        );
        return;
      }
      case 'merge': {
        const number = this.number(step.version);
        await this.both(`merge ${step.mode}`, model.merge(number, step.mode), () =>
          this.task(() => mergeVersion(control, 'v', number, { mode: step.mode })),
        );
        return;
      }
      case 'advance':
        this.rig.now += LATER_MS;
        model.advance(LATER_MS);
        await this.rig.observe();
        return;
      case 'move': {
        const overlayRepository = step.isElsewhere ? ELSEWHERE : null;
        updateVdisk(control, 'v', { overlayRepository });
        return;
      }
      case 'crash':
        this.connections.clear();
        model.crash();
        await this.rig.crash();
        return;
      case 'verify': {
        const found = await this.task<{ damagedChunks: number }>(() => verifyVdisk(control, 'v'));
        expect(found.damagedChunks).toBe(0);
        return;
      }
    }
  }

  async change(step: Extract<Step, { length: number }>): Promise<void> {
    const target = this.machine(step.machine);
    const device = this.connections.get(target.name)?.device;
    if (device === undefined) return;
    const content = this.model.content(target);
    // Where the write cache lies on an array, that is written in sectors.
    const unit = device.geometry.minimumIo;
    const at = step.at - (step.at % unit);
    const end = Math.min(SIZE, Math.ceil((step.at + step.length) / unit) * unit);
    const length = end - at;
    if (step.kind === 'write') {
      content.fill(step.fill, at, end);
      await device.write(Buffer.alloc(length, step.fill), at, PLAIN);
    } else if (step.kind === 'zero') {
      content.fill(0, at, end);
      await device.zero(at, length, PLAIN_ZERO);
    } else {
      await trim(device, content, at, length);
    }
  }

  /** Everything that can be read is what the model says. */
  async compare(): Promise<void> {
    for (const target of this.model.machines) {
      const connection = this.connections.get(target.name);
      expect(connection !== undefined, `${target.name} is on`).toBe(target.isOn);
      if (connection === undefined) continue;
      await expectContent(connection.device, this.model.content(target), target.name);
    }
    const listed = this.rig.catalog.versions.ofVdisk(this.rig.catalog.vdisks.all()[0]?.id ?? '');
    expect(listed.map(({ number, state }) => ({ number, state }))).toEqual(
      this.model.versions.map(({ number, state }) => ({ number, state })),
    );
  }

  /** What the catalog knows is on the array, and nothing else. */
  async compareArray(): Promise<void> {
    await this.rig.overlays.settle();
    expect(this.array.names()).toEqual(knownElsewhere(this.rig.catalog));
    Life.onArray += layersElsewhere(this.rig.catalog).length;
    expect(this.rig.catalog.arrayLeftovers.ofRepository(ELSEWHERE)).toEqual([]);
  }

  /** … and so is every version. */
  async compareVersions(): Promise<void> {
    for (const { number, content } of this.model.sealed) {
      const connection = await this.rig.connect(`vdisk/v/${number}`);
      await expectContent(connection.device, content, `version ${number}`);
      await connection.close();
    }
  }
}

/** What a trimmed range reads as is the device's to say: zeroes, what it was, or what was there before that. */
async function trim(
  device: BlockDevice,
  content: Buffer,
  at: number,
  length: number,
): Promise<void> {
  await device.trim(at, length, PLAIN);
  const read = Buffer.alloc(length);
  await device.read(read, at);
  read.copy(content, at);
}

async function expectContent(
  device: Pick<BlockDevice, 'read'>,
  content: Buffer,
  what: string,
): Promise<void> {
  const read = Buffer.alloc(SIZE);
  await device.read(read, 0);
  if (read.equals(content)) return;
  const at = read.findIndex((byte, offset) => byte !== content[offset]);
  throw new Error(`${what} at ${at}: ${read[at]}, not ${content[at]}`);
}

/** Data, and a chunk of zeroes, and a block of zeroes. */
function firstContent(): Buffer {
  const random = seededRandom(1);
  const content = Buffer.from(Uint8Array.from({ length: SIZE }, () => random() * 256));
  content.fill(0, 64 * 1024, 2 * 64 * 1024);
  return content.fill(0, 5 * BLOCK, 6 * BLOCK);
}

const macOf = (number: number): string => `52:54:00:00:00:0${number}`;
