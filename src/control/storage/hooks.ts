/**
 * What is called before and after snapshots, replications and failovers. Before: the repositories' hooks, then the
 * group's, then the volumes', each by name; after: the other way round, so that what was frozen last thaws first.
 * What comes after is called in any case, also when the work failed or was cancelled.
 */
import { Fault } from '../../errors/index.ts';
import type {
  GroupRecord,
  HookMoment,
  HookOwner,
  HookRecord,
  VolumeRecord,
} from '../catalog/storage/records.ts';
import type { Control } from '../control.ts';
import { MAX_HOOK_EVENT_OUTPUT } from '../limits.ts';
import type { HookResultView } from '../schemas/hook.ts';
import { addressOf, repositoryName } from './names.ts';
import { hide } from './without-secrets.ts';

export interface HookOccasion {
  readonly of: 'snapshot' | 'replication' | 'failover';
  /** Of the events. */
  readonly subject: string;
  readonly volumes: readonly VolumeRecord[];
  readonly group?: GroupRecord | undefined;
  /** What hooks are told beside the names of these, e.g. `ROOTCAST_SNAPSHOT`. */
  readonly facts: Readonly<Record<string, string>>;
}

export interface HooksBefore {
  /** A hook that quiesces was called for the volume, and none of those failed. */
  isQuiesced(volumeId: string): boolean;
}

/**
 * Does `work` between the hooks.
 * @throws Fault HOOK_FAILED when one fails whose policy is abort: one before, and nothing is done; one after, and it
 *   is done all the same. And what `work` throws.
 */
export async function withHooks<T>(
  control: Control,
  occasion: HookOccasion,
  signal: AbortSignal,
  work: (before: HooksBefore) => Promise<T>,
): Promise<{ readonly value: T; readonly hooks: readonly HookResultView[] }> {
  signal.throwIfAborted();
  const results: HookResultView[] = [];
  const done = new Map<string, boolean>();
  const debt = owe(control, occasion);
  let end: { readonly value: T } | { readonly error: unknown };
  try {
    await callBefore(control, occasion, signal, { results, done });
    signal.throwIfAborted();
    const isQuiesced = (id: string): boolean => isQuiescedBy(control, occasion, id, done);
    end = { value: await work({ isQuiesced }) };
  } catch (error) {
    end = { error };
  }
  const failed = await callAfter(control, occasion, 'value' in end, results);
  if (debt !== undefined) settle(control, debt);
  if ('error' in end) throw end.error;
  if (failed !== undefined) {
    throw hookFault(failed.hook, failed.result, `the ${occasion.of} is done`);
  }
  return { value: end.value, hooks: results };
}

/** Before anything is frozen. @returns undefined: nothing is called afterwards. @throws Fault (the catalog) */
function owe(control: Control, occasion: HookOccasion): string | undefined {
  if (hooksOf(control, occasion, `after-${occasion.of}`).length === 0) return undefined;
  const { catalog, clock } = control;
  const { of, subject, volumes, group, facts } = occasion;
  const volumeIds = volumes.map(({ id }) => id);
  const debt = {
    id: control.newId(),
    occasion: { of, subject, volumeIds, groupId: group?.id, facts },
    createdAt: clock.now(),
  };
  catalog.transaction(() => catalog.hookDebts.insert(debt));
  return debt.id;
}

function settle({ catalog }: Control, debt: string): void {
  try {
    catalog.transaction(() => catalog.hookDebts.delete(debt));
  } catch {
    // The catalog cannot be written: it is called once more at the next start, which thaws what is thawed.
  }
}

async function callBefore(
  control: Control,
  occasion: HookOccasion,
  signal: AbortSignal,
  { results, done }: { readonly results: HookResultView[]; readonly done: Map<string, boolean> },
): Promise<void> {
  for (const hook of hooksOf(control, occasion, `before-${occasion.of}`)) {
    signal.throwIfAborted();
    const result = await call(control, occasion, hook, {}, signal);
    results.push(result);
    done.set(hook.id, result.succeeded);
    if (!result.succeeded && hook.policy === 'abort') {
      throw hookFault(hook, result, `no ${occasion.of} was made`);
    }
  }
}

/** @returns the first that failed and whose policy is abort */
export async function callAfter(
  control: Control,
  occasion: HookOccasion,
  succeeded: boolean,
  results: HookResultView[],
): Promise<{ readonly hook: HookRecord; readonly result: HookResultView } | undefined> {
  let failed: { readonly hook: HookRecord; readonly result: HookResultView } | undefined;
  const facts = { ROOTCAST_OUTCOME: succeeded ? 'succeeded' : 'failed' };
  // Whoever cancelled the work wants its traces gone all the more. Each ends at its own time.
  const { signal } = new AbortController();
  for (const hook of [...hooksOf(control, occasion, `after-${occasion.of}`)].reverse()) {
    const result = await call(control, occasion, hook, facts, signal);
    results.push(result);
    if (!result.succeeded && hook.policy === 'abort') failed ??= { hook, result };
  }
  return failed;
}

async function call(
  control: Control,
  occasion: HookOccasion,
  hook: HookRecord,
  more: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<HookResultView> {
  const { catalog, clock } = control;
  const { name, moment, action, timeoutMs } = hook;
  const secrets = catalog.secrets.of(hook.id);
  const startedAt = clock.now();
  const facts = { ...factsOf(control, occasion, hook), ...more };
  const end = await control.hooks.run(
    { action, timeoutMs, facts, token: secrets['token'] },
    signal,
  );
  const hidden = Object.values(secrets);
  const result: HookResultView = {
    hook: name,
    moment,
    succeeded: end.succeeded,
    how: hide(end.how, hidden),
    output: hide(end.output, hidden),
    durationMs: Math.max(0, clock.now() - startedAt),
  };
  tellCalled(control, occasion.subject, result);
  return result;
}

function tellCalled(control: Control, subject: string, result: HookResultView): void {
  const how = result.succeeded ? 'succeeded' : 'failed';
  try {
    control.change((record) =>
      record({
        kind: `hook.${how}`,
        subject,
        message: `hook ${result.hook} (${result.moment}) ${how}: ${result.how}`,
        data: { ...result, output: result.output.slice(0, MAX_HOOK_EVENT_OUTPUT) },
      }),
    );
  } catch {
    // A full disk keeps no application frozen: the hooks that are left are called all the same. The task tells it.
  }
}

function factsOf(
  { catalog, serverName }: Control,
  { volumes, group, facts }: HookOccasion,
  { name, moment }: HookRecord,
): Readonly<Record<string, string>> {
  const repositories = new Set(volumes.map(({ repositoryId }) => repositoryId));
  return {
    ROOTCAST_SERVER_NAME: serverName,
    ROOTCAST_HOOK: name,
    ROOTCAST_MOMENT: moment,
    ROOTCAST_REPOSITORIES: [...repositories].map((id) => repositoryName(catalog, id)).join(' '),
    ROOTCAST_VOLUMES: volumes.map(({ id }) => addressOf(catalog, id)).join(' '),
    ...(group === undefined ? {} : { ROOTCAST_GROUP: group.name }),
    ...facts,
  };
}

function ownersOf({ volumes, group }: Pick<HookOccasion, 'volumes' | 'group'>): HookOwner[] {
  const repositories = [...new Set(volumes.map(({ repositoryId }) => repositoryId))];
  return [
    ...repositories.map((id) => ({ kind: 'repository', id }) as const),
    ...(group === undefined ? [] : [{ kind: 'group', id: group.id } as const]),
    ...volumes.map(({ id }) => ({ kind: 'volume', id }) as const),
  ];
}

function hooksOf(
  { catalog }: Control,
  occasion: Pick<HookOccasion, 'volumes' | 'group'>,
  moment: HookMoment,
): readonly HookRecord[] {
  return ownersOf(occasion).flatMap((owner) => catalog.hooks.ofOwner(owner, moment));
}

function isQuiescedBy(
  control: Control,
  { of, volumes, group }: HookOccasion,
  volumeId: string,
  done: ReadonlyMap<string, boolean>,
): boolean {
  const its = { volumes: volumes.filter(({ id }) => id === volumeId), group };
  const quiescing = hooksOf(control, its, `before-${of}`).filter(({ quiesces }) => quiesces);
  return quiescing.length > 0 && quiescing.every(({ id }) => done.get(id) === true);
}

function hookFault({ name, moment }: HookRecord, { how }: HookResultView, and: string): Fault {
  return new Fault('HOOK_FAILED', `hook ${name} (${moment}) failed: ${how}; ${and}`, {
    field: 'hook.name',
    value: name,
    expected: 'a hook that succeeds, or whose policy is continue (rootcast hook set)',
  });
}
