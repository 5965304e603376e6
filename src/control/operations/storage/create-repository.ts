import { Fault } from '../../../errors/index.ts';
import type { RepositoryRecord } from '../../catalog/storage/records.ts';
import type { Control } from '../../control.ts';
import {
  DEFAULT_CRITICAL_PERCENT,
  DEFAULT_WARNING_PERCENT,
  MAX_REPOSITORIES,
} from '../../limits.ts';
import type { TaskView } from '../../schemas/activity.ts';
import type { CreateRepositoryInput, RepositoryView } from '../../schemas/repository.ts';
import { attachNow } from '../../storage/attach.ts';
import { repositorySubject } from '../../storage/names.ts';
import { measureSpace } from '../../storage/observe-repositories.ts';
import { inTurn } from '../../storage/turns.ts';
import { parseName } from '../../values/name.ts';
import { taskView } from '../task-view.ts';
import { checkedTarget, findKind } from './checked-settings.ts';
import { refuseBeyond, refuseTaken } from './find-storage.ts';
import { repositoryView } from './repository-view.ts';

/**
 * Makes storage ours, or takes up what is ours already. It is in the catalog before the storage hears of it: a
 * crash in between leaves a repository that cannot be reached, and never storage that nobody knows of.
 * @param newId of one that is created; one of its own unless given
 * @throws Fault INVALID_INPUT, ALREADY_EXISTS, LIMIT_EXCEEDED, UNAVAILABLE. The task fails with what Storage.attach throws.
 */
export function createRepository(
  control: Control,
  input: CreateRepositoryInput,
  newId: string = control.newId(),
): TaskView {
  const { name, mode = 'create' } = input;
  const repository = newRepository(control, input, newId);
  const secrets = Object.entries(input.secrets ?? {});
  const { catalog } = control;
  // A task that cannot begin leaves nothing behind.
  return control.change((record) => {
    refuseTaken(catalog.repositories.byName(name), 'repository', name, 'repository.name');
    const taken = catalog.repositories.byId(repository.id);
    refuseTaken(taken, 'repository', repository.id, 'repository.repositoryId');
    refuseBeyond(catalog.repositories.all().length, MAX_REPOSITORIES, 'repositories');
    catalog.repositories.insert(repository);
    for (const [field, value] of secrets) catalog.secrets.save(repository.id, field, value);
    record({
      kind: 'repository.creating',
      subject: repositorySubject(name),
      message: `repository ${name} is being attached (${mode})`,
      data: { kind: repository.kind, mode },
    });
    const options = { create: mode === 'create', takeOver: mode === 'take-over' };
    const task = control.tasks.start('repository.create', repositorySubject(name), (_, signal) =>
      run(control, repository.id, options, signal),
    );
    return taskView(task);
  });
}

async function run(
  control: Control,
  id: string,
  options: { readonly create: boolean; readonly takeOver: boolean },
  signal: AbortSignal,
): Promise<RepositoryView> {
  const attached = await inTurn(control, [id], async () => {
    try {
      signal.throwIfAborted();
      return await attachNow(control, id, options, signal);
    } catch (error) {
      control.catalog.transaction(() => control.catalog.repositories.delete(id));
      throw error;
    }
  });
  // It is attached whether or not it says how full it is.
  await measureSpace(control, id).catch(() => undefined);
  return repositoryView(control, control.catalog.repositories.byId(id) ?? attached);
}

function newRepository(
  control: Control,
  input: CreateRepositoryInput,
  newId: string,
): RepositoryRecord {
  const { kind, mode = 'create', repositoryId, description = '' } = input;
  const name = parseName(input.name, 'repository.name');
  if ((mode === 'create') !== (repositoryId === undefined)) {
    throw new Fault(
      'INVALID_INPUT',
      mode === 'create'
        ? 'a repository that is created has no id yet'
        : 'the id that the storage holds is missing',
      {
        field: 'repository.repositoryId',
        ...(repositoryId === undefined ? {} : { value: repositoryId }),
        expected:
          mode === 'create'
            ? 'none, or mode existing or take-over'
            : 'the id that `rootcast repository probe` shows, or mode create',
      },
    );
  }
  const { settings = {}, secrets = {} } = input;
  const target = checkedTarget(findKind(control, kind), settings, secrets, { whole: true });
  return {
    id: repositoryId ?? newId,
    name,
    description,
    kind,
    settings: target.settings,
    state: 'unreachable',
    reason: undefined,
    info: undefined,
    capabilities: undefined,
    ...checkedMarks(input, {
      warningPercent: DEFAULT_WARNING_PERCENT,
      criticalPercent: DEFAULT_CRITICAL_PERCENT,
    }),
    spaceLevel: 'normal',
    createdAt: control.clock.now(),
  };
}

type Marks = Pick<RepositoryRecord, 'warningPercent' | 'criticalPercent'>;

/** @throws Fault INVALID_INPUT */
export function checkedMarks(
  given: { readonly [mark in keyof Marks]?: number | undefined },
  before: Marks,
): Marks {
  const warningPercent = given.warningPercent ?? before.warningPercent;
  const criticalPercent = given.criticalPercent ?? before.criticalPercent;
  if (warningPercent <= criticalPercent) return { warningPercent, criticalPercent };
  throw new Fault('INVALID_INPUT', 'the warning would come after what is critical', {
    field: 'repository.warningPercent',
    value: warningPercent,
    expected: `at most criticalPercent, which is ${criticalPercent}`,
  });
}
