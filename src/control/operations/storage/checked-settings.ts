/** Settings of a repository against what its kind takes. A value is never said again: it may be a secret. */
import { Fault } from '../../../errors/index.ts';
import type { SettingField, SettingValue } from '../../../repositories/index.ts';
import type { Control } from '../../control.ts';
import { SECRET_RULE } from '../../schemas/repository.ts';
import type { AdapterKind, RepositoryTarget } from '../../storage-port.ts';

type Settings = Readonly<Record<string, SettingValue>>;
type Secrets = Readonly<Record<string, string>>;

/** @throws Fault INVALID_INPUT, UNAVAILABLE */
export function findKind({ storage }: Control, kind: string): AdapterKind {
  const kinds = storage.kinds();
  const found = kinds.find((candidate) => candidate.kind === kind);
  if (found !== undefined) return found;
  throw new Fault('INVALID_INPUT', `there is no kind of repository ${kind}`, {
    field: 'repository.kind',
    value: kind,
    expected:
      kinds.length === 0
        ? 'a service that knows kinds of repositories'
        : `one of ${kinds.map((candidate) => candidate.kind).join(', ')}`,
  });
}

/** @param whole required settings must be there: not while it is still being found out. @throws Fault INVALID_INPUT */
export function checkedTarget(
  { kind, settings: fields }: AdapterKind,
  settings: Settings,
  secrets: Secrets,
  { whole }: { readonly whole: boolean },
): RepositoryTarget {
  for (const name of Object.keys(settings)) checkSetting(fields, name, settings[name]);
  for (const name of Object.keys(secrets)) checkSecret(fields, name);
  if (whole) {
    for (const field of fields) {
      const given = field.secret ? secrets : settings;
      if (field.required && !Object.hasOwn(given, field.name)) throw missing(kind, field);
    }
  }
  return { kind, settings, secrets };
}

function checkSetting(
  fields: readonly SettingField[],
  name: string,
  value: SettingValue | undefined,
): void {
  const path = `repository.settings.${name}`;
  const field = fields.find((candidate) => candidate.name === name);
  if (field === undefined) throw unknown(path, fields, false);
  if (field.secret) {
    throw new Fault('INVALID_INPUT', `${path} is a secret`, {
      field: path,
      expected: `it in secrets.${name}, where it is never shown`,
    });
  }
  if (isOfType(value, field.type)) return;
  throw new Fault('INVALID_INPUT', `${path} is not of its type`, {
    field: path,
    expected: `${TYPES[field.type]}: ${field.description}`,
  });
}

function checkSecret(fields: readonly SettingField[], name: string): void {
  const path = `repository.secrets.${name}`;
  const field = fields.find((candidate) => candidate.name === name);
  if (field === undefined) throw unknown(path, fields, true);
  if (field.secret) return;
  throw new Fault('INVALID_INPUT', `${path} is no secret`, {
    field: path,
    expected: `it in settings.${name}, so that it is shown`,
  });
}

const TYPES: Readonly<Record<SettingField['type'], string>> = {
  text: 'a text',
  integer: 'a whole number',
  boolean: 'true or false',
  list: 'a list of texts',
};

function isOfType(value: SettingValue | undefined, type: SettingField['type']): boolean {
  switch (type) {
    case 'text':
      return typeof value === 'string';
    case 'integer':
      return Number.isSafeInteger(value);
    case 'boolean':
      return typeof value === 'boolean';
    case 'list':
      return Array.isArray(value);
  }
}

function unknown(path: string, fields: readonly SettingField[], secret: boolean): Fault {
  const names = fields.filter((field) => field.secret === secret).map(({ name }) => name);
  return new Fault('INVALID_INPUT', `${path} is nothing that this kind of repository takes`, {
    field: path,
    expected: names.length === 0 ? 'none' : `one of ${names.join(', ')}`,
  });
}

function missing(kind: string, { name, secret, description }: SettingField): Fault {
  const field = `repository.${secret ? 'secrets' : 'settings'}.${name}`;
  const expected = secret ? `${SECRET_RULE}: ${description}` : description;
  return new Fault('INVALID_INPUT', `a repository of kind ${kind} needs ${name}`, {
    field,
    expected,
  });
}
