/** tgtd keeps the contract of an array. Data by our initiator, put together as the service does; daemon.test.ts has qemu's. */
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { adapterOf } from '../../../src/service/storage/adapters.ts';
import { describeArrayControl } from '../../compliance/array-control.ts';
import { describeWith, findProgram, program } from '../../support/requires.ts';
import { Tgtd } from '../../support/tgtd.ts';

const INITIATOR = 'iqn.2026-01.dev.rootcast:test';

/** Stands before the real tgtadm: with the file `lose`, a call that changes something is done, and its answer lost. */
const wrapper = (real: string, flag: string): string => `#!/bin/sh
case " $* " in
  *" --op show"*) ;;
  *)
    if [ -e ${flag} ]; then
      rm ${flag}
      ${real} "$@" >/dev/null 2>&1
      kill -9 $$
    fi ;;
esac
exec ${real} "$@"
`;

describeWith([program('tgtd', 'tgt'), program('tgtadm', 'tgt')], 'tgt', () => {
  describeArrayControl('tgtd', async () => {
    const daemon = await Tgtd.start();
    const programs = join(daemon.folder, 'programs');
    const flag = join(daemon.folder, 'lose');
    await mkdir(programs);
    await writeFile(join(programs, 'tgtadm'), wrapper(findProgram('tgtadm') ?? '', flag));
    await chmod(join(programs, 'tgtadm'), 0o755);
    const path = process.env['PATH'] ?? '';
    process.env['PATH'] = `${programs}:${path}`;
    const adapter = adapterOf('tgt');
    if (adapter === undefined) throw new Error('the service has no tgt adapter');
    const { ipcSocket, controlPort } = daemon;
    const connection = {
      repositoryId: 'tgt-test',
      // Whoever is fenced waits that long for a path.
      settings: { folder: join(daemon.folder, 'volumes'), ipcSocket, controlPort, patience: 2 },
      secrets: {},
      initiatorName: INITIATOR,
    };
    const parts = {
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      clock: () => performance.now(),
    };
    return {
      async attach() {
        const { signal } = new AbortController();
        const control = await adapter.attach(connection, parts, { create: true, signal });
        const data = adapter.openData(connection, parts, async (question) =>
          control.answer?.(question),
        );
        return { control, data };
      },
      async dispose() {
        process.env['PATH'] = path;
        await rm(flag, { force: true });
        await daemon.stop();
      },
      host: { name: 'this-server', iqns: [INITIATOR], addresses: ['127.0.0.1'] },
      faults: { loseNextAnswer: () => writeFile(flag, '') },
    };
  });
});
