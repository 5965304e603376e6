import { type CapabilitySet, carvedCapabilities } from '../../repositories/index.ts';

/** What our initiator can, on any array. @param chapEnforced a login with a wrong secret, and one with none, were refused */
export function initiatorCapabilities(chapEnforced: 'yes' | 'no'): Partial<CapabilitySet> {
  return { discover: 'yes', chap: 'yes', mutualChap: 'yes', multiPath: 'yes', chapEnforced };
}

export function lunCapabilities(chapEnforced: 'yes' | 'no'): CapabilitySet {
  return carvedCapabilities(initiatorCapabilities(chapEnforced));
}
