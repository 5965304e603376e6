/** Cuts a host off from a repository, and lets it in again: the array does it, and says whom it keeps out. */
import { matchAddresses } from '../../../base/index.ts';
import type { Control } from '../../control.ts';
import type { FenceInput, FenceView } from '../../schemas/host.ts';
import { currentHost } from '../../storage/current-host.ts';
import { requireAttached } from '../../storage/names.ts';
import { inTurn } from '../../storage/turns.ts';
import { findHost, findRepository } from './find-storage.ts';

/**
 * At once, and from everything in the repository, whatever the host has open: its writes that are still on their way are
 * lost. Its mappings stay. Again: fine.
 * @throws Fault NOT_FOUND, UNSUPPORTED, UNREACHABLE, INVALID_INPUT (the host has nothing that the array knows it by)
 */
export function fenceHost(control: Control, name: string, input: FenceInput): Promise<void> {
  return change(control, name, input, 'fence');
}

/** It may log in anew. One that is not cut off: fine. @throws Fault as `fenceHost` */
export function unfenceHost(control: Control, name: string, input: FenceInput): Promise<void> {
  return change(control, name, input, 'unfence');
}

async function change(
  control: Control,
  hostName: string,
  { repository: repositoryName }: FenceInput,
  what: 'fence' | 'unfence',
): Promise<void> {
  const { id } = findHost(control.catalog, hostName, 'host.name');
  const repository = findRepository(control.catalog, repositoryName);
  requireAttached(control, repository);
  await inTurn(control, [id], async () => {
    const { name, iqns, addresses } = currentHost(control, id);
    await control.storage[what](repository.id, { name, iqns, addresses });
    const done = what === 'fence' ? 'is cut off from' : 'is let into';
    control.change((record) =>
      record({
        kind: what === 'fence' ? 'host.fenced' : 'host.unfenced',
        subject: `host/${name}`,
        message: `host ${name} ${done} repository ${repositoryName}`,
        data: { repository: repositoryName },
      }),
    );
  });
}

/** Whom the array keeps out, with the names of those that are known. @throws Fault NOT_FOUND, UNSUPPORTED, UNREACHABLE */
export async function listFences(
  control: Control,
  repositoryName: string,
): Promise<readonly FenceView[]> {
  const repository = findRepository(control.catalog, repositoryName);
  requireAttached(control, repository);
  const fenced = await control.storage.fenced(repository.id);
  const hosts = control.catalog.hosts.all().map(({ name, iqns, addresses }) => {
    const hasAddress = matchAddresses(addresses);
    const is = (who: string): boolean => {
      return iqns.includes(who) || addresses.includes(who) || hasAddress(who);
    };
    return { name, is };
  });
  return fenced.map((who) => ({
    who,
    hosts: hosts.filter(({ is }) => is(who)).map(({ name }) => name),
  }));
}
