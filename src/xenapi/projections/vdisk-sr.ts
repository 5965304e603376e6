/**
 * The SR that shows vDisks, and its PBD: always there, always attached, of no repository. Nothing can be made in it, set
 * of it, and it cannot be ended (messages/sr/sr-operations.ts).
 */
import { PBD } from '../datamodel/pbd.ts';
import { SR } from '../datamodel/sr.ts';
import { VDISK_SR, VDISK_SR_ID } from '../disks/vdisk-sr.ts';
import { emptyRecord } from '../objects/defaults.ts';
import type { Origin } from '../objects/objects.ts';
import type { Projection } from '../objects/projector.ts';
import { uuidOf } from '../objects/refs.ts';
import type { Xen } from '../xen.ts';
import { HOST_REF, refOfPbd, UNKNOWN_SIZE } from './repository-records.ts';

const ORIGIN: Origin = { kind: 'own', id: VDISK_SR_ID };
/** No storage manager's. */
const TYPE = 'rootcast';

export function vdiskSrProjection({ objects }: Xen): Projection {
  return {
    ...{ tables: [], classes: [] },
    load: () => {
      const sr = {
        ...emptyRecord(SR),
        uuid: uuidOf(SR.name, VDISK_SR_ID),
        ...{ name_label: 'vDisks', name_description: 'Images that machines boot, read-only' },
        ...{ type: TYPE, content_type: 'user', shared: false },
        // Layers are shared and lie in several places: there is no sum that says something.
        ...{ physical_size: UNKNOWN_SIZE, physical_utilisation: UNKNOWN_SIZE },
      };
      objects.put(SR.name, VDISK_SR, sr, ORIGIN);
      const pbd = {
        ...emptyRecord(PBD),
        uuid: uuidOf(PBD.name, VDISK_SR_ID),
        ...{ host: HOST_REF, SR: VDISK_SR, currently_attached: true },
      };
      objects.put(PBD.name, refOfPbd(VDISK_SR_ID), pbd, ORIGIN);
    },
    changed: () => undefined,
    keptChanged: () => undefined,
  };
}
