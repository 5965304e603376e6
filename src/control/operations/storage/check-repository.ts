/** Checks what Rootcast keeps on storage besides data: whole, and whether it can be put right. */
import { Fault } from '../../../errors/index.ts';
import type { CheckReport } from '../../../repositories/index.ts';
import type { Control } from '../../control.ts';
import type { TaskView } from '../../schemas/activity.ts';
import type { CheckRepositoryInput, CheckStorageInput } from '../../schemas/repository-check.ts';
import { repositorySubject } from '../../storage/names.ts';
import { inTurn } from '../../storage/turns.ts';
import { withoutSecrets } from '../../storage/without-secrets.ts';
import type { RepositoryTarget } from '../../storage-port.ts';
import { taskView } from '../task-view.ts';
import { checkedTarget, findKind } from './checked-settings.ts';
import { findRepository } from './find-storage.ts';

/** The result of the task. */
interface CheckView extends Omit<CheckReport, 'repositoryId' | 'owner'> {
  readonly repositoryId: string | null;
  readonly owner: string | null;
}

/**
 * Of one that is not attached: what is attached is in motion.
 * @throws Fault NOT_FOUND, IN_USE (it is attached). The task fails with UNSUPPORTED, IN_USE, ALREADY_EXISTS (the storage
 *   holds another repository), UNREACHABLE …
 */
export function checkRepository(
  control: Control,
  name: string,
  input: CheckRepositoryInput = {},
): TaskView {
  const { id } = findRepository(control.catalog, name);
  refuseAttached(control, id, name);
  const task = control.tasks.start('repository.check', repositorySubject(name), (_, signal) =>
    inTurn(control, [id], async () => {
      const now = control.catalog.repositories.byId(id) ?? findRepository(control.catalog, name);
      refuseAttached(control, id, now.name);
      const { kind, settings } = now;
      const target = { kind, settings, secrets: control.catalog.secrets.of(id), repositoryId: id };
      return check(control, repositorySubject(now.name), target, input, signal);
    }),
  );
  return taskView(task);
}

/**
 * Of storage that the catalog does not know, or knows no more.
 * @throws Fault INVALID_INPUT, UNAVAILABLE. The task fails as that of `checkRepository`.
 */
export function checkStorage(
  control: Control,
  { kind, settings = {}, secrets = {}, ...input }: CheckStorageInput,
): TaskView {
  const target = checkedTarget(findKind(control, kind), settings, secrets, { whole: true });
  const subject = `repository-kind/${kind}`;
  const task = control.tasks.start('repository.check', subject, (_, signal) =>
    check(control, subject, { ...target, kind }, input, signal),
  );
  return taskView(task);
}

function refuseAttached({ storage }: Control, id: string, name: string): void {
  if (!storage.isAttached(id)) return;
  throw new Fault('IN_USE', `repository ${name} is attached, and its metadata changes`, {
    field: 'repository.state',
    value: 'attached',
    expected: `rootcast repository detach ${name} first`,
  });
}

async function check(
  control: Control,
  subject: string,
  target: RepositoryTarget & { readonly repositoryId?: string },
  { repair = false, force = false }: CheckRepositoryInput,
  signal: AbortSignal,
): Promise<CheckView> {
  const report = await withoutSecrets(target.secrets, () =>
    control.storage.check(target, { repair, force, signal }),
  );
  const counts = { fatal: 0, repairable: 0, note: 0 };
  for (const { severity } of report.findings) counts[severity] += 1;
  const { clean, repaired } = report;
  control.change((record) =>
    record({
      kind: repaired ? 'repository.repaired' : 'repository.checked',
      subject,
      message: `${subject.replace('/', ' ')}: ${told(report)}`,
      data: { clean, repaired, forced: force, ...counts },
    }),
  );
  return checkView(report);
}

function told({ clean, repaired, findings }: CheckReport): string {
  if (repaired) return `its metadata is repaired (${findings.length} findings)`;
  return clean ? 'its metadata is whole' : `its metadata is damaged (${findings.length} findings)`;
}

function checkView(report: CheckReport): CheckView {
  return {
    ...report,
    repositoryId: report.repositoryId ?? null,
    owner: report.owner ?? null,
  };
}
