import { type CapabilitySet, capabilities } from '../capabilities.ts';

const CARVED = {
  thin: 'yes',
  thick: 'yes',
  resizeOnline: 'yes',
  multiAttach: 'yes',
  immutableId: 'yes',
} as const;

/** @param below what brings the device can */
export function carvedCapabilities(below: Partial<CapabilitySet> = {}): CapabilitySet {
  return capabilities({ ...CARVED, ...below });
}
