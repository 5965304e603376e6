/** tgtd keeps the contract of an array. Data by qemu's initiator. */
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tgtAdapter } from '../../../src/adapters/tgt/index.ts';
import { describeArrayControl } from '../../compliance/array-control.ts';
import { describeWith, findProgram, program } from '../../support/requires.ts';
import { QemuInitiator, TgtDaemon } from '../../support/tgt-daemon.ts';

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

describeWith(
  [program('tgtd', 'tgt'), program('tgtadm', 'tgt'), program('qemu-nbd', 'qemu-utils')],
  'tgt',
  () => {
    describeArrayControl('tgtd', async () => {
      const daemon = await TgtDaemon.start();
      const programs = join(daemon.folder, 'programs');
      const flag = join(daemon.folder, 'lose');
      await mkdir(programs);
      await writeFile(join(programs, 'tgtadm'), wrapper(findProgram('tgtadm') ?? '', flag));
      await chmod(join(programs, 'tgtadm'), 0o755);
      const path = process.env['PATH'] ?? '';
      process.env['PATH'] = `${programs}:${path}`;
      const adapter = tgtAdapter(() => new QemuInitiator(daemon.folder));
      const { ipcSocket, controlPort } = daemon;
      const connection = {
        repositoryId: 'tgt-test',
        settings: { folder: join(daemon.folder, 'volumes'), ipcSocket, controlPort },
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
  },
);
