/** A repository becomes usable: at the wish of somebody, at the start, and again when it could not be reached. */
import { Fault } from '../../errors/index.ts';
import type { RepositoryRecord } from '../catalog/storage/records.ts';
import type { Control, RecordEvent } from '../control.ts';
import { repositorySubject } from './names.ts';
import { settleStorage } from './settle-storage.ts';
import { withoutSecrets } from './without-secrets.ts';

export interface AttachOptions {
  readonly create: boolean;
  readonly takeOver: boolean;
}

/** In the repository's turn (turns.ts). @throws Fault NOT_FOUND, and what Storage.attach throws */
export async function attachNow(
  control: Control,
  repositoryId: string,
  { create, takeOver }: AttachOptions,
  signal: AbortSignal,
): Promise<RepositoryRecord> {
  const { catalog, storage } = control;
  const { kind, settings } = current(control, repositoryId);
  const secrets = catalog.secrets.of(repositoryId);
  const request = { repositoryId, kind, settings, secrets, create, takeOver };
  const { info, capabilities } = await withoutSecrets(secrets, () =>
    storage.attach(request, signal),
  );
  await settleStorage(control, repositoryId);
  return control.change((record) => {
    const before = current(control, repositoryId);
    const after: RepositoryRecord = {
      ...before,
      state: 'attached',
      reason: undefined,
      info,
      capabilities,
    };
    catalog.repositories.update(after);
    if (before.state !== 'attached') tellAttached(record, after, takeOver);
    return after;
  });
}

/** Its state, and an event when it is another one than before. A new reason alone is kept, and not told. */
export function markUnreachable(control: Control, repositoryId: string, error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error);
  control.change((record) => {
    const before = control.catalog.repositories.byId(repositoryId);
    if (before === undefined || before.state === 'detached') return;
    if (before.state === 'unreachable' && before.reason === reason) return;
    control.catalog.repositories.update({ ...before, state: 'unreachable', reason });
    if (before.state === 'unreachable' && before.reason !== undefined) return;
    record({
      kind: 'repository.unreachable',
      subject: repositorySubject(before.name),
      message: `repository ${before.name} is not reachable: ${reason}`,
      data: { code: error instanceof Fault ? error.code : 'INTERNAL' },
    });
  });
}

function current({ catalog }: Control, repositoryId: string): RepositoryRecord {
  const repository = catalog.repositories.byId(repositoryId);
  if (repository !== undefined) return repository;
  throw new Fault('NOT_FOUND', 'the repository was deleted meanwhile', {
    field: 'repository.id',
    value: repositoryId,
  });
}

function tellAttached(record: RecordEvent, { name, info }: RepositoryRecord, takeOver: boolean) {
  record({
    kind: takeOver ? 'repository.taken-over' : 'repository.attached',
    subject: repositorySubject(name),
    message: takeOver
      ? `repository ${name} is attached, and taken from whoever had it`
      : `repository ${name} is attached`,
    data: { vendor: info?.vendor, product: info?.product },
  });
}
