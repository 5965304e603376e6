/** Two repositories, volumes with content, and replications between them, over memory. */

import { HOOK_MOMENTS } from '../../../../src/control/catalog/storage/records.ts';
import {
  type Control,
  createReplication,
  ReplicationObserver,
  runReplication,
  showReplication,
  type TaskRecord,
} from '../../../../src/control/index.ts';
import { type FakeService, fakeService } from '../support/fake-service.ts';
import { FakeLinks, MemoryReplicator, MemoryStorage } from './memory-storage.ts';

export const CHUNK = 65_536;
export const SIZE = 20 * CHUNK;

export interface ReplicationRig extends FakeService {
  readonly storage: MemoryStorage;
  readonly replicator: MemoryReplicator;
  readonly links: FakeLinks;
  readonly failures: unknown[];
  /** Moments of the hooks that were called, and those that fail. */
  readonly hooks: string[];
  readonly failing: Set<string>;
  /** Volumes whose connections were ended. */
  readonly closed: string[];
  observer: ReplicationObserver;
  /** A look of the observer, and the end of what it began. */
  observe(): Promise<void>;
  volumeId(address: string): string;
}

/** @param options.over another process over the same catalog and storage */
export function replicationRig(
  options: { readonly linked?: boolean; readonly over?: ReplicationRig } = {},
): ReplicationRig {
  const { over } = options;
  const hooks: string[] = [];
  const failing = new Set<string>();
  const closed: string[] = [];
  let now = (): number => 0;
  const storage = over?.storage ?? new MemoryStorage(() => now());
  const replicator = over?.replicator ?? new MemoryReplicator(storage);
  const links = over?.links ?? new FakeLinks();
  let ids = 0;
  const service = fakeService({
    storage: storage.port,
    replication: {
      replicator,
      links: options.linked === true ? links : undefined,
      endConnections: async (volumeId) => {
        closed.push(volumeId);
        if (failing.has('close')) throw new Error('it hangs');
      },
    },
    hooks: {
      check: () => undefined,
      run: async ({ facts }) => {
        hooks.push(facts['ROOTCAST_MOMENT'] ?? '');
        const succeeded = !failing.has(facts['ROOTCAST_MOMENT'] ?? '');
        return { succeeded, how: succeeded ? 'exit code 0' : 'exit code 1', output: '' };
      },
    },
    newId: () => `${over === undefined ? '' : 'again'}${String(++ids).padStart(8, '0')}-id`,
    ...(over === undefined ? {} : { catalog: over.control.catalog, clock: over.clock }),
  });
  now = () => service.clock.now();
  const { control } = service;
  if (over === undefined) populate(control, storage);
  const failures: unknown[] = [];
  const observer = new ReplicationObserver(control, (error) => failures.push(error));
  const clock = over?.clock ?? service.clock;
  return {
    ...service,
    clock,
    ...{ storage, replicator, links, failures, hooks, failing, closed, observer },
    async observe() {
      this.observer.observe(clock.now());
      await this.observer.settled();
      await settle(control);
    },
    volumeId(address) {
      const [repository = '', name = ''] = address.split('/');
      return control.catalog.volumes.byName(repository, name)?.id ?? '';
    },
  };
}

function populate(control: Control, storage: MemoryStorage): void {
  for (const name of ['here', 'there']) addRepository(control, name);
  for (const name of ['db', 'log']) {
    addVolume(control, name);
    storage.addVolume(name, 'here', SIZE);
    storage.write(name, 0, `${name} at first`);
  }
  for (const [index, moment] of HOOK_MOMENTS.entries()) {
    control.catalog.hooks.insert({
      ...{ id: `hook-${index}`, name: moment, owner: { kind: 'volume', id: 'db' }, moment },
      ...{ action: { kind: 'exec', argv: ['/bin/true'] }, timeoutMs: 1000, policy: 'abort' },
      ...{ quiesces: moment === 'before-snapshot', enabled: true, createdAt: 0 },
    });
  }
}

function addRepository({ catalog }: Control, name: string): void {
  catalog.repositories.insert({
    ...{ id: name, name, description: '', kind: 'simulated', settings: {}, state: 'attached' },
    ...{ reason: undefined, info: undefined, capabilities: undefined, warningPercent: 80 },
    ...{ criticalPercent: 90, spaceLevel: 'normal', createdAt: 0 },
  });
}

function addVolume({ catalog }: Control, name: string): void {
  catalog.volumes.insert({
    ...{ id: name, repositoryId: 'here', name, description: '', size: SIZE, thin: true },
    ...{ wwid: undefined, handle: {}, role: 'volume', parentSnapshotId: undefined },
    ...{ parentVolumeId: undefined, headSnapshotId: undefined, createdAt: 0 },
  });
}

/** Waits for every task. */
export async function settle({ tasks }: Control): Promise<void> {
  for (const { id } of tasks.list()) await tasks.settled(id);
}

/** How a task ended. */
export async function ended(
  control: Control,
  { id }: { readonly id: string },
): Promise<TaskRecord> {
  await control.tasks.settled(id);
  const task = control.tasks.get(id);
  if (task === undefined) throw new Error('no such task');
  return task;
}

/** A replication that has sent its first point. */
export async function protectedVolume(
  rig: ReplicationRig,
  more: Partial<Parameters<typeof createReplication>[1]> = {},
): Promise<void> {
  await createReplication(rig.control, {
    ...{ name: 'dr', volumes: ['here/db'], target: 'there' },
    ...more,
  });
  await rig.observe();
}

export async function send(rig: ReplicationRig): Promise<TaskRecord> {
  rig.clock.advance(1000);
  return await ended(rig.control, runReplication(rig.control, 'dr'));
}

export const show = (rig: ReplicationRig) => showReplication(rig.control, 'dr');
