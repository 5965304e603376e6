/** SR.probe and SR.probe_ext: looking at storage step by step, changing nothing. */
import type { ProbeView } from '../../../control/index.ts';
import type { Call, Handlers } from '../../call.ts';
import type { RecordOf, ValueOf } from '../../datamodel/description.ts';
import { SR } from '../../datamodel/sr.ts';
import type { PROBE_RESULT } from '../../datamodel/storage-records.ts';
import { withoutPasswords } from '../../device-config/passwords.ts';
import type { DeviceConfig, StorageType } from '../../device-config/storage-type.ts';
import { adapterKind, servedType } from '../../device-config/storage-types.ts';
import { missingIn, toDeviceConfig } from '../../device-config/translate.ts';
import { hasFact } from '../../projections/kept-facts.ts';
import { refOfSr } from '../../projections/repository-records.ts';
import type { Xen } from '../../xen.ts';
import { backendFailure } from '../../xen-error.ts';
import { listXml } from './probe-xml.ts';
import { checkHost } from './stored-sr.ts';
import { type GivenTarget, givenTarget, missingFailure, probeTarget } from './whole-target.ts';

/** Of ours: a choice is missing that XenServer has no words for. 90 ConfigDeviceMissing. */
const CHOICE_MISSING = 90;

export const probeSr =
  (xen: Xen): Handlers<typeof SR>['probe'] =>
  async (call, given) => {
    checkHost(given.host);
    const type = servedType(xen, given.type);
    const target = givenTarget(xen, type, given);
    if (target.missing !== undefined) {
      throw await missingFailure(xen, call, type, target, target.missing);
    }
    const { found, choose } = await looked(xen, call, type, target);
    if (choose !== null) {
      const values = found.map(({ value }) => value).join(', ');
      throw backendFailure(CHOICE_MISSING, `The request is missing ${choose}: one of ${values}`);
    }
    return listXml(found, target.config);
  };

/** By the labels of SRs that are known; without what SR.destroy has ended: it counts as nothing. */
async function looked(
  xen: Xen,
  call: Call,
  type: StorageType,
  target: GivenTarget,
): Promise<ProbeView> {
  const answer = await probeTarget(xen, call, type, target);
  const found = answer.found.map((one) => {
    if (one.holds === null) return one;
    const { repositoryId, name } = one.holds;
    if (hasFact(xen, 'SR', repositoryId, 'destroyed')) return { ...one, holds: null };
    return { ...one, holds: { repositoryId, name: known(xen, repositoryId)?.name_label ?? name } };
  });
  return { ...answer, found };
}

function known({ objects }: Xen, id: string): RecordOf<typeof SR> | undefined {
  return objects.find(SR.name, refOfSr(id)) as RecordOf<typeof SR> | undefined;
}

type Result = ValueOf<typeof PROBE_RESULT>;

export const probeSrExt =
  (xen: Xen): Handlers<typeof SR>['probe_ext'] =>
  async (call, given) => {
    checkHost(given.host);
    const type = servedType(xen, given.type);
    const target = givenTarget(xen, type, given);
    const { missing } = target;
    if (missing !== undefined && missing.choices === undefined) {
      throw await missingFailure(xen, call, type, target, missing);
    }
    const { found, choose } = await looked(xen, call, type, target);
    const adapter = adapterKind(xen, target.kind, type.name);
    // As it was given: with the names of secrets, never with their values.
    const shown = withoutPasswords(given.device_config, adapter, () => '');
    return found.map((one) => resultOf(xen, { type, given: shown, choose }, one));
  };

function resultOf(
  xen: Xen,
  asked: {
    readonly type: StorageType;
    readonly given: DeviceConfig;
    readonly choose: string | null;
  },
  { value, settings, description, size, holds }: ProbeView['found'][number],
): Result {
  const { type, given, choose } = asked;
  const chosen = choose === null ? {} : { ...settings, [choose]: value };
  const configuration = new Map([...given, ...toDeviceConfig(type, chosen)]);
  for (const [key, text] of configuration) if (text === '') configuration.delete(key);
  return {
    configuration,
    complete: missingIn(type, configuration) === undefined,
    sr: holds === null ? undefined : statOf(xen, holds, size, description),
    extra_info: new Map([
      ['description', description],
      ...(size === null ? [] : [['size', String(size)] as const]),
    ]),
  };
}

/** @param size of the storage, where a probe tells it; how much of it is free only an SR that is known can say */
function statOf(
  xen: Xen,
  { repositoryId, name }: NonNullable<ProbeView['found'][number]['holds']>,
  size: number | null,
  description: string,
): Result['sr'] {
  const sr = known(xen, repositoryId);
  const { physical_size: total = -1, physical_utilisation: used = -1 } = sr ?? {};
  return {
    uuid: repositoryId,
    name_label: name ?? '',
    name_description: sr?.name_description ?? description,
    free_space: total < 0 ? 0 : total - used,
    total_space: total < 0 ? (size ?? 0) : total,
    clustered: false,
    health: 'healthy',
  };
}
