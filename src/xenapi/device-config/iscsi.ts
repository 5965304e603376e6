/** sm LVHDoISCSISR.py, BaseISCSI.py: a LUN of an iSCSI target, carved into volumes. */
import { CARVED_KEYS, CARVED_RULES } from './carved.ts';
import { type KeyRules, simpleType } from './storage-type.ts';

const RULES: KeyRules = {
  ...CARVED_RULES,
  // Which portals are paths is said by `target` and `portals`; sessions are ours, not those of open-iscsi.
  ignored: new Set([...CARVED_RULES.ignored, 'multihomed', 'usediscoverynumber', 'force_tapdisk']),
};

const type = (name: string, label: string) =>
  simpleType({
    ...{ name, label, kind: 'iscsi', shared: true, rules: RULES, keys: CARVED_KEYS },
    description: 'A LUN of an iSCSI target. One SR for each LUN.',
    features: ['SR_MULTIPATH'],
    // 141 ISCSITarget, 68 ISCSILogin, 19 InvalidDev
    failures: { UNREACHABLE: 141, PERMISSION_DENIED: 68, NOT_FOUND: 19 },
    needs: [
      { oneOf: ['target'], number: 95 },
      { oneOf: ['targetIQN'], number: 96, choices: 'iscsi-target-iqns' },
      { oneOf: ['SCSIid', 'LUNid'], number: 107, choices: 'iscsi-target' },
    ],
  });

export const ISCSI_TYPES = [
  type('lvmoiscsi', 'iSCSI'),
  type('lvhdoiscsi', 'iSCSI (as lvmoiscsi)'),
  type('iscsi', 'iSCSI (as lvmoiscsi)'),
];
