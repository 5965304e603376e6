import type { BootEnd, BootRecord } from '../catalog/records.ts';
import type { Control, RecordEvent } from '../control.ts';
import { keepTrace } from './traces.ts';

/** Inside a change: the boot is over, and an event says how. */
export function endBoot(
  control: Control,
  record: RecordEvent,
  boot: BootRecord,
  how: BootEnd,
  at: number,
  durationMs: number | undefined,
): void {
  const name = control.catalog.machines.byId(boot.machineId)?.name ?? boot.machineId;
  control.catalog.boots.end(boot.id, how, at, durationMs);
  // What goes on after it seemed over is not of the boot any more.
  if (control.recordings.get(boot.machineId)?.bootId === boot.id) {
    keepTrace(control, record, boot.machineId, how === 'ready' || how === 'quiet');
  }
  record({
    kind: 'boot.ended',
    subject: `machine/${name}`,
    message: sentence(name, how, durationMs),
    data: { how, durationMs: durationMs ?? null, vdisk: boot.vdiskName, version: boot.version },
  });
}

function sentence(name: string, how: BootEnd, durationMs: number | undefined): string {
  const after = durationMs === undefined ? '' : ` after ${(durationMs / 1000).toFixed(1)} s`;
  switch (how) {
    case 'ready':
      return `${name} is up${after} (it said so)`;
    case 'quiet':
      return `${name} is up${after} (its requests went quiet)`;
    case 'disconnected':
      return `${name} went away while it booted`;
    case 'abandoned':
      return `${name} asked for a boot and never read a block`;
    case 'superseded':
      return `${name} asked for another boot before this one was over`;
  }
}
