/** A random life of a family of volumes, snapshots and clones, against a model that holds each one's bytes. */
import { describe, expect, test } from 'vitest';
import type { ArraySnapshot, ArrayVolume } from '../../../src/repositories/index.ts';
import { SEED, seededRandom } from '../../support/seed.ts';
import { type ArrayBench, failure, opId, outcome, writeAtRandom } from './bench.ts';

const STEPS = 60;
/** Most things that are there at the same time. */
const POPULATION = 12;

interface Node {
  readonly thing: ArrayVolume | ArraySnapshot;
  content: Buffer;
}

export function testTrees(bench: ArrayBench): void {
  describe('trees', () => {
    test('any node may be deleted, and the others stay intact', async () => {
      if (!bench.can('snapshot')) return;
      const walk = new Walk(bench);
      await walk.begin();
      const steps = bench.subject.steps ?? STEPS;
      for (let step = 0; step < steps; step += 1) await walk.step();
      await walk.check('in the end');
      await walk.fell();
    });

    test('a snapshot of a clone of a snapshot stands when everything else is gone', async () => {
      if (!bench.can('snapshot') || !bench.can('cloneLinked')) return;
      const { volume, content } = await bench.createFilled(1);
      const first = await bench.snapshot(volume);
      const clone = await bench.clone(first.ref, 'linked');
      const second = await bench.snapshot(clone);
      const others = [volume, first, clone];
      for (const thing of others) {
        const error = await failure(bench.delete(thing));
        if (error !== undefined) expect(error.code).toBe('HAS_DEPENDENTS');
        await bench.expectContent(second, content, `after deleting ${thing.ref.name}`);
      }
    });
  });
}

class Walk {
  readonly #bench: ArrayBench;
  readonly #random = seededRandom();
  readonly #nodes: Node[] = [];
  #steps = 0;

  constructor(bench: ArrayBench) {
    this.#bench = bench;
  }

  async begin(): Promise<void> {
    const { volume, content } = await this.#bench.createFilled(1);
    this.#nodes.push({ thing: volume, content });
  }

  async step(): Promise<void> {
    this.#steps += 1;
    const node = this.#pick(this.#nodes);
    if (node === undefined) return this.begin();
    const chance = this.#random();
    const full = this.#nodes.length >= POPULATION;
    if (chance < 0.3) await this.#write();
    else if (chance < 0.5 && !full) await this.#snapshot();
    else if (chance < 0.65 && !full) await this.#clone(node);
    else if (chance < 0.75) await this.#revert();
    else if (chance < 0.8) await this.#split(node);
    else if (chance < 0.85) await this.#bench.expectContent(node.thing, node.content, this.#where);
    else await this.#delete(node);
    if (this.#steps % 10 === 0) await this.check(this.#where);
  }

  async check(what: string): Promise<void> {
    for (const { thing, content } of this.#nodes) {
      await this.#bench.expectContent(thing, content, `${thing.ref.name} ${what}, seed ${SEED}`);
    }
    const listed = [...(await this.#bench.listAll(true)), ...(await this.#bench.listSnapshots())];
    expect(listed.map(({ ref }) => ref.nativeId).sort()).toEqual(
      this.#nodes.map(({ thing }) => thing.ref.nativeId).sort(),
    );
  }

  /** Deletes everything in random order; what has dependents comes again later. */
  async fell(): Promise<void> {
    for (let tries = 0; this.#nodes.length > 0; tries += 1) {
      expect(tries, `cannot be deleted, seed ${SEED}`).toBeLessThan(POPULATION ** 2 * 10);
      const node = this.#pick(this.#nodes);
      if (node !== undefined) await this.#delete(node);
      const witness = this.#pick(this.#nodes);
      if (witness === undefined) continue;
      await this.#bench.expectContent(witness.thing, witness.content, `${this.#where}, felling`);
    }
  }

  get #where(): string {
    return `step ${this.#steps}, seed ${SEED}`;
  }

  #pick<T>(from: readonly T[]): T | undefined {
    return from[Math.floor(this.#random() * from.length)];
  }

  #pickVolume(): (Node & { thing: ArrayVolume }) | undefined {
    const isVolume = (node: Node): node is Node & { thing: ArrayVolume } =>
      node.thing.ref.kind === 'volume';
    return this.#pick(this.#nodes.filter(isVolume));
  }

  async #write(): Promise<void> {
    const node = this.#pickVolume();
    if (node === undefined) return;
    await this.#bench.use(node.thing, (device) =>
      writeAtRandom(device, node.content, this.#random, 4),
    );
  }

  async #snapshot(): Promise<void> {
    const node = this.#pickVolume();
    if (node === undefined) return;
    const thing = await this.#bench.snapshot(node.thing);
    this.#nodes.push({ thing, content: Buffer.from(node.content) });
  }

  async #clone(source: Node): Promise<void> {
    const kind = this.#random() < 0.7 ? 'linked' : 'full';
    if (!this.#bench.can(kind === 'linked' ? 'cloneLinked' : 'cloneFull')) return;
    const fromVolume = source.thing.ref.kind === 'volume';
    if (fromVolume && !this.#bench.can('cloneFromVolume')) return;
    const error = await failure(
      this.#bench.clone(source.thing.ref, kind).then((thing) => {
        this.#nodes.push({ thing, content: Buffer.from(source.content) });
      }),
    );
    if (error !== undefined) expect(error.code, this.#where).toBe('DEPTH_LIMIT');
  }

  async #revert(): Promise<void> {
    const { snapshots } = this.#bench.control;
    if (snapshots?.revert === undefined) return;
    const node = this.#pickVolume();
    const id = node?.thing.ref.nativeId;
    const own = this.#nodes.filter(
      ({ thing }) =>
        thing.ref.kind === 'snapshot' && (thing as ArraySnapshot).volume.nativeId === id,
    );
    const target = this.#pick(own);
    if (node === undefined || target === undefined) return;
    const request = { opId: opId(), volume: node.thing.ref, snapshot: target.thing.ref };
    const code = await outcome(snapshots.revert(request));
    if (code === 'done') node.content = Buffer.from(target.content);
    else expect(['NEWER_SNAPSHOTS', 'HAS_DEPENDENTS'], this.#where).toContain(code);
  }

  async #split(node: Node): Promise<void> {
    const { clones } = this.#bench.control;
    if (clones?.split === undefined || node.thing.ref.kind !== 'volume') return;
    await clones.split({ opId: opId(), ref: node.thing.ref });
  }

  async #delete(node: Node): Promise<void> {
    const error = await failure(this.#bench.delete(node.thing));
    if (error === undefined) {
      this.#nodes.splice(this.#nodes.indexOf(node), 1);
      return;
    }
    expect(error.code, this.#where).toBe('HAS_DEPENDENTS');
    expect(error.details.refs?.length, this.#where).toBeGreaterThan(0);
  }
}
