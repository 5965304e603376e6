/**
 * Random lives of VDIs, by XenAPI and by the control plane's own operations mixed, against a naive model of what their
 * records say; with restarts over a catalog that is a file.
 */
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  attachRepository,
  createSnapshot,
  createVolume,
  deleteSnapshot,
  deleteVolume,
  type TaskView,
  updateVolume,
} from '../../../../src/control/index.ts';
import type { Ref } from '../../../../src/xenapi/datamodel/description.ts';
import { NULL_REF, refOf } from '../../../../src/xenapi/objects/refs.ts';
import { SEED } from '../../../support/seed.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { MIB, VdiRig } from './vdi-rig.ts';

interface Expected {
  label: string;
  size: number;
  of: Ref | undefined;
  tags: readonly string[];
}

const STEPS = [
  ...(['create', 'snapshot', 'clone', 'destroy', 'resize', 'rename', 'tag', 'forget'] as const),
  ...(['rest-create', 'rest-snapshot', 'rest-delete', 'rest-rename', 'restart'] as const),
] as const;
type Step = readonly [what: (typeof STEPS)[number], which: number, label: string];

const LABEL = fc.constantFrom('', 'disk', 'Disk', 'Données', '磁盘', 'a b', 'x');
const LIFE: fc.Arbitrary<Step[]> = fc.array(
  fc.tuple(fc.constantFrom(...STEPS), fc.nat(20), LABEL),
  { minLength: 15, maxLength: 30 },
);

class Life {
  readonly model = new Map<Ref, Expected>();
  readonly #path: string;
  #last = 0;
  rig: VdiRig;
  sr: Ref;

  private constructor(rig: VdiRig, sr: Ref, path: string) {
    this.rig = rig;
    this.sr = sr;
    this.#path = path;
  }

  static async begin(folder: string): Promise<Life> {
    const path = join(folder, 'catalog.db');
    const rig = await VdiRig.open({ path });
    return new Life(rig, await rig.sr('store'), path);
  }

  #next(): number {
    this.#last += 1;
    return this.#last;
  }

  async take([what, which, label]: Step): Promise<void> {
    if (what === 'restart') return this.#restart();
    if (what === 'create') {
      const vdi = await this.rig.vdi(this.sr, { name_label: label });
      this.model.set(vdi, { label, size: MIB, of: undefined, tags: [] });
      return;
    }
    if (what === 'rest-create') return this.#restCreate(`rest-${which}`);
    const refs = [...this.model.keys()];
    const vdi = refs[which % Math.max(1, refs.length)];
    const expected = vdi === undefined ? undefined : this.model.get(vdi);
    if (vdi !== undefined && expected !== undefined) await this.#change(what, vdi, expected, label);
  }

  async #change(
    what: Exclude<Step[0], 'restart' | 'create' | 'rest-create'>,
    vdi: Ref,
    expected: Expected,
    label: string,
  ): Promise<void> {
    const { rig } = this;
    const isVolume = expected.of === undefined;
    const { control } = rig.rig;
    const { location } = await rig.record(vdi);
    const isSnapshot = control.catalog.snapshots.byId(location) !== undefined;
    switch (what) {
      case 'snapshot': {
        if (isSnapshot) return;
        const made = (await rig.call('VDI.snapshot', vdi)) as Ref;
        this.model.set(made, { ...expected, of: vdi });
        return;
      }
      case 'clone': {
        const made = (await rig.call('VDI.clone', vdi)) as Ref;
        this.model.set(made, { ...expected, of: undefined });
        return;
      }
      case 'destroy':
        await rig.call('VDI.destroy', vdi);
        this.#gone(vdi);
        return;
      case 'resize':
        if (isSnapshot) return;
        expected.size += MIB;
        await rig.call('VDI.resize', vdi, expected.size);
        return;
      case 'rename':
        await rig.call('VDI.set_name_label', vdi, label);
        expected.label = label;
        return;
      case 'tag':
        await rig.call('VDI.set_tags', vdi, [label, 'tag']);
        expected.tags = [label, 'tag'];
        return;
      case 'forget':
        await rig.call('VDI.forget', vdi);
        await rig.call('SR.scan', this.sr);
        return;
      case 'rest-snapshot': {
        const volume = control.catalog.volumes.byId(location);
        if (volume === undefined) return;
        const name = `s${this.#next()}`;
        await this.#done(createSnapshot(control, 'store', { volumes: [volume.name], name }));
        const made = refOf('VDI', control.catalog.snapshots.byName(location, name)?.id ?? '');
        this.model.set(made, { label: name, size: expected.size, of: vdi, tags: [] });
        return;
      }
      case 'rest-delete': {
        const volume = control.catalog.volumes.byId(location);
        const task =
          volume === undefined
            ? deleteSnapshot(control, 'store', location)
            : deleteVolume(control, 'store', volume.name);
        await this.#done(task);
        this.#gone(vdi);
        return;
      }
      case 'rest-rename': {
        const volume = control.catalog.volumes.byId(location);
        if (volume === undefined || !isVolume) return;
        const name = `n${this.#next()}`;
        updateVolume(control, 'store', volume.name, { name });
        expected.label = name;
        return;
      }
    }
  }

  #gone(vdi: Ref): void {
    this.model.delete(vdi);
    for (const other of this.model.values()) if (other.of === vdi) other.of = NULL_REF;
  }

  async #restCreate(name: string): Promise<void> {
    const { control } = this.rig.rig;
    const { catalog } = control;
    const repository = catalog.repositories.byName('store')?.id ?? '';
    if (catalog.volumes.byName(repository, name) !== undefined) return;
    const made = `${name}-${this.#next()}`;
    await this.#done(createVolume(control, 'store', { name: made, size: MIB }));
    const ref = refOf('VDI', catalog.volumes.byName(repository, made)?.id ?? '');
    this.model.set(ref, { label: made, size: MIB, of: undefined, tags: [] });
  }

  async #done({ id }: TaskView): Promise<void> {
    const { tasks } = this.rig.rig.control;
    await tasks.settled(id);
    const task = tasks.get(id);
    if (task?.state !== 'succeeded') throw new Error(`${task?.kind}: ${task?.message}`);
  }

  async #restart(): Promise<void> {
    const before = this.rig;
    await before.rig.close();
    this.rig = await VdiRig.open({ path: this.#path, folder: before.folder });
    await this.#done(attachRepository(this.rig.rig.control, 'store', {}));
  }

  /** The model, and what is really told. */
  async check(): Promise<void> {
    const records = (await this.rig.call('VDI.get_all_records')) as ReadonlyMap<
      Ref,
      Awaited<ReturnType<VdiRig['record']>>
    >;
    const told = new Map(
      [...records].map(([ref, record]) => [
        ref,
        {
          label: record.name_label,
          size: record.virtual_size,
          of: record.is_a_snapshot ? record.snapshot_of : undefined,
          tags: record.tags,
        },
      ]),
    );
    expect(told).toEqual(this.model);
    for (const [ref, record] of records) {
      const snapshots = [...this.model].flatMap(([other, { of }]) => (of === ref ? [other] : []));
      expect(new Set(record.snapshots)).toEqual(new Set(snapshots));
      expect(this.rig.rig.xen.objects.byUuid('VDI', record.uuid)).toBe(ref);
    }
    const kept = this.rig.rig.control.catalog.xenObjects.all('VDI').map(({ id }) => id);
    const there = new Set([...records.values()].map(({ location }) => location));
    expect(kept.filter((id) => !there.has(id))).toEqual([]);
  }
}

describe('VDIs', () => {
  it('are what was done with them, whoever did it', async () => {
    await fc.assert(
      fc.asyncProperty(LIFE, async (steps) => {
        const folder = await temporaryFolder('vdi-life');
        const life = await Life.begin(folder.path);
        try {
          for (const step of steps) {
            await life.take(step);
            await life.check();
          }
          expect(life.rig.rig.troubles).toEqual([]);
        } finally {
          await life.rig.close();
          await folder.remove();
        }
      }),
      { seed: SEED, numRuns: 6 },
    );
  });
});
