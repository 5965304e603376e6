/** The network, the interface on it and the host's figures: only what the network is used for can be changed. */
import { type Implementation, implement } from '../../call.ts';
import { HOST_METRICS } from '../../datamodel/host-metrics.ts';
import { NETWORK } from '../../datamodel/network.ts';
import { PIF } from '../../datamodel/pif.ts';
import { type Purpose, possiblePurposes, THIS } from '../../projections/site-records.ts';
import type { Xen } from '../../xen.ts';
import { xenError } from '../../xen-error.ts';

export function networkMessages(xen: Xen): Implementation {
  const { objects, kept, settings } = xen;
  const purposes = (self: string): readonly Purpose[] => objects.require(NETWORK, self).purpose;
  const keep = (purpose: readonly Purpose[]): void => kept.set(NETWORK, THIS, { purpose });
  return implement(NETWORK, {
    add_purpose: (_call, { self, value }) => {
      const current = purposes(self);
      if (current.includes(value)) return;
      // Both at once would be a promise that nobody listens in on what is sent in plain.
      const [conflicting] = current;
      if (conflicting !== undefined) {
        throw xenError('NETWORK_INCOMPATIBLE_PURPOSES', value, conflicting);
      }
      if (!possiblePurposes(settings.nbd).includes(value)) {
        const reason = `the NBD server cannot do ${value}: its TLS is ${settings.nbd.tls}`;
        throw xenError('OPERATION_NOT_ALLOWED', reason);
      }
      keep([...current, value]);
    },
    remove_purpose: (_call, { self, value }) => {
      const current = purposes(self);
      if (current.includes(value)) keep(current.filter((purpose) => purpose !== value));
    },
  });
}

export const interfaceMessages = (): Implementation => implement(PIF, {});

export const hostMetricsMessages = (): Implementation => implement(HOST_METRICS, {});
