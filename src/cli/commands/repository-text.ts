import { bytes, facts, table, time } from '../format.ts';
import type { Health, Probe, Repository, RepositoryKind, Space } from '../storage-answers.ts';
import type { TargetOptions } from './repository-settings.ts';

export function kindsText(kinds: readonly RepositoryKind[]): string {
  const rows = kinds.map(({ kind, description }) => [kind, description]);
  return `${table(['kind', 'storage'], rows)}\nSettings of one: rootcast repository kinds KIND\n`;
}

export function kindText(only: RepositoryKind): string {
  const rows = only.settings.map(({ name, type, required, secret, description }) => [
    name,
    secret ? 'secret' : type,
    required ? 'yes' : 'no',
    description,
  ]);
  return `${only.kind}: ${only.description}\n\n${table(['setting', 'type', 'needed', 'what it is'], rows)}`;
}

/** What was found, and the command that goes on. */
export function probeText(
  { step, choose, found, capabilities }: Probe,
  kind: string,
  { set = {}, secret = [], secretFile = {} }: TargetOptions,
): string {
  const rows = found.map(({ value, description, size, settings, holds }) => [
    value,
    description,
    size === null ? '-' : bytes(size),
    settingsText(settings) || '-',
    holds === null ? '-' : `${holds.name ?? 'a repository'} (${holds.repositoryId})`,
  ]);
  const list =
    rows.length === 0 ? '' : table(['choice', 'what it is', 'size', 'brings', 'holds'], rows);
  const options = [
    ...Object.entries(set).map(([name, value]) => `--set ${name}=${value}`),
    ...secret.map((name) => `--secret ${name}`),
    ...Object.entries(secretFile).map(([name, file]) => `--secret-file ${name}=${file}`),
  ].join(' ');
  const soFar = `--kind ${kind}${options === '' ? '' : ` ${options}`}`;
  if (choose === null) {
    const held = found.find(({ holds }) => holds !== null)?.holds ?? null;
    const how = held === null ? '' : ` --existing ${held.repositoryId}`;
    const can = capabilities === null ? '' : `${capabilitiesText(capabilities)}\n`;
    return `${list}${can}${step}: it can be attached\n  rootcast repository create NAME ${soFar}${how}\n`;
  }
  const [first] = found;
  const value = first === undefined ? choose.toUpperCase() : first.value;
  const brought = Object.entries(first?.settings ?? {})
    .filter(([name]) => !(name in set))
    .map(([name, brings]) => ` --set ${name}=${valueText(brings)}`)
    .join('');
  return `${list}next: choose ${choose}\n  rootcast repository probe ${soFar} --set ${choose}=${value}${brought}\n`;
}

export function repositoriesText(repositories: readonly Repository[]): string {
  return table(
    ['name', 'kind', 'state', 'volumes', 'snapshots', 'size', 'used', 'space'],
    repositories.map(({ name, kind, state, volumes, snapshots, space, spaceLevel }) => [
      name,
      kind,
      state,
      String(volumes),
      String(snapshots),
      space === null ? '-' : bytes(space.total),
      space === null ? '-' : `${space.usedPercent} %`,
      spaceLevel,
    ]),
  );
}

export function repositoryText(repository: Repository): string {
  const { info, space, reason, capabilities } = repository;
  const head = facts([
    ['name', repository.name],
    ['id', repository.id],
    ['description', repository.description || '-'],
    ['kind', repository.kind],
    ['state', reason === null ? repository.state : `${repository.state}: ${reason}`],
    ['storage', info === null ? '-' : `${info.vendor} ${info.product} ${info.version}`],
    ['settings', settingsText(repository.settings) || '-'],
    ['secrets', repository.secretsSet.join(', ') || '-'],
    ['space', space === null ? '-' : spaceText(space)],
    ['marks', `${repository.warningPercent} % warning, ${repository.criticalPercent} % critical`],
    ['volumes', String(repository.volumes)],
    ['snapshots', String(repository.snapshots)],
    ['write caches', String(repository.overlays)],
    ['created', time(repository.createdAt)],
  ]);
  return capabilities === null ? head : `${head}\n${capabilitiesText(capabilities)}`;
}

function capabilitiesText(capabilities: Readonly<Record<string, string>>): string {
  const named = (wanted: string): string =>
    Object.entries(capabilities)
      .filter(([, value]) => value === wanted)
      .map(([flag]) => flag)
      .join(', ') || '-';
  return facts([
    ['the storage does', named('yes')],
    ['Rootcast does', named('emulated')],
    ['nobody does', named('no')],
  ]);
}

export function healthText({ state, messages, paths, space }: Health): string {
  const head = facts([
    ['state', state],
    ['space', space === null ? 'unknown' : spaceText(space)],
    ...messages.map((message) => ['message', message] as const),
  ]);
  if (paths.length === 0) return head;
  const rows = paths.map(({ name, up }) => [name, up ? 'up' : 'down']);
  return `${head}\n${table(['path', 'state'], rows)}`;
}

function spaceText({ total, free, usedPercent, provisioned }: Space): string {
  const promised = provisioned === null ? '' : `, ${bytes(provisioned)} promised to volumes`;
  return `${bytes(free)} of ${bytes(total)} free (${usedPercent} % used${promised})`;
}

function settingsText(settings: Readonly<Record<string, unknown>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${valueText(value)}`)
    .join(' ');
}

function valueText(value: unknown): string {
  return Array.isArray(value) ? value.join(',') : String(value);
}
