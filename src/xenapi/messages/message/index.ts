import type { MessageBook } from '../../alarms/message-book.ts';
import { type Implementation, implement } from '../../call.ts';
import { MESSAGE } from '../../datamodel/message.ts';
import type { Objects } from '../../objects/objects.ts';
import { XenError, xenError } from '../../xen-error.ts';

/** The class of the objects that a message is about, as it is called elsewhere. */
const CLASSES: Readonly<Record<string, string>> = { Host: 'host', Pool: 'pool' };

export function messageMessages(objects: Objects, book: MessageBook): Implementation {
  return implement(MESSAGE, {
    create: (_call, given) => {
      const { name, priority, cls, obj_uuid, body } = given;
      const className = CLASSES[cls] ?? cls;
      const isThere = objects.has(className) && objects.byUuid(className, obj_uuid) !== undefined;
      if (!isThere) throw xenError('UUID_INVALID', cls, obj_uuid);
      return book.write({ name, priority, cls, obj_uuid, body });
    },
    destroy: (_call, { self }) => book.destroy(self),
    destroy_many: (_call, { messages }) => {
      for (const ref of messages) destroyIfThere(book, ref);
    },
    get: (_call, { cls, obj_uuid, since }) =>
      book.since(since, (message) => message.cls === cls && message.obj_uuid === obj_uuid),
    get_since: (_call, { since }) => book.since(since),
  });
}

function destroyIfThere(book: MessageBook, ref: string): void {
  try {
    book.destroy(ref);
  } catch (error) {
    if (!(error instanceof XenError) || error.code !== 'HANDLE_INVALID') throw error;
  }
}
