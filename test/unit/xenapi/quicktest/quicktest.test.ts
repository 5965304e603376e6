import { HOST_REF } from '../../../../src/xenapi/projections/site-records.ts';
import { XenError } from '../../../../src/xenapi/xen-error.ts';
import { VdiRig } from '../vdi/vdi-rig.ts';
import { quicktest } from './quicktest.ts';

quicktest('no wire', { images: false, tasks: false }, async () => {
  const rig = await VdiRig.open();
  return {
    call: rig.call,
    failureOf: (error) => (error instanceof XenError ? error.description : undefined),
    ...{ sr: await rig.sr('store'), host: HOST_REF },
    read: (vdi, offset, length) => rig.read(vdi, offset, length),
    write: (vdi, offset, bytes) => rig.write(vdi, offset, bytes),
    close: async () => {
      await rig.close();
      if (rig.rig.troubles.length > 0) throw new Error(rig.rig.troubles.join('\n'));
    },
  };
});
