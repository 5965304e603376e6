/** The array that the control plane believes to have, where it has FakeStorage. */
import type { AdapterKind, StoredVolume } from '../../src/control/index.ts';
import { type ArrayInfo, type CheckReport, capabilities } from '../../src/repositories/index.ts';

const GRANULARITY = 2 ** 20;

export const KIND: AdapterKind = {
  kind: 'iscsi',
  description: 'LUNs of an iSCSI target',
  settings: [
    setting('target', 'text', true, 'address of the target, as 192.0.2.1:3260'),
    setting('targetIQN', 'text', false, 'name of the target'),
    setting('port', 'integer', false, 'TCP port; 3260 unless given'),
    setting('digests', 'boolean', false, 'whether data has checksums'),
    setting('portals', 'list', false, 'addresses of its portals'),
    setting('chapuser', 'text', false, 'user of CHAP'),
    setting('chappassword', 'text', false, 'password of CHAP', true),
  ],
};

function setting(
  name: string,
  type: 'text' | 'integer' | 'boolean' | 'list',
  required: boolean,
  description: string,
  secret = false,
) {
  return { name, type, required, secret, description } as const;
}

export const CAN = capabilities({ thin: 'yes', snapshot: 'emulated', resizeOnline: 'yes' });

export function infoOf(sizeMaximum = 2 ** 44): ArrayInfo {
  const sizes = { sizeGranularity: GRANULARITY, sizeMinimum: GRANULARITY, sizeMaximum };
  return {
    ...{ vendor: 'Fake', product: 'Array', version: '1', serial: '7' },
    capabilities: CAN,
    limits: { ...sizes, nameLength: 64 },
  };
}

export const WHOLE: CheckReport = {
  ...{ clean: true, repaired: false, attached: false, findings: [], volumes: 2 },
  ...{ repositoryId: 'r-old', owner: 'iqn.2026-01.test:server', extents: { total: 90, mapped: 7 } },
};

/** As that array keeps it: rounded up. */
export function stored(volumeId: string, size: number, thin: boolean): StoredVolume {
  const rounded = Math.ceil(size / GRANULARITY) * GRANULARITY;
  return { handle: { volumeId, size: rounded }, size: rounded, thin, wwid: `naa.${volumeId}` };
}
