/** The control domain, and the VBDs that clients have made for it. Those of a VDI that is gone go with it. */
import type { Ref } from '../datamodel/description.ts';
import { VBD } from '../datamodel/vbd.ts';
import { VDI } from '../datamodel/vdi.ts';
import { VM } from '../datamodel/vm.ts';
import { emptyRecord } from '../objects/defaults.ts';
import type { KeptObject } from '../objects/kept-objects.ts';
import type { Projection } from '../objects/projector.ts';
import { isNullRef, refOf, uuidOf } from '../objects/refs.ts';
import type { Xen } from '../xen.ts';
import { HOST_REF } from './site-records.ts';

const ID = 'dom0';

/** The only VM. */
export const CONTROL_DOMAIN: Ref = refOf(VM.name, ID);

/** To be called when a VDI is gone. A plugged VBD stays: who plugged it has its disk open, and must be able to unplug it. */
export function dropVbdsOf({ objects, kept }: Xen, vdi: Ref): void {
  for (const ref of objects.referrers(VDI.name, vdi, 'VBDs')) {
    if (objects.find(VBD.name, ref)?.['currently_attached'] === true) continue;
    kept.delete(VBD, objects.origin(VBD.name, ref).id);
  }
}

/** Loads behind those that show VDIs. */
export function controlDomainProjection({ objects, kept, control }: Xen): Projection {
  const put = ({ id, uuid, fields }: KeptObject): void => {
    const record = { ...emptyRecord(VBD), ...fields, uuid: uuid ?? id, VM: CONTROL_DOMAIN };
    objects.put(VBD.name, refOf(VBD.name, id), record, { kind: 'own', id });
  };
  return {
    tables: [],
    classes: [VBD.name],
    load: () => {
      const label = `Control domain on host: ${control.serverName}`;
      const record = {
        ...emptyRecord(VM),
        ...{ uuid: uuidOf(VM.name, ID), name_label: label },
        ...{ resident_on: HOST_REF, affinity: HOST_REF },
      };
      objects.put(VM.name, CONTROL_DOMAIN, record, { kind: 'own', id: ID });
      for (const object of kept.all(VBD)) {
        const { VDI: vdi } = object.fields;
        const isDangling =
          typeof vdi === 'string' && !isNullRef(vdi) && objects.find(VDI.name, vdi) === undefined;
        if (isDangling) kept.delete(VBD, object.id);
        else put(object);
      }
    },
    changed: () => undefined,
    keptChanged: (_className, id) => {
      const object = kept.get(VBD, id);
      if (object === undefined) objects.delete(VBD.name, refOf(VBD.name, id));
      else put(object);
    },
  };
}
