import type { DeviceCacheMode } from '../ports.ts';

/** What a machine may try, in this order, where the mode that is asked for is impossible. */
const FALLBACKS: Readonly<Record<DeviceCacheMode, readonly (DeviceCacheMode | 'server')[]>> = {
  'device-ram-overflow': ['device-ram', 'server'],
  'device-ram': ['server'],
  // A machine that is meant to write to its disk may write more than its memory holds.
  'device-disk': ['server'],
};

export function fallbacksOf(asked: DeviceCacheMode): readonly (DeviceCacheMode | 'server')[] {
  return FALLBACKS[asked];
}
