/**
 * What a driver of XenServer is here: which of our adapters does its work, and what its device_config says in the words
 * of that adapter's settings. Every setting of the adapter is also a key of its own, under its own name.
 *
 * A key that nobody knows is refused, never passed over: it might have been what keeps a disk from being overwritten. Only
 * what clients of XenServer are known to send, and what changes nothing here, is ignored by name.
 */
import type { FaultCode } from '../../errors/index.ts';
import { type XenError, xenError } from '../xen-error.ts';

/** By key. Also of an adapter's settings, as text. */
export type DeviceConfig = ReadonlyMap<string, string>;

/** What XML says what a missing key could be (sm: nfs.py, BaseISCSI.py, LVHDoISCSISR.py, devscan.py). */
export type Choices = 'nfs-exports' | 'iscsi-target-iqns' | 'iscsi-target' | 'Devlist';

/** What device_config must have. */
export interface Need {
  /** Keys: one of them. */
  readonly oneOf: readonly string[];
  /** sm's XE_SR_ERRORCODES.xml. */
  readonly number: number;
  /** Absent: it can only be known. */
  readonly choices?: Choices;
}

export interface StorageType {
  /** Of SR.type and SM.type. */
  readonly name: string;
  readonly label: string;
  readonly description: string;
  /** Kinds of repositories (adapters) that may be behind it. */
  readonly kinds: readonly string[];
  /** Whether another server could reach the same storage. */
  readonly shared: boolean;
  /** In the order in which the driver asks for them. */
  readonly needs: readonly Need[];
  /** Beyond those that all have (features.ts). */
  readonly features: readonly string[];
  /** What its driver says where others say something else. By the control plane's code. */
  readonly failures: Partial<Readonly<Record<FaultCode, number>>>;
  /** Keys that have no setting of their own name, and what they are for. */
  readonly keys: ReadonlyMap<string, string>;
  /** Which of its kinds it is. @throws XenError VALUE_NOT_SUPPORTED */
  kindOf(config: DeviceConfig): string;
  /** As settings of the adapter, all as text; what is no setting either is still there. @throws XenError VALUE_NOT_SUPPORTED */
  toSettings(config: DeviceConfig): DeviceConfig;
  /** The other way round. */
  toDeviceConfig(settings: DeviceConfig): DeviceConfig;
}

/** @param value not given of what may be a secret */
export function refusedKey(key: string, reason: string, value = ''): XenError {
  return xenError('VALUE_NOT_SUPPORTED', key, value, reason);
}

/** What makes a setting, or several, of a key. @throws XenError VALUE_NOT_SUPPORTED */
export type Replacement = (value: string) => DeviceConfig;

export interface KeyRules {
  /** Settings that XenServer calls otherwise: by the key. */
  readonly renamed?: ReadonlyMap<string, string>;
  readonly ignored?: ReadonlySet<string>;
  readonly replaced?: ReadonlyMap<string, Replacement>;
}

/** What is said twice, by a key and by what another one stands for, is that of the later one. */
export function rewritten(config: DeviceConfig, rules: KeyRules): DeviceConfig {
  const settings = new Map<string, string>();
  for (const [key, value] of config) {
    const replace = rules.replaced?.get(key);
    if (replace !== undefined) for (const [name, text] of replace(value)) settings.set(name, text);
    else if (rules.ignored?.has(key) !== true) settings.set(rules.renamed?.get(key) ?? key, value);
  }
  return settings;
}

/** Settings under the names that XenServer has for them. */
export function renamedBack(settings: DeviceConfig, renamed: KeyRules['renamed']): DeviceConfig {
  const keys = new Map([...(renamed ?? [])].map(([key, name]) => [name, key]));
  return new Map([...settings].map(([name, value]) => [keys.get(name) ?? name, value]));
}

/** A type whose keys are settings, but for what the rules say. */
export function simpleType(
  type: Omit<StorageType, 'kindOf' | 'kinds' | 'toSettings' | 'toDeviceConfig'> & {
    readonly kind: string;
    readonly rules: KeyRules;
  },
): StorageType {
  const { kind, rules, ...rest } = type;
  return {
    ...rest,
    kinds: [kind],
    kindOf: () => kind,
    toSettings: (config) => rewritten(config, rules),
    toDeviceConfig: (settings) => renamedBack(settings, rules.renamed),
  };
}
