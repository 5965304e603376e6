/**
 * Everything that can be called, by its name on the wire: made once, from the datamodel and what carries it out.
 * A message that nothing carries out is a mistake of ours and is refused at the start.
 */
import type { AnyHandler, Implementation } from '../call.ts';
import {
  type ApiType,
  type ClassDescription,
  type Message,
  option,
  type Parameter,
  type Ref,
  ref,
} from '../datamodel/description.ts';
import { defaultOf } from '../objects/defaults.ts';
import type { Objects } from '../objects/objects.ts';
import { type Entry, needed } from './entry.ts';
import { implicitMessages } from './implicit-messages.ts';

/** The one parameter of a constructor. */
const STRUCT = 'args';

export class MessageTable {
  readonly #entries = new Map<string, Entry>();

  constructor(
    implementations: readonly Implementation[],
    objects: Objects,
    setKept: (description: ClassDescription, ref: Ref, field: string, value: unknown) => void,
  ) {
    for (const implementation of implementations) {
      for (const entry of [
        ...describedMessages(implementation),
        ...implicitMessages(implementation, objects, setKept),
      ]) {
        this.#entries.set(`${entry.className}.${entry.name}`, entry);
      }
    }
    // VDI_copy is VDI.copy (datamodel_utils.ml, alternative_wire_name).
    for (const [name, entry] of [...this.#entries]) {
      this.#entries.set(name.replace('.', '_'), entry);
    }
  }

  get(name: string): Entry | undefined {
    return this.#entries.get(name);
  }

  /** What `system.listMethods` tells, in order. */
  names(): readonly string[] {
    const names: string[] = [];
    for (const [name, entry] of this.#entries) {
      if (!entry.isHidden && name === `${entry.className}.${entry.name}`) names.push(name);
    }
    return names.sort();
  }

  entries(): readonly Entry[] {
    return [...new Set(this.#entries.values())];
  }
}

function describedMessages(implementation: Implementation): readonly Entry[] {
  const { description } = implementation;
  const messages = Object.entries(description.messages).map(([name, message]) =>
    described(implementation, name, message),
  );
  if (description.create !== undefined) messages.push(constructorOf(implementation));
  if (description.destroy !== undefined) messages.push(destructorOf(implementation));
  return messages;
}

function handlerOf({ description, handlers }: Implementation, name: string): Entry['run'] {
  const handler: AnyHandler | undefined = handlers[name];
  if (handler === undefined) throw new Error(`nothing carries out ${description.name}.${name}`);
  return handler as Entry['run'];
}

function described(implementation: Implementation, name: string, message: Message): Entry {
  const { name: className } = implementation.description;
  return {
    ...{ className, name, result: message.result, role: message.role, doc: message.doc },
    parameters: Object.entries(message.parameters).map(([parameter, { type, ...more }]) => ({
      name: parameter,
      type,
      byDefault: parameterDefault(more),
    })),
    hasAsync: message.async !== false && message.session !== false,
    needsSession: message.session !== false,
    isHidden: message.hidden === true,
    run: handlerOf(implementation, name),
  };
}

function parameterDefault(more: Omit<Parameter, 'type'>): { readonly value: unknown } | undefined {
  return Object.hasOwn(more, 'byDefault') ? { value: more.byDefault } : undefined;
}

/** One struct: what has a default may be missing, what is not asked for is passed over. */
function constructorOf(implementation: Implementation): Entry {
  const { description } = implementation;
  const { name: className, fields } = description;
  const asked = Object.entries(fields).filter(([, { access }]) => access !== 'dynamic');
  const members: Record<string, ApiType> = {};
  for (const [name, field] of asked) {
    members[name] = field.byDefault === undefined ? field.type : option(field.type);
  }
  const create = handlerOf(implementation, 'create');
  return {
    ...{
      className,
      name: 'create',
      result: ref(className),
      role: description.create ?? 'pool-admin',
    },
    doc: `Makes a new ${className}`,
    parameters: [needed(STRUCT, { kind: 'record', name: className, members })],
    ...{ hasAsync: true, needsSession: true, isHidden: false },
    run: (call, given) => {
      const struct = given[STRUCT] as Readonly<Record<string, unknown>>;
      const whole = asked.map(([name, field]) => [name, struct[name] ?? defaultOf(field)] as const);
      return create(call, Object.fromEntries(whole));
    },
  };
}

function destructorOf(implementation: Implementation): Entry {
  const { description } = implementation;
  return {
    ...{ className: description.name, name: 'destroy', result: 'void' as const },
    role: description.destroy ?? 'pool-admin',
    doc: `Ends a ${description.name}`,
    parameters: [needed('self', ref(description.name))],
    ...{ hasAsync: true, needsSession: true, isHidden: false },
    run: handlerOf(implementation, 'destroy'),
  };
}
