import type { BlockDevice } from '../block/index.ts';
import { Fault } from '../errors/index.ts';
import type { ExportProvider, OpenExport } from '../exports/index.ts';

/**
 * A provider with one export, which is also the default export. The device is shared by all
 * connections and stays open: whoever made it closes it.
 */
export function singleExport(name: string, device: BlockDevice, description = ''): ExportProvider {
  const opened: OpenExport = {
    name,
    description,
    device,
    readOnly: !device.capabilities.write,
    close: () => Promise.resolve(),
  };
  return {
    list: () => [{ name, description }],
    open(asked) {
      if (asked === name || asked === '') return opened;
      throw new Fault('EXPORT_NOT_FOUND', `there is no export '${asked}'`);
    },
  };
}
