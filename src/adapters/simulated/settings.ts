import { ArrayError } from '../../errors/index.ts';
import {
  CAPABILITY_FLAGS,
  type CapabilityFlag,
  type CapabilitySet,
  type Connection,
  capabilities,
  type SettingField,
} from '../../repositories/index.ts';
import { DEFAULT_CAPACITY_BYTES, DEFAULT_PAGE_ITEMS } from './limits.ts';

const text = { type: 'text', secret: false, required: false } as const;
const integer = { type: 'integer', secret: false, required: false } as const;
const list = { type: 'list', secret: false, required: false } as const;

export const SETTINGS: readonly SettingField[] = [
  { ...text, name: 'target', required: true, description: 'Name of the simulated array.' },
  {
    ...integer,
    name: 'capacity',
    description: `Bytes of memory for what is written to it, when it is new (default ${DEFAULT_CAPACITY_BYTES}).`,
  },
  {
    ...list,
    name: 'without',
    description: 'Capability flags that this array shall not have, for instance groupSnapshot.',
  },
  {
    ...list,
    name: 'faults',
    description: 'What goes wrong: CALL FAULT [TIMES], for instance "createVolume lose 1".',
  },
  { ...list, name: 'portals', description: 'Names of its portals (default sim-a and sim-b).' },
  {
    name: 'enforceMasking',
    type: 'boolean',
    secret: false,
    required: false,
    description: 'A volume can be opened only by a host that it is mapped to (default false).',
  },
  {
    ...text,
    name: 'folder',
    description: 'Where it is kept when it is detached in order (default: nowhere).',
  },
  { ...text, name: 'peer', description: 'Name of the simulated array that it replicates with.' },
  { ...text, name: 'chapuser', description: 'CHAP user, where a mapping asks for one.' },
  { ...text, name: 'chappassword', secret: true, description: 'CHAP password.' },
  {
    ...integer,
    name: 'pageItems',
    description: `Items of one page of a list (default ${DEFAULT_PAGE_ITEMS}).`,
  },
];

export interface SimulatedSettings {
  readonly target: string;
  /** Bytes. */
  readonly capacity: number;
  readonly without: readonly CapabilityFlag[];
  readonly faults: readonly string[];
  readonly portals: readonly string[];
  readonly enforceMasking: boolean;
  readonly folder: string | undefined;
  readonly peer: string | undefined;
  readonly pageItems: number;
}

/** @throws ArrayError INVALID_ARGUMENT */
export function settingsOf({ settings }: Pick<Connection, 'settings'>): SimulatedSettings {
  const one = <T>(name: string, is: (value: unknown) => value is T, otherwise: T): T => {
    const value = settings[name];
    if (value === undefined) return otherwise;
    if (is(value)) return value;
    throw wrong(name, value);
  };
  const target = one('target', isText, '');
  if (target === '') throw wrong('target', settings['target']);
  return {
    target,
    capacity: one('capacity', isCount, DEFAULT_CAPACITY_BYTES),
    without: one('without', isList, []).map(flagOf),
    faults: one('faults', isList, []),
    portals: one('portals', isList, ['sim-a', 'sim-b']),
    enforceMasking: one('enforceMasking', (value) => typeof value === 'boolean', false),
    folder: settings['folder'] === undefined ? undefined : one('folder', isText, ''),
    peer: settings['peer'] === undefined ? undefined : one('peer', isText, ''),
    pageItems: one('pageItems', isCount, DEFAULT_PAGE_ITEMS),
  };
}

/** Every flag, but those that the settings take away, and what cannot be without them. */
export function capabilitiesOf({ without, peer }: SimulatedSettings): CapabilitySet {
  const off = new Set<CapabilityFlag>(without);
  for (const [flag, needed] of Object.entries(NEEDS)) {
    if (needed.every((each) => off.has(each))) off.add(flag as CapabilityFlag);
  }
  const replicates = (flag: CapabilityFlag): boolean => REPLICATION.includes(flag);
  const has = (flag: CapabilityFlag): boolean =>
    !off.has(flag) && !ABSENT.includes(flag) && (peer !== undefined || !replicates(flag));
  return capabilities(
    Object.fromEntries(CAPABILITY_FLAGS.map((flag) => [flag, has(flag) ? 'yes' : 'no'])),
  );
}

/** Taken away when all of these are: a revert needs a snapshot, fencing needs hosts. */
const NEEDS: Partial<Record<CapabilityFlag, readonly CapabilityFlag[]>> = {
  groupSnapshot: ['snapshot'],
  revert: ['snapshot'],
  changedBlocks: ['snapshot'],
  split: ['cloneLinked'],
  fence: ['maskIqn'],
  chap: ['maskIqn'],
  chapEnforced: ['maskIqn'],
  sessionInfo: ['maskIqn'],
  terminateSessions: ['maskIqn'],
};

const REPLICATION: readonly CapabilityFlag[] = [
  'replicate',
  'replicateNow',
  'failoverPlanned',
  'failoverForced',
  'replicateReverse',
  'replicateResync',
];

/** What it does not do: hosts have initiator names only, links are of one volume, and a test failover is a clone. */
const ABSENT: readonly CapabilityFlag[] = [
  'maskIp',
  'mutualChap',
  'replicateGroup',
  'failoverTest',
];

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) > 0;
const isList = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string');

function flagOf(name: string): CapabilityFlag {
  const flag = CAPABILITY_FLAGS.find((each) => each === name);
  if (flag === undefined) throw wrong('without', name);
  return flag;
}

function wrong(field: string, value: unknown): ArrayError {
  const description = SETTINGS.find(({ name }) => name === field)?.description ?? '';
  return new ArrayError('INVALID_ARGUMENT', `the setting ${field} cannot be that`, {
    field,
    value,
    expected: description,
  });
}
