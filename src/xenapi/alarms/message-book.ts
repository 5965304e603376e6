/** Messages to the operator: rows of the catalog, so that a restart forgets none. */
import type { RecordOf, Ref } from '../datamodel/description.ts';
import { MESSAGE } from '../datamodel/message.ts';
import { refOf } from '../objects/refs.ts';
import type { Xen } from '../xen.ts';
import { xenError } from '../xen-error.ts';
import { MAX_XEN_MESSAGE_TEXT, MAX_XEN_MESSAGES } from './limits.ts';

export type XenMessage = Omit<RecordOf<typeof MESSAGE>, 'uuid' | 'timestamp'>;

export class MessageBook {
  readonly #xen: Xen;

  constructor(xen: Xen) {
    this.#xen = xen;
  }

  /** @throws XenError VALUE_NOT_SUPPORTED: too long; Fault NO_SPACE … what the catalog throws */
  write(message: XenMessage): Ref {
    for (const field of ['name', 'body'] as const) {
      if (message[field].length <= MAX_XEN_MESSAGE_TEXT) continue;
      const length = `${message[field].length} characters`;
      throw xenError('VALUE_NOT_SUPPORTED', field, length, `at most ${MAX_XEN_MESSAGE_TEXT}`);
    }
    const { control, kept, objects } = this.#xen;
    const id = control.newId();
    control.catalog.transaction(() => {
      const all = objects.refs(MESSAGE.name);
      for (const ref of all.slice(0, Math.max(0, all.length + 1 - MAX_XEN_MESSAGES))) {
        kept.delete(MESSAGE, objects.origin(MESSAGE.name, ref).id);
      }
      kept.set(MESSAGE, id, { ...message, timestamp: control.clock.now() });
    });
    return refOf(MESSAGE.name, id);
  }

  /** @throws XenError HANDLE_INVALID */
  destroy(ref: Ref): void {
    const { kept, objects } = this.#xen;
    kept.delete(MESSAGE, objects.origin(MESSAGE.name, ref).id);
  }

  /** Those that are not older. @param since milliseconds since the epoch */
  since(
    since: number,
    isWanted: (message: RecordOf<typeof MESSAGE>) => boolean = () => true,
  ): ReadonlyMap<Ref, RecordOf<typeof MESSAGE>> {
    const all = [...this.#xen.objects.all(MESSAGE)];
    return new Map(all.filter(([, message]) => message.timestamp >= since && isWanted(message)));
  }
}
