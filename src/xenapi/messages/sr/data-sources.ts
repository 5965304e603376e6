/**
 * What is measured of an SR: its space, each minute and whenever somebody looks, what is in it, and what passes
 * between it and whoever uses it (rrd/).
 */
import type { Handlers } from '../../call.ts';
import type { Ref, ValueOf } from '../../datamodel/description.ts';
import type { DATA_SOURCE } from '../../datamodel/host-messages.ts';
import { SR } from '../../datamodel/sr.ts';
import type { Xen } from '../../xen.ts';
import { xenError } from '../../xen-error.ts';

type DataSource = ValueOf<typeof DATA_SOURCE>;

/** What passes: figures of the last seconds, which are kept for a while. */
export interface SrFigures {
  srSources(sr: Ref): readonly DataSource[];
  /** @throws XenError INVALID_VALUE */
  forget(name: string): void;
}

function spaceSources({ objects }: Xen, sr: Ref): readonly DataSource[] {
  const record = objects.require(SR, sr);
  const { physical_size: size, physical_utilisation: used, virtual_allocation, VDIs } = record;
  const source = (name: string, description: string, units: string, value: number): DataSource => ({
    ...{ name_label: name, name_description: description, units, value },
    ...{ enabled: true, standard: true, min: 0, max: Number.MAX_SAFE_INTEGER },
  });
  const sources = [
    source('virtual_allocation', 'Bytes of all VDIs, as they seem', 'B', virtual_allocation),
    source('vdis', 'VDIs in it', 'VDIs', VDIs.length),
  ];
  if (size < 0) return sources; // not measured yet
  return [
    source('physical_size', 'Bytes that it has', 'B', size),
    source('physical_utilisation', 'Bytes in use', 'B', used),
    source('free_space', 'Bytes that are free', 'B', Math.max(0, size - used)),
    ...sources,
  ];
}

/** @throws XenError INVALID_VALUE */
function requireSource(sources: readonly DataSource[], name: string): DataSource {
  const found = sources.find((source) => source.name_label === name);
  if (found === undefined) throw xenError('INVALID_VALUE', 'data_source', name);
  return found;
}

type DataSourceMessages = Pick<
  Handlers<typeof SR>,
  'get_data_sources' | 'query_data_source' | 'record_data_source' | 'forget_data_source_archives'
>;

export function dataSourceMessages(xen: Xen, figures: SrFigures | undefined): DataSourceMessages {
  const passing = (sr: Ref): readonly DataSource[] => figures?.srSources(sr) ?? [];
  const all = (sr: Ref): readonly DataSource[] => [...spaceSources(xen, sr), ...passing(sr)];
  return {
    get_data_sources: (_call, { sr }) => all(sr),
    query_data_source: (_call, { sr, data_source: name }) => requireSource(all(sr), name).value,
    record_data_source: (_call, { sr, data_source: name }) => {
      requireSource(all(sr), name);
    },
    forget_data_source_archives: (_call, { sr, data_source: name }) => {
      requireSource(all(sr), name);
      if (passing(sr).some((source) => source.name_label === name)) figures?.forget(name);
    },
  };
}
