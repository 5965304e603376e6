import type { Control } from '../control.ts';
import type { VdiskView } from '../schemas/vdisk.ts';
import { vdiskView } from './vdisk-view.ts';

/** By name. */
export function listVdisks(control: Control): readonly VdiskView[] {
  return control.catalog.vdisks.all().map((vdisk) => vdiskView(control, vdisk));
}
