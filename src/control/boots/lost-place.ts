import type { MachineRecord } from '../catalog/records.ts';
import type { Control, RecordEvent } from '../control.ts';

/** Inside a change: a machine that waited to boot waits no more, and has not booted. @param why e.g. `was disabled` */
export function tellLostPlace(
  { catalog }: Control,
  record: RecordEvent,
  { id, name }: MachineRecord,
  why: string,
): void {
  catalog.bootQueue.delete(id);
  record({
    kind: 'boot.place-lost',
    subject: `machine/${name}`,
    message: `${name} waited to boot and ${why}: it has lost its place`,
  });
}
