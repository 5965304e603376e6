/** Which changes somebody wants to hear of. */
import type { Ref } from '../datamodel/description.ts';
import { xenError } from '../xen-error.ts';
import { MAX_EVENT_SUBSCRIPTIONS } from './limits.ts';

/** Refs that have changed, by class in lower case. */
export type Changed = ReadonlyMap<string, ReadonlySet<Ref>>;

const EVERYTHING = '*';
const FORMAT = /^([a-z0-9_]+)(?:\/(.+))?$/s;

export class Subscription {
  /** The same for those that want the same. */
  readonly key: string;
  /** Nothing else than tasks: whoever waits for one is told at once. */
  readonly isTaskOnly: boolean;
  /** Normal form of each: `*`, `class`, `class/ref`. */
  readonly parts: ReadonlySet<string>;
  readonly #all: boolean;
  readonly #classes = new Set<string>();
  readonly #objects = new Map<string, Set<Ref>>();

  private constructor(parts: ReadonlySet<string>) {
    if (parts.size > MAX_EVENT_SUBSCRIPTIONS) {
      const reason = `events of at most ${MAX_EVENT_SUBSCRIPTIONS} classes and objects are told`;
      throw xenError('OPERATION_NOT_ALLOWED', reason);
    }
    this.parts = parts;
    this.key = [...parts].sort().join(' ');
    this.#all = parts.has(EVERYTHING);
    for (const part of parts) {
      if (part === EVERYTHING) continue;
      const slash = part.indexOf('/');
      if (slash < 0) {
        this.#classes.add(part);
        continue;
      }
      const className = part.slice(0, slash);
      const refs = this.#objects.get(className) ?? new Set();
      this.#objects.set(className, refs.add(part.slice(slash + 1)));
    }
    const classes = [...this.#classes, ...this.#objects.keys()];
    this.isTaskOnly = !this.#all && classes.every((className) => className === 'task');
  }

  /** @throws XenError EVENT_SUBSCRIPTION_PARSE_FAILURE, OPERATION_NOT_ALLOWED: too many */
  static of(texts: readonly string[]): Subscription {
    return new Subscription(new Set(texts.map(normal)));
  }

  with(other: Subscription): Subscription {
    return new Subscription(new Set([...this.parts, ...other.parts]));
  }

  without(other: Subscription): Subscription {
    return new Subscription(new Set([...this.parts].filter((part) => !other.parts.has(part))));
  }

  /** @param className in lower case */
  has(className: string, ref: Ref): boolean {
    return (
      this.#all || this.#classes.has(className) || this.#objects.get(className)?.has(ref) === true
    );
  }

  /** In time that does not depend on how much has changed. */
  hasAnyOf(changed: Changed): boolean {
    if (this.#all) return changed.size > 0;
    for (const className of this.#classes) if (changed.has(className)) return true;
    for (const [className, refs] of this.#objects) {
      const of = changed.get(className);
      if (of === undefined) continue;
      for (const ref of refs) if (of.has(ref)) return true;
    }
    return false;
  }
}

/** Classes in lower case; a ref as it is. */
function normal(text: string): string {
  if (text === EVERYTHING) return text;
  const slash = text.indexOf('/');
  const className = slash < 0 ? text : text.slice(0, slash);
  const part = className.toLowerCase() + text.slice(className.length);
  if (!FORMAT.test(part)) throw xenError('EVENT_SUBSCRIPTION_PARSE_FAILURE', text);
  return part;
}
