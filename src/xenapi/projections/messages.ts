/** Messages to the operator are what is kept of them, and nothing else. */
import { MESSAGE } from '../datamodel/message.ts';
import { emptyRecord } from '../objects/defaults.ts';
import type { KeptObject } from '../objects/kept-objects.ts';
import type { Projection } from '../objects/projector.ts';
import { refOf } from '../objects/refs.ts';
import type { Xen } from '../xen.ts';

export function messagesProjection({ kept, objects }: Xen): Projection {
  const put = ({ id, fields }: KeptObject): void => {
    const record = { ...emptyRecord(MESSAGE), ...fields, uuid: id };
    objects.put(MESSAGE.name, refOf(MESSAGE.name, id), record, { kind: 'own', id });
  };
  return {
    tables: [],
    classes: [MESSAGE.name],
    load: () => {
      const writtenAt = ({ fields }: KeptObject): number => Number(fields['timestamp']);
      const all = [...kept.all(MESSAGE)].sort((a, b) => writtenAt(a) - writtenAt(b));
      for (const message of all) put(message);
    },
    changed: () => undefined,
    keptChanged: (_className, id) => {
      const message = kept.get(MESSAGE, id);
      if (message !== undefined) put(message);
      else objects.delete(MESSAGE.name, refOf(MESSAGE.name, id));
    },
  };
}
