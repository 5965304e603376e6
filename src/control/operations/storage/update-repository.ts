import { Fault } from '../../../errors/index.ts';
import type { RepositoryRecord } from '../../catalog/storage/records.ts';
import type { Control } from '../../control.ts';
import type { RepositoryView, UpdateRepositoryInput } from '../../schemas/repository.ts';
import { repositorySubject } from '../../storage/names.ts';
import { parseName } from '../../values/name.ts';
import { checkedTarget, findKind } from './checked-settings.ts';
import { checkedMarks } from './create-repository.ts';
import { findRepository, refuseTaken } from './find-storage.ts';
import { repositoryView } from './repository-view.ts';

/**
 * Changes what is given. `settings` replace all that there were, `secrets` those that are named; both are used when
 * it is attached next, so it must not be attached.
 * @throws Fault NOT_FOUND, INVALID_INPUT, ALREADY_EXISTS, IN_USE
 */
export function updateRepository(
  control: Control,
  name: string,
  input: UpdateRepositoryInput,
): RepositoryView {
  const { catalog } = control;
  return control.change((record) => {
    const before = findRepository(catalog, name);
    const after: RepositoryRecord = {
      ...before,
      name: newName(control, before, input.name),
      description: input.description ?? before.description,
      ...checkedMarks(input, before),
      settings: input.settings ?? before.settings,
    };
    changeConnection(control, before, input);
    catalog.repositories.update(after);
    const changed = Object.keys(input);
    record({
      kind: 'repository.changed',
      subject: repositorySubject(after.name),
      message: `repository ${after.name}: ${changed.join(', ')} changed`,
      // What it was changed to is not told: settings may name what is nobody's business, secrets are secret.
      data: { changed, ...(after.name === name ? {} : { before: name }) },
    });
    return repositoryView(control, after);
  });
}

function newName(control: Control, before: RepositoryRecord, name = before.name): string {
  if (name === before.name) return name;
  const taken = control.catalog.repositories.byName(parseName(name, 'repository.name'));
  refuseTaken(taken, 'repository', name, 'repository.name');
  return name;
}

function changeConnection(
  control: Control,
  { id, name, kind, settings: settingsBefore }: RepositoryRecord,
  { settings, secrets }: UpdateRepositoryInput,
): void {
  if (settings === undefined && secrets === undefined) return;
  if (control.storage.isAttached(id)) {
    throw new Fault('IN_USE', `repository ${name} is attached with the settings that it has`, {
      field: `repository.${settings === undefined ? 'secrets' : 'settings'}`,
      expected: `rootcast repository detach ${name} first`,
    });
  }
  const table = control.catalog.secrets;
  for (const [field, value] of Object.entries(secrets ?? {})) {
    if (value === null) table.delete(id, field);
    else table.save(id, field, value);
  }
  const whole = { whole: true };
  checkedTarget(findKind(control, kind), settings ?? settingsBefore, table.of(id), whole);
}
