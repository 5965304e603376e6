/**
 * docs/XENAPI-CALLS.md from the datamodel: dispatch, validation and the wires follow from the same descriptions, so
 * that the page cannot say anything else than the server does. `npm run docs:xenapi` writes it;
 * test/unit/habits/xenapi-calls.test.ts notices when that was forgotten.
 */
import { join, resolve } from 'node:path';
import { XEN_ROLES } from '../src/control/index.ts';
import type {
  ApiType,
  ClassDescription,
  EnumType,
  Field,
  Message,
} from '../src/xenapi/datamodel/description.ts';
import { ERRORS } from '../src/xenapi/datamodel/errors.ts';
import { DATAMODEL } from '../src/xenapi/datamodel/index.ts';

export const PAGE = join(resolve(import.meta.dirname, '..'), 'docs/XENAPI-CALLS.md');

const INTRODUCTION = `# XenAPI calls

Every class, field, message and error that is served, made from the datamodel of the source by \`npm run docs:xenapi\`.
[XENAPI.md](XENAPI.md) says how to connect, who may what, and what repositories and vDisks are in XenAPI's words.

What is not listed class by class, because it follows from the fields:

- \`get_record\`, \`get_all\`, \`get_all_records\`, \`get_by_uuid\`, \`get_by_name_label\` (of classes with such fields), and
  \`get_FIELD\` of every field, for the role that may read the class (read-only unless said).
- \`set_FIELD\` of a field that can be set; \`add_to_FIELD\` and \`remove_from_FIELD\` of one that is a map, \`add_FIELD\`
  and \`remove_FIELD\` of one that is a set; for the role in its line. To remove what is not there is no mistake.
- \`Async.CLASS.message\` of every message that is not marked "no Async", constructors and destructors included.
- \`CLASS_message\` for \`CLASS.message\`.

Every message takes the session first, unless marked. A parameter with a default can be left out, with all that follow.
Roles, each with all that those before it may: ${XEN_ROLES.join(', ')}. Every message may also fail with \`SESSION_INVALID\`,
\`RBAC_PERMISSION_DENIED\`, \`MESSAGE_PARAMETER_COUNT_MISMATCH\`, \`HANDLE_INVALID\` and \`INTERNAL_ERROR\`.
`;

/** As a reader says it: `set(ref VDI)`. */
function typeText(type: ApiType): string {
  if (typeof type === 'string') return type;
  switch (type.kind) {
    case 'ref':
      return `ref ${type.of}`;
    case 'enum':
      return `enum ${type.name}`;
    case 'set':
      return `set(${typeText(type.of)})`;
    case 'map':
      return `map(${typeText(type.key)} → ${typeText(type.value)})`;
    case 'option':
      return `${typeText(type.of)}, or left out`;
    case 'record':
      return `struct ${type.name}`;
    case 'any':
      return 'the record of an object';
  }
}

/** Enumerations and structs in a type, by name. */
function collectNamed(type: ApiType, named: Map<string, string>): void {
  if (typeof type === 'string') return;
  switch (type.kind) {
    case 'enum':
      named.set(`enum ${type.name}`, valuesText(type));
      break;
    case 'record': {
      const members = Object.entries(type.members);
      named.set(
        `struct ${type.name}`,
        members.map(([name, member]) => `\`${name}\` ${typeText(member)}`).join(', '),
      );
      for (const [, member] of members) collectNamed(member, named);
      break;
    }
    case 'set':
    case 'option':
      collectNamed(type.of, named);
      break;
    case 'map':
      collectNamed(type.value, named);
      break;
    case 'ref':
    case 'any':
      break;
  }
}

const valuesText = ({ values }: EnumType): string =>
  values.map((value) => `\`${value}\``).join(', ');

const cell = (text: string): string => text.replaceAll('|', '\\|');

const row = (...cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;

function defaultText(value: unknown): string {
  if (value === undefined) return '';
  if (value instanceof Map) return value.size === 0 ? '{}' : JSON.stringify([...value]);
  return JSON.stringify(value);
}

function fieldRow(name: string, field: Field, description: ClassDescription): string {
  const { access, role = description.role } = field;
  const isGiven = access !== 'dynamic' && description.create !== undefined;
  const given = isGiven
    ? field.byDefault === undefined
      ? 'needed'
      : `default ${defaultText(field.byDefault)}`
    : '';
  return row(
    `\`${name}\``,
    typeText(field.type),
    access === 'rw' ? role : '',
    given,
    `${field.deprecated === true ? 'Deprecated. ' : ''}${field.doc}`,
  );
}

function messageRow(name: string, message: Message): string {
  const parameters = Object.entries(message.parameters).map(([parameter, { type, ...more }]) => {
    const byDefault = Object.hasOwn(more, 'byDefault') ? ` = ${defaultText(more.byDefault)}` : '';
    return `${parameter}: ${typeText(type)}${byDefault}`;
  });
  const marks = [
    ...(message.deprecated === true ? ['deprecated'] : []),
    ...(message.hidden === true ? ['not listed'] : []),
    ...(message.session === false ? ['no session'] : []),
    ...(message.async === false || message.session === false ? ['no Async'] : []),
  ];
  return row(
    `\`${name}(${parameters.join(', ')})\``,
    typeText(message.result),
    message.role,
    (message.errors ?? []).map((code) => `\`${code}\``).join(', '),
    `${message.doc}${marks.length === 0 ? '' : ` (${marks.join(', ')})`}`,
  );
}

/** Constructor and destructor as messages. */
function lifecycleRows({ name, create, destroy }: ClassDescription): readonly string[] {
  return [
    ...(create === undefined
      ? []
      : [row('`create(args: struct)`', `ref ${name}`, create, '', 'Of the fields that are given')]),
    ...(destroy === undefined
      ? []
      : [row(`\`destroy(self: ref ${name})\``, 'void', destroy, '', 'Ends it')]),
  ];
}

function section(description: ClassDescription): string {
  const { name, doc, fields, messages, readRole, events, listed } = description;
  const named = new Map<string, string>();
  for (const { type } of Object.values(fields)) collectNamed(type, named);
  for (const { parameters, result } of Object.values(messages)) {
    for (const { type } of Object.values(parameters)) collectNamed(type, named);
    collectNamed(result, named);
  }
  const facts = [
    ...(readRole === undefined ? [] : [`It is read by ${readRole}.`]),
    ...(events === false ? ['No events tell of it.'] : []),
    ...(listed === false ? ['It has no `get_all`, `get_all_records`.'] : []),
  ];
  const fieldRows = Object.entries(fields).map(([field, of]) => fieldRow(field, of, description));
  const messageRows = [
    ...lifecycleRows(description),
    ...Object.entries(messages).map(([message, of]) => messageRow(message, of)),
  ];
  return [
    `## ${name}`,
    [doc.endsWith('.') ? doc : `${doc}.`, ...facts].join(' '),
    ...(fieldRows.length === 0
      ? []
      : [
          [
            '| field | type | set by | `create` | what |',
            '|---|---|---|---|---|',
            ...fieldRows,
          ].join('\n'),
        ]),
    ...(messageRows.length === 0
      ? []
      : [
          [
            '| message | result | role | errors | what |',
            '|---|---|---|---|---|',
            ...messageRows,
          ].join('\n'),
        ]),
    ...(named.size === 0 ? [] : [[...named].map(([what, of]) => `- ${what}: ${of}`).join('\n')]),
    '',
  ].join('\n\n');
}

function errorSection(): string {
  const rows = Object.entries(ERRORS).map(([code, parameters]) =>
    row(`\`${code}\``, parameters.join(', ')),
  );
  return ['## Errors', '', '| code | parameters, all texts |', '|---|---|', ...rows, ''].join('\n');
}

/** The page as it should be. */
export function renderCalls(): string {
  return [INTRODUCTION, ...DATAMODEL.map(section), errorSection()].join('\n');
}
