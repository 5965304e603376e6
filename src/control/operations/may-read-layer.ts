import type { Control } from '../control.ts';
import { parseMac } from '../values/mac-address.ts';

/**
 * Whether a machine may fetch the boot files of a layer: any version of its own vDisk, so that a boot
 * under way is not cut off by the next version, nor by a merge.
 * @throws Fault INVALID_INPUT
 */
export function mayReadLayer(control: Control, macText: string, layerId: string): boolean {
  const { machines, versions, layers } = control.catalog;
  const machine = machines.byMac(parseMac(macText, 'mac'));
  if (machine?.enabled !== true) return false;
  const wanted = layers.resolve(layerId);
  return versions
    .ofVdisk(machine.vdiskId)
    .some((version) =>
      version.state === 'maintenance'
        ? layers.resolve(version.baseLayerId) === wanted
        : version.layerId === wanted,
    );
}
