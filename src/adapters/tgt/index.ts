/** The tgt adapter: an array with a LUN a volume, driven by tgtadm. Read first: tgt-control.ts, targets.ts. */
import type { Adapter } from '../../repositories/index.ts';
import { TGT_CAPABILITIES } from './capabilities.ts';
import { readSettings, TGT_ADAPTER, TGT_SETTINGS } from './settings.ts';
import { TgtControl } from './tgt-control.ts';
import { type MakeInitiator, TgtData } from './tgt-data.ts';
import { Tgtadm } from './tgtadm.ts';
import { VolumeStore } from './volume-store.ts';

export type { Initiator, MakeInitiator, OpenLun } from './tgt-data.ts';

/** @param makeInitiator for the data ports: one for each thread */
export function tgtAdapter(makeInitiator: MakeInitiator): Adapter {
  return {
    kind: TGT_ADAPTER,
    description: 'A Linux SCSI target daemon (tgtd) on this server',
    settings: TGT_SETTINGS,
    async probe(connection) {
      const settings = readSettings(connection);
      await new Tgtadm(settings).show('sys');
      const { folder } = settings;
      const repositoryId = await VolumeStore.repositoryOf(folder);
      const holds = repositoryId === undefined ? {} : { holds: { repositoryId } };
      const found = [
        { value: folder, description: `volumes in ${folder}`, settings: {}, ...holds },
      ];
      return { step: 'ready', choose: undefined, found, capabilities: TGT_CAPABILITIES };
    },
    attach: (connection, parts, options) => TgtControl.attach(connection, parts, options),
    openData: (connection, parts, ask) => new TgtData(connection, makeInitiator(parts), ask),
  };
}
