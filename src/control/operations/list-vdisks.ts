import type { Control } from '../control.ts';
import type { VdiskView } from '../schemas/vdisk.ts';
import { LayerFacts } from '../versions/situation.ts';
import { vdiskView } from './vdisk-view.ts';

/** By name. */
export function listVdisks(control: Control): readonly VdiskView[] {
  const layers = new LayerFacts(control);
  return control.catalog.vdisks.all().map((vdisk) => vdiskView(control, vdisk, layers));
}
