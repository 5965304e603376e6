/** One random life of volumes, beside what they must hold (lives.test.ts). */
import { expect } from 'vitest';
import { type BlockDevice, PLAIN, PLAIN_ZERO } from '../../../src/block/index.ts';
import type { OpenExport } from '../../../src/exports/index.ts';
import { MemoryArray } from '../../support/memory-array.ts';
import { seededRandom } from '../../support/seed.ts';
import { VolumeRig } from '../../support/volume-rig.ts';

const SIZE = 320 * 1024;
const GROWTH = 96 * 1024;
const NAMES = 6;

export class Life {
  readonly arrays: Record<string, MemoryArray>;
  readonly #path: string;
  readonly #random: () => number;
  readonly volumes = new Map<string, Buffer>();
  readonly snapshots = new Map<string, Buffer>();
  readonly log: string[] = [];
  #rig: VolumeRig | undefined;
  #open: { readonly name: string; readonly size: number; readonly handle: OpenExport }[] = [];
  #last = 0;

  constructor(path: string, seed: number, isNative: boolean) {
    this.#path = path;
    this.#random = seededRandom(seed);
    this.arrays = {
      one: new MemoryArray({ isNative, kind: 'memory-one' }),
      two: new MemoryArray({ kind: 'memory-two' }),
    };
  }

  get rig(): VolumeRig {
    if (this.#rig === undefined) throw new Error('not started');
    return this.#rig;
  }

  #pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.#random() * list.length)];
  }

  async start(): Promise<void> {
    const rig = await VolumeRig.open({ path: this.#path, arrays: this.arrays });
    this.#rig = rig;
    // As control does when a repository is attached: what was asked of the array in the life before, and not recorded.
    for (const id of Object.keys(this.arrays)) {
      await rig.storage.storage.settle(id, {
        changed: (volumeId, stored) => rig.keepVolume(id, volumeId, stored),
        gone: (what, goneId) => {
          const snapshot = rig.catalog.snapshots.byId(goneId);
          if (what === 'volume') rig.catalog.volumes.delete(goneId);
          else if (snapshot !== undefined) rig.catalog.snapshots.delete(snapshot);
        },
      });
    }
  }

  /** Does something; cut off somewhere, one time in so many. */
  async step(): Promise<void> {
    const isCut = this.#random() < 0.12;
    if (isCut) return this.#cut();
    await this.#act();
  }

  async #cut(): Promise<void> {
    const before = new Map(this.volumes);
    let left = Math.floor(this.#random() * 60);
    const killed = Promise.withResolvers<void>();
    const kill = (): void => {
      for (const array of Object.values(this.arrays)) {
        array.step = () => {};
        array.kill();
      }
      this.rig.catalog.close();
      killed.resolve();
    };
    for (const array of Object.values(this.arrays)) {
      array.step = () => {
        left -= 1;
        if (left < 0) kill();
      };
    }
    const acting = this.#act().then(
      () => true,
      () => false,
    );
    const ended = await Promise.race([acting, killed.promise.then(() => 'killed' as const)]);
    if (ended !== 'killed') kill();
    this.log.push(`cut (${ended})`);
    this.#open = [];
    await this.start();
    await this.#accept(before);
  }

  /** What an operation that was cut off has done, as the catalog says. */
  async #accept(before: ReadonlyMap<string, Buffer>): Promise<void> {
    const { catalog } = this.rig;
    const repositories = Object.keys(this.arrays);
    const volumes = repositories.flatMap((id) => catalog.volumes.page(id, '', 1000));
    for (const name of [...this.volumes.keys(), ...this.#wished.keys()]) {
      const record = volumes.find((one) => one.name === name);
      if (record === undefined) {
        this.volumes.delete(name);
        continue;
      }
      const choices = [this.volumes.get(name), this.#wished.get(name), before.get(name)];
      const found = await this.read(`volume/${record.repositoryId}/${name}`);
      const match = choices.find((one) => one?.equals(found));
      if (match === undefined && !this.#torn(name, found, choices)) {
        throw new Error(`volume ${name} is neither as before nor as wished`);
      }
      this.volumes.set(name, found);
    }
    for (const [name, content] of this.#wishedSnapshots) {
      if (catalog.snapshots.byId(name) !== undefined) this.snapshots.set(name, content);
    }
    for (const name of [...this.snapshots.keys()]) {
      if (catalog.snapshots.byId(name) === undefined) this.snapshots.delete(name);
    }
    this.#wished.clear();
    this.#wishedSnapshots.clear();
  }

  /** A write that was cut off: each 512 bytes are old or new. */
  #torn(name: string, found: Buffer, choices: readonly (Buffer | undefined)[]): boolean {
    const all = choices.filter((one) => one !== undefined && one.length === found.length);
    if (!this.#writing.has(name)) return false;
    for (let at = 0; at < found.length; at += 512) {
      const part = found.subarray(at, at + 512);
      if (!all.some((one) => one?.subarray(at, at + 512).equals(part))) return false;
    }
    return true;
  }

  /** What volumes and snapshots become when what is being done is done. */
  readonly #wished = new Map<string, Buffer>();
  readonly #wishedSnapshots = new Map<string, Buffer>();
  readonly #writing = new Set<string>();

  async #act(): Promise<void> {
    const kinds = [
      ...Array.from({ length: 8 }, () => 'write' as const),
      ...(['open', 'open', 'close', 'snapshot', 'snapshot', 'group', 'linked', 'full'] as const),
      ...(['revert', 'split', 'grow', 'drop-snapshot', 'drop-snapshot', 'drop', 'idle'] as const),
      'new' as const,
    ];
    const kind = this.#pick(kinds) ?? 'write';
    this.#wished.clear();
    this.#wishedSnapshots.clear();
    this.#writing.clear();
    const volume = this.#pick([...this.volumes.keys()]);
    const snapshot = this.#pick([...this.snapshots.keys()]);
    this.log.push(`${kind} ${volume} ${snapshot}`);
    if (volume === undefined || kind === 'new') return this.#create();
    if (kind === 'write') return this.#write(volume);
    if (kind === 'open') return this.#openOne(volume);
    if (kind === 'close') return this.#closeOne();
    if (kind === 'snapshot') return this.#snapshot([volume]);
    if (kind === 'group') return this.#snapshot([...this.volumes.keys()].slice(0, 3));
    if (kind === 'idle') return this.rig.idle();
    if (kind === 'linked' || kind === 'full') return this.#clone(kind, volume, snapshot);
    if (kind === 'revert') return this.#revert(volume);
    if (kind === 'split') return this.rig.split(volume);
    if (kind === 'grow') return this.#grow(volume);
    if (kind === 'drop') return this.#drop(volume);
    if (snapshot === undefined) return;
    await this.rig.deleteSnapshot(snapshot);
    this.snapshots.delete(snapshot);
  }

  #name(prefix: string): string {
    this.#last += 1;
    return `${prefix}${this.#last}`;
  }

  exportOf(volume: string): string {
    return `volume/${this.rig.volume(volume).repositoryId}/${volume}`;
  }

  async #create(): Promise<void> {
    if (this.volumes.size >= NAMES) return;
    const name = this.#name('v');
    const repository = this.#random() < 0.8 ? 'one' : 'two';
    this.#wished.set(name, Buffer.alloc(SIZE));
    await this.rig.createVolume(repository, name, SIZE);
    this.volumes.set(name, Buffer.alloc(SIZE));
  }

  async #write(name: string): Promise<void> {
    const opened = this.#pick(this.#open.filter((one) => one.name === name));
    if (opened !== undefined) return this.#writeTo(opened.handle.device, name, opened.size);
    const handle = await this.rig.connect(this.exportOf(name), Math.floor(this.#random() * 2));
    try {
      await this.#writeTo(handle.device, name, handle.device.geometry.size);
    } finally {
      await handle.close();
    }
  }

  async #writeTo(device: BlockDevice, name: string, size: number): Promise<void> {
    const content = this.volumes.get(name);
    if (content === undefined) return;
    const unit = this.#pick([512, 4096, 65_536]) ?? 512;
    const offset = Math.floor((this.#random() * size) / unit) * unit;
    const length = Math.min(size - offset, (1 + Math.floor(this.#random() * 20)) * unit);
    const fill = this.#random() < 0.3 ? 0 : 1 + Math.floor(this.#random() * 255);
    const after = Buffer.from(content);
    after.fill(fill, offset, offset + length);
    this.#wished.set(name, after);
    this.#writing.add(name);
    if (fill === 0) await device.zero(offset, length, PLAIN_ZERO);
    else await device.write(Buffer.alloc(length, fill), offset, PLAIN);
    this.volumes.set(name, after);
    if (this.#random() < 0.2) await device.flush();
  }

  async #openOne(name: string): Promise<void> {
    if (this.#open.length > 4) return this.#closeOne();
    const handle = await this.rig.connect(this.exportOf(name), Math.floor(this.#random() * 2));
    this.#open.push({ name, size: handle.device.geometry.size, handle });
  }

  async #closeOne(): Promise<void> {
    const [first, ...others] = this.#open;
    this.#open = others;
    await first?.handle.close();
  }

  async #closeAll(name: string): Promise<void> {
    const mine = this.#open.filter((one) => one.name === name);
    this.#open = this.#open.filter((one) => one.name !== name);
    for (const { handle } of mine) await handle.close();
  }

  async #snapshot(volumes: readonly string[]): Promise<void> {
    const of: Record<string, string> = {};
    for (const volume of volumes) {
      const name = this.#name('s');
      of[volume] = name;
      this.#wishedSnapshots.set(name, this.volumes.get(volume) ?? Buffer.alloc(0));
    }
    await this.rig.snapshot(of);
    for (const [name, content] of this.#wishedSnapshots) this.snapshots.set(name, content);
  }

  async #clone(kind: 'linked' | 'full', volume: string, snapshot?: string): Promise<void> {
    if (this.volumes.size >= NAMES) return;
    const name = this.#name('c');
    const ofSnapshot = snapshot !== undefined && this.#random() < 0.6;
    const content = ofSnapshot ? this.snapshots.get(snapshot) : this.volumes.get(volume);
    if (content === undefined) return;
    this.#wished.set(name, content);
    const source = ofSnapshot ? { snapshot } : { volume };
    const into = kind === 'full' && this.#random() < 0.3 ? 'two' : undefined;
    await this.rig.clone(source, name, kind, into);
    this.volumes.set(name, content);
  }

  async #revert(volume: string): Promise<void> {
    const { catalog } = this.rig;
    const own = [...this.snapshots.keys()].filter(
      (name) => catalog.snapshots.byId(name)?.volumeId === volume,
    );
    const snapshot = this.#pick(own);
    const content = snapshot === undefined ? undefined : this.snapshots.get(snapshot);
    if (snapshot === undefined || content === undefined) return;
    await this.#closeAll(volume);
    this.#wished.set(volume, content);
    await this.rig.revert(volume, snapshot);
    this.volumes.set(volume, content);
  }

  async #grow(volume: string): Promise<void> {
    const content = this.volumes.get(volume);
    if (content === undefined || content.length > 4 * SIZE) return;
    const after = Buffer.concat([content, Buffer.alloc(GROWTH)]);
    this.#wished.set(volume, after);
    await this.rig.resize(volume, after.length);
    this.volumes.set(volume, after);
  }

  async #drop(volume: string): Promise<void> {
    if (this.volumes.size < 3) return;
    await this.#closeAll(volume);
    await this.rig.deleteVolume(volume);
    this.volumes.delete(volume);
  }

  read(name: string): Promise<Buffer> {
    return this.rig.withExport(name, async (device) => {
      const { size, maximumIo } = device.geometry;
      const whole = Buffer.alloc(size);
      for (let at = 0; at < size; at += maximumIo) {
        await device.read(whole.subarray(at, at + maximumIo), at);
      }
      return whole;
    });
  }

  async verify(): Promise<void> {
    for (const [name, content] of this.volumes) {
      same(await this.read(this.exportOf(name)), content, `volume ${name}`);
    }
    for (const [name, content] of this.snapshots) {
      const record = this.rig.catalog.snapshots.byId(name);
      if (record?.volumeId === undefined) continue;
      const path = `volume/${record.repositoryId}/${record.volumeId}@${name}`;
      same(await this.read(path), content, `snapshot ${name}`);
    }
  }

  /** Differences of a random pair of snapshots miss nothing. */
  async verifyDiff(): Promise<void> {
    const [from, to] = [
      this.#pick([...this.snapshots.keys()]),
      this.#pick([...this.snapshots.keys()]),
    ];
    if (from === undefined || to === undefined) return;
    const [a, b] = [this.snapshots.get(from), this.snapshots.get(to)];
    const { storage } = this.rig.storage;
    const [lower, upper] = [this.rig.snapshotName(from), this.rig.snapshotName(to)];
    if (a === undefined || b === undefined || lower.repositoryId !== upper.repositoryId) return;
    const range = { offset: 0, length: b.length, limit: 10_000 };
    const told = await storage.diff({ from: lower, to: upper, ...range });
    const related = this.#isRelated(from, to);
    const applied = related
      ? Buffer.concat([a, Buffer.alloc(b.length)]).subarray(0, b.length)
      : Buffer.alloc(b.length);
    for (const { offset, length, kind } of told) {
      if (kind === 'data') b.copy(applied, offset, offset, offset + length);
      else applied.fill(0, offset, offset + length);
    }
    same(applied, b, `difference of ${from} and ${to}`);
  }

  #isRelated(from: string, to: string): boolean {
    const nodes = this.rig.catalog.volumeNodes;
    const baseOf = (name: string): string | undefined => {
      const node = nodes.ofSnapshot(name);
      return node === undefined ? undefined : nodes.chain(node.id)[0]?.id;
    };
    return baseOf(from) !== undefined && baseOf(from) === baseOf(to);
  }

  async end(): Promise<void> {
    await this.#closeAllOpen();
    await this.rig.idle();
    await this.verify();
    for (const name of [...this.volumes.keys()]) await this.rig.deleteVolume(name);
    const names = Object.keys(this.arrays);
    const { catalog } = this.rig;
    for (const id of [...this.snapshots.keys()]) {
      if (catalog.snapshots.byId(id) !== undefined) await this.rig.deleteSnapshot(id);
    }
    await this.rig.idle();
    expect(
      names.flatMap((id) => catalog.volumeNodes.hidden().map((node) => `${id} ${node.id}`)),
    ).toEqual([]);
    expect(this.rig.troubles).toEqual([]);
    await this.rig.close();
    // Another attach finds whatever was left.
    await this.start();
    for (const [id, array] of Object.entries(this.arrays))
      expect([id, array.names()]).toEqual([id, []]);
    for (const [id, array] of Object.entries(this.arrays))
      expect([id, array.open]).toEqual([id, 0]);
    await this.rig.close();
  }

  async #closeAllOpen(): Promise<void> {
    for (const { handle } of this.#open.splice(0)) await handle.close();
  }
}

function same(actual: Buffer, expected: Buffer, what: string): void {
  if (actual.length !== expected.length) {
    throw new Error(`${what}: ${actual.length} bytes instead of ${expected.length}`);
  }
  if (actual.equals(expected)) return;
  const at = actual.findIndex((byte, index) => byte !== expected[index]);
  throw new Error(`${what}: byte ${at} is ${actual[at]} instead of ${expected[at]}`);
}
