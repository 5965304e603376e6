/** An iSCSI LUN as a block device, against a small target that negotiates differently each time. The real tgtd: test/interop/iscsi. */
import { IscsiDataPort, type IscsiOpen } from '../../src/iscsi/index.ts';
import { IscsiTarget, type TargetScript } from '../support/iscsi-target.ts';
import { type DiskOptions, TargetDisk } from '../support/iscsi-target-disk.ts';
import { describeBlockDevice } from './block-device.ts';

const QUIET = { info() {}, warn() {} };
const SIZE = 128 * 1024;

interface Variant {
  readonly script?: TargetScript;
  readonly disk?: Partial<DiskOptions>;
  readonly open?: Partial<IscsiOpen>;
}

function variant(name: string, { script, disk, open }: Variant): void {
  describeBlockDevice(`an iSCSI LUN: ${name}`, async () => {
    const target = await IscsiTarget.start(new TargetDisk({ size: SIZE, ...disk }), script);
    const port = new IscsiDataPort({ log: QUIET });
    const device = await port.open({
      portals: [target.portal],
      iqn: 'iqn.2026-01.test:target',
      lun: 1,
      initiatorName: 'iqn.2026-01.test:initiator',
      write: true,
      ...open,
    });
    return {
      device,
      content: Buffer.alloc(SIZE),
      async dispose() {
        await port.close();
        await target.stop();
      },
    };
  });
}

variant('thin, immediate and unsolicited data', { disk: { thin: true } });
variant('digests, everything asked for by R2T, short bursts, blocks of 4096 bytes', {
  script: {
    keys: {
      InitialR2T: 'Yes',
      ImmediateData: 'No',
      FirstBurstLength: '512',
      MaxBurstLength: '3072',
      MaxRecvDataSegmentLength: '1024',
    },
  },
  disk: { blockSize: 4096 },
  open: { headerDigest: true, dataDigest: true },
});
variant('old: ten-byte commands, no WRITE SAME, no FUA, no word about a cache', {
  script: { keys: { InitialR2T: 'Yes' } },
  disk: {
    lacks: ['read-capacity-16', 'write-same-16', 'synchronize-cache-10'],
    fua: false,
    writeCache: undefined,
  },
});
