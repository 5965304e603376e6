/**
 * The messages that every class has by its fields: lists, records, getters, and the setters of its rw fields
 * (xen-api datamodel_utils.ml, `messages_of_obj`).
 */
import type { Implementation } from '../call.ts';
import {
  type ApiType,
  type ClassDescription,
  type Field,
  map,
  type RecordType,
  type Ref,
  ref,
  set,
} from '../datamodel/description.ts';
import type { AnyRecord, Objects } from '../objects/objects.ts';
import { xenError } from '../xen-error.ts';
import { type AnyCall, type Entry, type Given, needed } from './entry.ts';

/** The struct that a whole object of a class is on the wire. */
export function recordType({ name, fields }: ClassDescription): RecordType {
  const members = Object.entries(fields).map(([field, { type }]) => [field, type] as const);
  return { kind: 'record', name, members: Object.fromEntries(members) };
}

/** Those of a class, but for what the class describes itself under the same name. */
export function implicitMessages(
  implementation: Implementation,
  objects: Objects,
  setKept: (description: ClassDescription, ref: Ref, field: string, value: unknown) => void,
): readonly Entry[] {
  const { description, setField } = implementation;
  if (Object.keys(description.fields).length === 0) return []; // it only has messages (event)
  const write = (of: Ref, field: string, value: unknown): void => {
    if (setField === undefined) setKept(description, of, field, value);
    else setField(of, field, value);
  };
  const record = (call: AnyCall, of: Ref): AnyRecord =>
    implementation.own?.record(call.caller, of) ?? objects.requireAny(description.name, of);
  const parts: Parts = { implementation, objects, record, write };
  return [
    ...listMessages(parts),
    ...Object.entries(description.fields).flatMap(([name, field]) => [
      getter(parts, name, field),
      ...(field.access === 'rw' ? setters(parts, name, field) : []),
    ]),
  ].filter(({ name }) => !Object.hasOwn(description.messages, name));
}

interface Parts {
  readonly implementation: Implementation;
  readonly objects: Objects;
  readonly record: (call: AnyCall, of: Ref) => AnyRecord;
  readonly write: (of: Ref, field: string, value: unknown) => void;
}

function reading(
  { implementation: { description } }: Parts,
  name: string,
  parameters: Entry['parameters'],
  result: ApiType,
  run: Entry['run'],
): Entry {
  return {
    ...{ className: description.name, name, parameters, result, run },
    role: description.readRole ?? 'read-only',
    doc: `See the fields of ${description.name}`,
    ...{ hasAsync: false, needsSession: true, isHidden: false },
  };
}

const refIn = (given: Given): Ref => given['self'] as Ref;

function listMessages(parts: Parts): readonly Entry[] {
  const { implementation, objects, record } = parts;
  const { description, own } = implementation;
  const { name: className, fields, listed = true } = description;
  const whole = recordType(description);
  const of = ref(className);
  const refs = (call: AnyCall): readonly Ref[] => own?.refs(call.caller) ?? objects.refs(className);
  const messages: Entry[] = [
    reading(parts, 'get_record', [needed('self', of)], whole, (call, given) =>
      record(call, refIn(given)),
    ),
  ];
  if (listed) {
    messages.push(
      reading(parts, 'get_all', [], set(of), (call) => refs(call)),
      reading(parts, 'get_all_records', [], map(of, whole), (call) =>
        own === undefined
          ? new Map(objects.allAny(className))
          : new Map(refs(call).map((one) => [one, record(call, one)])),
      ),
    );
  }
  if (fields['uuid'] !== undefined) {
    messages.push(
      reading(parts, 'get_by_uuid', [needed('uuid', 'string')], of, (call, given) => {
        const uuid = given['uuid'] as string;
        const found =
          own === undefined ? objects.byUuid(className, uuid) : own.byUuid(call.caller, uuid);
        if (found === undefined) throw xenError('UUID_INVALID', className, uuid);
        return found;
      }),
    );
  }
  if (fields['name_label'] !== undefined) {
    messages.push(
      reading(parts, 'get_by_name_label', [needed('label', 'string')], set(of), (_call, given) =>
        [...objects.allAny(className)]
          .filter(([, { name_label }]) => name_label === given['label'])
          .map(([one]) => one),
      ),
    );
  }
  return messages;
}

function getter(parts: Parts, name: string, { type }: Field): Entry {
  const self = needed('self', ref(parts.implementation.description.name));
  return reading(
    parts,
    `get_${name}`,
    [self],
    type,
    (call, given) => parts.record(call, refIn(given))[name],
  );
}

function setters(parts: Parts, name: string, field: Field): readonly Entry[] {
  const { description } = parts.implementation;
  const className = description.name;
  const self = needed('self', ref(className));
  const role = field.role ?? description.role;
  const current = (call: AnyCall, of: Ref) => parts.record(call, of)[name];
  const writing = (
    message: string,
    parameters: Entry['parameters'],
    change: (call: AnyCall, given: Given) => unknown,
  ): Entry => ({
    ...reading(parts, message, [self, ...parameters], 'void', (call, given) => {
      parts.write(refIn(given), name, change(call, given));
    }),
    role,
  });
  const { type } = field;
  const messages = [
    writing(`set_${name}`, [needed('value', type)], (call, given) => {
      current(call, refIn(given)); // it must be there
      return given['value'];
    }),
  ];
  if (typeof type === 'string') return messages;
  if (type.kind === 'map') {
    messages.push(
      writing(
        `add_to_${name}`,
        [needed('key', type.key), needed('value', type.value)],
        (call, given) => {
          const entries = new Map(current(call, refIn(given)) as ReadonlyMap<string, unknown>);
          const key = given['key'] as string;
          if (entries.has(key)) {
            throw xenError('MAP_DUPLICATE_KEY', className, name, refIn(given), key);
          }
          return entries.set(key, given['value']);
        },
      ),
      writing(`remove_from_${name}`, [needed('key', type.key)], (call, given) => {
        const entries = new Map(current(call, refIn(given)) as ReadonlyMap<string, unknown>);
        entries.delete(given['key'] as string);
        return entries;
      }),
    );
  }
  if (type.kind === 'set') {
    const without = (call: AnyCall, given: Given) =>
      (current(call, refIn(given)) as readonly unknown[]).filter(
        (member) => member !== given['value'],
      );
    messages.push(
      writing(`add_${name}`, [needed('value', type.of)], (call, given) => [
        ...without(call, given),
        given['value'],
      ]),
      writing(`remove_${name}`, [needed('value', type.of)], without),
    );
  }
  return messages;
}
