import type { MachineRecord, VersionRecord } from '../catalog/records.ts';
import { isDeviceCache } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import type { DeviceCacheMode } from '../ports.ts';
import { fallbacksOf } from './fallbacks.ts';

/** What a boot tells a machine about its write cache. */
export interface DeviceCachePlan {
  readonly asked: DeviceCacheMode;
  /** In this order, where it is impossible; empty: it must not boot then. */
  readonly fallbacks: readonly string[];
}

/**
 * Inside a change, at a boot: from now on the machine's disk is what this boot says.
 * @returns undefined: its write cache is the server's
 */
export function beginCache(
  { catalog }: Control,
  machine: MachineRecord,
  version: VersionRecord,
): DeviceCachePlan | undefined {
  if (version.state === 'maintenance' || !isDeviceCache(machine.cacheMode)) {
    catalog.machineCaches.delete(machine.id);
    return undefined;
  }
  const asked = machine.cacheMode;
  const { onCacheImpossible: onImpossible } = catalog.vdisks.bootPolicy(machine.vdiskId);
  const { layerId } = version;
  catalog.machineCaches.begin({ machineId: machine.id, layerId, asked, onImpossible });
  return { asked, fallbacks: onImpossible === 'refuse' ? [] : fallbacksOf(asked) };
}

/** The layer that the machine reads while its writes go to itself; undefined: it has an overlay here. */
export function readOnlyLayer(
  { catalog }: Pick<Control, 'catalog'>,
  machineId: string,
): string | undefined {
  const cache = catalog.machineCaches.of(machineId);
  return cache === undefined || cache.got === 'server'
    ? undefined
    : catalog.layers.resolve(cache.layerId);
}
