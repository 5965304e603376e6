/** What kinds of storage there are, and the way to one: step by step, changing nothing. */
import type { Control } from '../../control.ts';
import type { ProbeInput, ProbeView, RepositoryKindView } from '../../schemas/repository.ts';
import { withoutSecrets } from '../../storage/without-secrets.ts';
import { checkedTarget, findKind } from './checked-settings.ts';
import { viewOfSettings } from './repository-view.ts';

/** @throws Fault UNAVAILABLE */
export function listRepositoryKinds({ storage }: Control): readonly RepositoryKindView[] {
  return storage.kinds().map(({ kind, description, settings }) => ({
    kind,
    description,
    settings: settings.map((field) => ({ ...field })),
  }));
}

/** @throws Fault INVALID_INPUT, UNREACHABLE, PERMISSION_DENIED, TOOL_MISSING, UNAVAILABLE */
export async function probeStorage(
  control: Control,
  { kind, settings = {}, secrets = {} }: ProbeInput,
  signal: AbortSignal,
): Promise<ProbeView> {
  const target = checkedTarget(findKind(control, kind), settings, secrets, { whole: false });
  const { step, choose, found, capabilities } = await withoutSecrets(secrets, () =>
    control.storage.probe(target, signal),
  );
  return {
    step,
    choose: choose ?? null,
    capabilities: capabilities ?? null,
    found: found.map(({ value, description, settings: brings, size, disk, holds }) => ({
      value,
      description,
      settings: viewOfSettings(brings),
      size: size ?? null,
      ...(disk === undefined ? {} : { disk: { ...disk } }),
      holds:
        holds === undefined
          ? null
          : { repositoryId: holds.repositoryId, name: nameHere(control, holds) },
    })),
  };
}

function nameHere(
  { catalog }: Control,
  { repositoryId, name }: { readonly repositoryId: string; readonly name?: string },
): string | null {
  return catalog.repositories.byId(repositoryId)?.name ?? name ?? null;
}
