/** Records of the server itself: one pool, one host, one network and the interface on it. */
import type { RecordOf, Ref, ValueOf } from '../datamodel/description.ts';
import { HOST } from '../datamodel/host.ts';
import { HOST_METRICS } from '../datamodel/host-metrics.ts';
import { NETWORK, type PURPOSE } from '../datamodel/network.ts';
import { PIF } from '../datamodel/pif.ts';
import { POOL } from '../datamodel/pool.ts';
import { emptyRecord } from '../objects/defaults.ts';
import type { AnyRecord } from '../objects/objects.ts';
import { refOf } from '../objects/refs.ts';
import type { XenSettings } from '../xen.ts';
import type { HostFacts, OwnInterface } from './host-facts.ts';
import { API_VERSION, softwareVersion, VENDOR } from './software-version.ts';

/** The id of each of them. */
export const THIS = 'this';

export const POOL_REF: Ref = refOf('pool', THIS);
export const HOST_REF: Ref = refOf('host', THIS);
export const METRICS_REF: Ref = refOf('host_metrics', THIS);
export const NETWORK_REF: Ref = refOf('network', THIS);
export const PIF_REF: Ref = refOf('PIF', THIS);

/** What is kept of an object: its uuid, and what clients have set. */
export interface Kept {
  readonly uuid: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface ServerFacts {
  readonly name: string;
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly host: HostFacts;
  readonly settings: XenSettings;
}

export function poolRecord(kept: Kept, server: ServerFacts): AnyRecord {
  const own: Partial<RecordOf<typeof POOL>> = {
    uuid: kept.uuid,
    master: HOST_REF,
    cpu_info: cpuInfo(server.host),
    restrictions: RESTRICTIONS,
  };
  return { ...emptyRecord(POOL), name_label: server.name, ...kept.fields, ...own };
}

/** What XenAPI has and this server has not; clients take what is not named for possible. */
const RESTRICTIONS: ReadonlyMap<string, string> = new Map(
  [
    'restrict_vtpm',
    'restrict_zstd_export',
    'restrict_wlb',
    'restrict_dmc',
    'restrict_gpu',
    'restrict_vgpu',
    'restrict_cifs',
  ].map((name) => [name, 'true']),
);

export function hostRecord(kept: Kept, server: ServerFacts): AnyRecord {
  const { host, settings, version } = server;
  const own: Partial<RecordOf<typeof HOST>> = {
    uuid: kept.uuid,
    API_version_major: API_VERSION.major,
    API_version_minor: API_VERSION.minor,
    API_version_vendor: VENDOR,
    API_version_vendor_implementation: new Map([['version', version]]),
    enabled: true,
    software_version: softwareVersion(version, host.release()),
    other_config: hostConfig(kept, server),
    cpu_info: cpuInfo(host),
    hostname: host.hostname(),
    address: settings.address,
    metrics: METRICS_REF,
    multipathing: true,
  };
  return { ...emptyRecord(HOST), name_label: server.name, ...kept.fields, ...own };
}

/** Clients' own keys, and when the host and this server were started, as xapi says it: seconds. */
function hostConfig(
  { fields }: Kept,
  { host, startedAt }: ServerFacts,
): ReadonlyMap<string, string> {
  const kept = (fields['other_config'] ?? new Map()) as ReadonlyMap<string, string>;
  const started = Math.floor(startedAt / 1000);
  return new Map([
    ...kept,
    ['agent_start_time', `${started}.`],
    ['boot_time', `${started - Math.floor(host.uptime())}.`],
  ]);
}

function cpuInfo(host: HostFacts): ReadonlyMap<string, string> {
  const cpus = host.cpus();
  const [first] = cpus;
  return new Map([
    ['cpu_count', String(cpus.length)],
    ['socket_count', '1'], // the system does not say it without its files
    ['modelname', first?.model ?? ''],
    ['speed', String(first?.speed ?? 0)],
  ]);
}

export function metricsRecord(kept: Kept, host: HostFacts, now: number): AnyRecord {
  const own: Partial<RecordOf<typeof HOST_METRICS>> = {
    uuid: kept.uuid,
    memory_total: host.totalMemory(),
    memory_free: host.freeMemory(),
    live: true,
    last_updated: now,
  };
  return { ...emptyRecord(HOST_METRICS), ...kept.fields, ...own };
}

export type Purpose = ValueOf<typeof PURPOSE>;

/** What the NBD server can do for a network. */
export function possiblePurposes({ tls, certificate }: XenSettings['nbd']): readonly Purpose[] {
  const secure: readonly Purpose[] = tls === 'off' || certificate === undefined ? [] : ['nbd'];
  return tls === 'required' ? secure : [...secure, 'insecure_nbd'];
}

export function networkRecord(kept: Kept, settings: XenSettings, own: OwnInterface | undefined) {
  const possible = possiblePurposes(settings.nbd);
  const chosen = kept.fields['purpose'] as readonly Purpose[] | undefined;
  return {
    ...emptyRecord(NETWORK),
    name_label: 'Management network',
    ...kept.fields,
    uuid: kept.uuid,
    bridge: own?.name ?? '',
    // Until somebody chose: the better one. What was chosen and cannot be done any more is not said.
    purpose: chosen?.filter((purpose) => possible.includes(purpose)) ?? possible.slice(0, 1),
  };
}

export function interfaceRecord(kept: Kept, own: OwnInterface | undefined): AnyRecord {
  const hasV4 = own?.ipv4 !== undefined;
  const record: Partial<RecordOf<typeof PIF>> = {
    uuid: kept.uuid,
    device: own?.name ?? '',
    network: NETWORK_REF,
    host: HOST_REF,
    MAC: own?.mac ?? '',
    currently_attached: own !== undefined,
    // Who gave it its address is not known: that it has one is.
    ip_configuration_mode: hasV4 ? 'Static' : 'None',
    IP: own?.ipv4?.address ?? '',
    netmask: own?.ipv4?.netmask ?? '',
    ipv6_configuration_mode: own === undefined || own.ipv6.length === 0 ? 'None' : 'Static',
    IPv6: own?.ipv6 ?? [],
    primary_address_type: hasV4 ? 'IPv4' : 'IPv6',
  };
  return { ...emptyRecord(PIF), ...kept.fields, ...record };
}
