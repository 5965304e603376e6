/** A LUN of tgtd, carved into volumes, keeps the contract of an array; with CHAP, so that a secret is at stake. */
import { iscsiAdapter } from '../../../src/adapters/iscsi/index.ts';
import { describeArrayControl } from '../../compliance/array-control.ts';
import { describeWith, program } from '../../support/requires.ts';
import { Tgtd } from '../../support/tgtd.ts';

const IQN = 'iqn.2026-01.test.rootcast:carved';
const LUN_BYTES = 256 * 2 ** 20;
const PASSWORD = 'a secret of twelve';

const PARTS = {
  log: { info: () => undefined, warn: () => undefined, error: () => undefined },
  clock: () => performance.now(),
};

describeWith([program('tgtd', 'tgt'), program('tgtadm', 'tgt')], 'a LUN', () => {
  describeArrayControl('a carved LUN of tgtd', async () => {
    const tgtd = await Tgtd.start();
    await tgtd.target(1, IQN);
    await tgtd.lun(1, 1, 'carved', { size: LUN_BYTES, thin: true });
    await tgtd.account('rootcast', PASSWORD);
    await tgtd.bindAccount(1, 'rootcast');
    await tgtd.open(1);
    const connection = {
      repositoryId: 'carved',
      settings: { target: tgtd.portal, targetIQN: IQN, LUNid: 1, chapuser: 'rootcast' },
      secrets: { chappassword: PASSWORD },
      initiatorName: 'iqn.2026-01.dev.rootcast:test',
    };
    let create = true;
    return {
      async attach() {
        const { signal } = new AbortController();
        const control = await iscsiAdapter.attach(connection, PARTS, { create, signal });
        create = false;
        const data = iscsiAdapter.openData(connection, PARTS, async (question) =>
          control.answer?.(question),
        );
        return { control, data };
      },
      secrets: [PASSWORD],
      dispose: () => tgtd.stop(),
    };
  });
});
