import type { Control } from '../control.ts';
import type { VdiskView } from '../schemas/vdisk.ts';
import { findVdisk } from './find.ts';
import { vdiskView } from './vdisk-view.ts';

/** @throws Fault NOT_FOUND */
export function showVdisk(control: Control, name: string): VdiskView {
  return vdiskView(control, findVdisk(control.catalog, name));
}
