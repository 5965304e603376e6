/**
 * What is measured of an SR. That is its space, each minute and whenever somebody looks, and what is in it. Requests
 * are counted by machine and export, not by repository: of those nothing is told here.
 */
import type { Handlers } from '../../call.ts';
import type { Ref, ValueOf } from '../../datamodel/description.ts';
import { SR } from '../../datamodel/sr.ts';
import type { DATA_SOURCE } from '../../datamodel/storage-records.ts';
import type { Xen } from '../../xen.ts';
import { xenError } from '../../xen-error.ts';

type DataSource = ValueOf<typeof DATA_SOURCE>;

function dataSources({ objects }: Xen, sr: Ref): readonly DataSource[] {
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
function requireSource(xen: Xen, sr: Ref, name: string): DataSource {
  const found = dataSources(xen, sr).find((source) => source.name_label === name);
  if (found === undefined) throw xenError('INVALID_VALUE', 'data_source', name);
  return found;
}

type DataSourceMessages = Pick<
  Handlers<typeof SR>,
  'get_data_sources' | 'query_data_source' | 'record_data_source' | 'forget_data_source_archives'
>;

export function dataSourceMessages(xen: Xen): DataSourceMessages {
  return {
    get_data_sources: (_call, { sr }) => dataSources(xen, sr),
    query_data_source: (_call, { sr, data_source: name }) => requireSource(xen, sr, name).value,
    record_data_source: (_call, { sr, data_source: name }) => {
      requireSource(xen, sr, name);
    },
    forget_data_source_archives: (_call, { sr, data_source: name }) => {
      requireSource(xen, sr, name);
    },
  };
}
