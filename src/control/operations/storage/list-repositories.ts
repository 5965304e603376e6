import type { Control } from '../../control.ts';
import type { HealthView, RepositoryView } from '../../schemas/repository.ts';
import { requireAttached } from '../../storage/names.ts';
import { measureSpace } from '../../storage/observe-repositories.ts';
import { findRepository } from './find-storage.ts';
import { repositoryView, spaceView } from './repository-view.ts';

/** By name, with what they said last: no array is asked. */
export function listRepositories(control: Control): readonly RepositoryView[] {
  return control.catalog.repositories
    .all()
    .map((repository) => repositoryView(control, repository));
}

/** @throws Fault NOT_FOUND */
export function showRepository(control: Control, name: string): RepositoryView {
  return repositoryView(control, findRepository(control.catalog, name));
}

/**
 * Asks how large the storage is by now, and uses what it has grown by; so does the service itself from time to time.
 * @throws Fault NOT_FOUND, UNAVAILABLE, UNREACHABLE
 */
export async function refreshRepository(control: Control, name: string): Promise<RepositoryView> {
  const repository = findRepository(control.catalog, name);
  requireAttached(control, repository);
  await control.storage.refresh(repository.id);
  await measureSpace(control, repository.id);
  return repositoryView(control, control.catalog.repositories.byId(repository.id) ?? repository);
}

/** Asks the array. @throws Fault NOT_FOUND, UNAVAILABLE, UNREACHABLE */
export async function repositoryHealth(control: Control, name: string): Promise<HealthView> {
  const repository = findRepository(control.catalog, name);
  requireAttached(control, repository);
  const { state, messages, paths } = await control.storage.health(repository.id);
  await measureSpace(control, repository.id);
  const space = control.spaces.get(repository.id);
  return {
    state,
    messages: [...messages],
    paths: paths.map((path) => ({ ...path })),
    space: space === undefined ? null : spaceView(space),
  };
}
