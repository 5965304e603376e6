/** The simulated array keeps the contract, with all it can do and with less. */
import { PLAIN } from '../../src/block/index.ts';
import type { CapabilityFlag, SettingValue } from '../../src/repositories/index.ts';
import { randomContent } from '../support/content.ts';
import { INITIATOR, SimulatedPeers } from '../support/simulated-arrays.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type ArraySubject, describeArrayControl } from './array-control.ts';
import { describeBlockDevice } from './block-device.ts';

const PASSWORD = 'open sesame';
const MEMORY = 256 * 1024 ** 2;
const host = { name: 'this-host', iqns: [INITIATOR], addresses: ['127.0.0.1'] };

function simulated(
  settings: Readonly<Record<string, SettingValue>>,
  rest: Partial<ArraySubject> = {},
): () => Promise<ArraySubject> {
  return async () => {
    const peers = new SimulatedPeers();
    const all = { capacity: MEMORY, pageItems: 3, ...settings };
    const array = () => peers.world.array('one');
    return {
      steps: 25,
      attach: () => peers.attach(all, { chappassword: PASSWORD }),
      foreign: async (name, size) => {
        const { id } = array().addVolume({ name, tag: undefined, thin: true, size });
        return { kind: 'volume', nativeId: id, name };
      },
      faults: {
        loseNextAnswer: () => array().faults.add('* lose 1'),
        failNext: (code) => array().faults.add(`* ${code} 1`),
      },
      ...rest,
    };
  };
}

const without = (...flags: CapabilityFlag[]) => ({ without: flags });

describeArrayControl('a simulated array', simulated({}, { manySnapshots: 300, steps: 100 }));
describeArrayControl(
  'a simulated array that masks and has a secret',
  simulated({ enforceMasking: true, chapuser: 'me' }, { host, secrets: [PASSWORD] }),
);
describeArrayControl(
  'a simulated array whose parents are pinned by their children',
  simulated(without('promoteDependents', 'revertKeepsNewer', 'multiAttach', 'resizeOnline')),
);
describeArrayControl(
  'a simulated array without groups, differences, and clones of volumes',
  simulated(without('groupSnapshot', 'changedBlocks', 'cloneFromVolume', 'split', 'fence')),
);
describeArrayControl(
  'a simulated array of plain volumes',
  simulated(without('snapshot', 'cloneLinked', 'cloneFull', 'maskIqn', 'thick', 'adopt')),
);
describeArrayControl(
  'a simulated array of thick volumes that cannot grow',
  simulated(without('thin', 'resizeOnline', 'resizeOffline', 'cloneFull')),
);
describeArrayControl('a slow simulated array', simulated({ faults: ['* delay=1'] }, { steps: 10 }));

describeArrayControl('a simulated array that is kept in a folder', async () => {
  const folder = await temporaryFolder('simulated');
  const settings = { capacity: MEMORY, folder: folder.path };
  // In another world each time, as after a restart of the program.
  const attach = () => new SimulatedPeers().attach(settings);
  return { attach, dispose: () => folder.remove(), steps: 20 };
});

for (const thin of [true, false]) {
  describeBlockDevice(`a ${thin ? 'thin' : 'thick'} volume of a simulated array`, async () => {
    const { control, data } = await new SimulatedPeers().attach();
    const size = 1024 * 1024 + 3 * 4096 + 512;
    const { locator } = await control.createVolume({ opId: 'a', tag: 'a', name: 'a', size, thin });
    const content = randomContent(size);
    const device = await data.open(locator, { write: true });
    await device.write(content, 0, PLAIN);
    return { device, content, dispose: () => control.close() };
  });
}
