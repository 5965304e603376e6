/** Hooks: programs and other servers that are called before and after. */
import { Fault } from '../../../errors/index.ts';
import type { HookAction, HookOwner, HookRecord } from '../../catalog/storage/records.ts';
import type { Control } from '../../control.ts';
import {
  DEFAULT_HOOK_TIMEOUT_MS,
  MAX_HOOK_TIMEOUT_MS,
  MAX_HOOKS,
  MIN_HOOK_TIMEOUT_MS,
} from '../../limits.ts';
import type { AddHookInput, HookView, UpdateHookInput } from '../../schemas/hook.ts';
import { addressOf } from '../../storage/names.ts';
import { durationText, parseDuration } from '../../values/duration.ts';
import { parseName } from '../../values/name.ts';
import { iso } from '../time-view.ts';
import {
  findAddressed,
  findGroup,
  findHook,
  findRepository,
  refuseBeyond,
  refuseTaken,
} from './find-storage.ts';

const TIMEOUT = { least: MIN_HOOK_TIMEOUT_MS, most: MAX_HOOK_TIMEOUT_MS };
/** Of the secrets of a hook. */
const TOKEN = 'token';

/** By name. */
export function listHooks(control: Control): readonly HookView[] {
  return control.catalog.hooks.all().map((hook) => hookView(control, hook));
}

/** @throws Fault NOT_FOUND */
export function showHook(control: Control, name: string): HookView {
  return hookView(control, findHook(control.catalog, name));
}

/** @throws Fault INVALID_INPUT, NOT_FOUND (its owner, or its program), ALREADY_EXISTS, LIMIT_EXCEEDED */
export function addHook(control: Control, input: AddHookInput): HookView {
  const { hooks, secrets } = control.catalog;
  const { name, moment, token, policy = 'abort', quiesces = false, enabled = true } = input;
  return control.change((record) => {
    refuseTaken(hooks.byName(parseName(name, 'hook.name')), 'hook', name, 'hook.name');
    refuseBeyond(hooks.all().length, MAX_HOOKS, 'hooks');
    const hook: HookRecord = {
      id: control.newId(),
      name,
      owner: ownerOf(control, input),
      moment,
      action: checkedAction(control, actionOf(input)),
      timeoutMs: timeoutOf(input.timeout) ?? DEFAULT_HOOK_TIMEOUT_MS,
      policy,
      quiesces,
      enabled,
      createdAt: control.clock.now(),
    };
    checkHook(hook, token);
    hooks.insert(hook);
    if (token !== undefined) secrets.save(hook.id, TOKEN, token);
    const { token: _, ...told } = input;
    record({
      kind: 'hook.added',
      subject: `hook/${name}`,
      message: `hook ${name} added: ${moment} of ${ownerText(control, hook.owner)}`,
      data: told,
    });
    return hookView(control, hook);
  });
}

/** @throws Fault NOT_FOUND, INVALID_INPUT, ALREADY_EXISTS */
export function updateHook(control: Control, name: string, input: UpdateHookInput): HookView {
  const { hooks, secrets } = control.catalog;
  return control.change((record) => {
    const before = findHook(control.catalog, name);
    if (input.name !== undefined && input.name !== name) {
      const taken = hooks.byName(parseName(input.name, 'hook.name'));
      refuseTaken(taken, 'hook', input.name, 'hook.name');
    }
    const action = actionOf(input);
    const after: HookRecord = {
      ...before,
      name: input.name ?? name,
      moment: input.moment ?? before.moment,
      action: action === undefined ? before.action : checkedAction(control, action),
      timeoutMs: timeoutOf(input.timeout) ?? before.timeoutMs,
      policy: input.policy ?? before.policy,
      quiesces: input.quiesces ?? before.quiesces,
      enabled: input.enabled ?? before.enabled,
    };
    checkHook(after, input.token ?? undefined);
    hooks.update(after);
    // A token is for the server that it was given for.
    const isElsewhere = action !== undefined && input.token === undefined;
    if (input.token === null || isElsewhere) secrets.delete(after.id, TOKEN);
    else if (input.token !== undefined) secrets.save(after.id, TOKEN, input.token);
    const { token, ...told } = input;
    record({
      kind: 'hook.changed',
      subject: `hook/${after.name}`,
      message: `hook ${name}: ${Object.keys(input).join(', ')} changed`,
      data: { ...told, ...(token === undefined ? {} : { tokenChanged: true }), before: name },
    });
    return hookView(control, after);
  });
}

/** @throws Fault NOT_FOUND */
export function deleteHook(control: Control, name: string): void {
  control.change((record) => {
    const { id } = findHook(control.catalog, name);
    control.catalog.hooks.delete(id);
    record({ kind: 'hook.deleted', subject: `hook/${name}`, message: `hook ${name} deleted` });
  });
}

function ownerOf({ catalog }: Control, { repository, volume, group }: AddHookInput): HookOwner {
  const given = [repository, volume, group].filter((owner) => owner !== undefined);
  if (given.length !== 1) {
    throw new Fault('INVALID_INPUT', 'a hook is of one repository, one volume or one group', {
      field: 'hook.repository',
      value: given,
      expected: 'one of repository, volume and group',
    });
  }
  if (repository !== undefined) {
    return {
      kind: 'repository',
      id: findRepository(catalog, repository, 'hook.repository').id,
    };
  }
  if (volume !== undefined) {
    return { kind: 'volume', id: findAddressed(catalog, volume, 'hook.volume').volume.id };
  }
  return { kind: 'group', id: findGroup(catalog, group ?? '', 'hook.group').id };
}

/** undefined: none is given. */
function actionOf({ argv, url }: Pick<AddHookInput, 'argv' | 'url'>): HookAction | undefined {
  if (argv !== undefined && url !== undefined) throw eitherAction();
  if (argv !== undefined) return { kind: 'exec', argv };
  return url === undefined ? undefined : { kind: 'webhook', url };
}

function checkedAction({ hooks }: Control, action: HookAction | undefined): HookAction {
  if (action === undefined) throw eitherAction();
  if (action.kind === 'webhook') checkUrl(action.url);
  hooks.check(action);
  return action;
}

/** A user in it would be a secret in the open. */
function checkUrl(value: string): void {
  const url = URL.parse(value);
  if (url !== null && url.username === '' && url.password === '') return;
  throw new Fault('INVALID_INPUT', 'hook.url cannot be called', {
    field: 'hook.url',
    expected: 'a URL such as https://server/path, without a user; a token is given apart',
  });
}

function checkHook({ action, moment, quiesces }: HookRecord, token: string | undefined): void {
  if (token !== undefined && action.kind === 'exec') {
    throw new Fault('INVALID_INPUT', 'a program is not given a token', {
      field: 'hook.token',
      expected: 'none, or a webhook',
    });
  }
  if (quiesces && moment !== 'before-snapshot' && moment !== 'before-replication') {
    throw new Fault('INVALID_INPUT', `what is called ${moment} makes no snapshot consistent`, {
      field: 'hook.quiesces',
      value: true,
      expected: 'false, or a hook that is called before-snapshot or before-replication',
    });
  }
}

function eitherAction(): Fault {
  return new Fault('INVALID_INPUT', 'a hook has a program or a URL, one of the two', {
    field: 'hook.argv',
    expected: 'either argv or url',
  });
}

function timeoutOf(timeout: string | undefined): number | undefined {
  return timeout === undefined ? undefined : parseDuration(timeout, 'hook.timeout', TIMEOUT);
}

function ownerText({ catalog }: Control, owner: HookOwner): string {
  switch (owner.kind) {
    case 'repository':
      return `repository ${catalog.repositories.byId(owner.id)?.name ?? owner.id}`;
    case 'volume':
      return `volume ${addressOf(catalog, owner.id)}`;
    case 'group':
      return `volume group ${catalog.volumeGroups.byId(owner.id)?.name ?? owner.id}`;
  }
}

function hookView({ catalog }: Control, hook: HookRecord): HookView {
  const { id, name, owner, moment, action, timeoutMs, policy, quiesces, enabled } = hook;
  const repository = owner.kind === 'repository' ? catalog.repositories.byId(owner.id) : undefined;
  const group = owner.kind === 'group' ? catalog.volumeGroups.byId(owner.id) : undefined;
  return {
    id,
    name,
    repository: repository?.name ?? null,
    volume: owner.kind === 'volume' ? addressOf(catalog, owner.id) : null,
    group: group?.name ?? null,
    moment,
    argv: action.kind === 'exec' ? [...action.argv] : null,
    url: action.kind === 'webhook' ? action.url : null,
    tokenSet: catalog.secrets.fields(id).includes(TOKEN),
    timeout: durationText(timeoutMs),
    policy,
    quiesces,
    enabled,
    createdAt: iso(hook.createdAt),
  };
}
