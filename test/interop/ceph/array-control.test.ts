/**
 * RBD on a real cluster keeps the contract of an array. Minutes, because a test makes some 25 calls of `rbd`, so only with
 * ROOTCAST_SLOW=1; data-path.test.ts and test/service/storage.test.ts meet a real cluster at each run.
 */
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeArrayControl } from '../../compliance/array-control.ts';
import { CephCluster } from '../../support/ceph-cluster.ts';
import { attachCeph, type CephRepository, cephConnection } from '../../support/ceph-repository.ts';
import { describeWith, findProgram, program, slow } from '../../support/requires.ts';

const NEEDS = [
  slow(),
  program('ceph-mon', 'ceph-mon'),
  program('ceph-osd', 'ceph-osd'),
  program('ceph-mgr', 'ceph-mgr'),
  program('rbd', 'ceph-common'),
  program('qemu-nbd', 'qemu-utils'),
];

/** Calls of `rbd` that change something. */
const CHANGING =
  'create|clone|cp|rm|mv|resize|flatten|image-meta set|image-meta remove|snap create|snap rm|snap rollback';

/**
 * Stands before the real `rbd`: when the file `lose` is there and the call changes something, it does it and dies
 * without an answer.
 */
const wrapper = (real: string, flag: string): string => `#!/bin/sh
case " $* " in
  ${CHANGING.split('|')
    .map((verb) => `*" ${verb} "*`)
    .join('|')})
    if [ -e ${flag} ]; then
      rm ${flag}
      ${real} "$@" >/dev/null 2>&1
      kill -9 $$
    fi ;;
esac
exec ${real} "$@"
`;

describeWith(NEEDS, 'ceph', () => {
  describeArrayControl('RBD', async () => {
    const cluster = await CephCluster.start({ manager: true });
    const programs = join(cluster.folder, 'programs');
    const flag = join(cluster.folder, 'lose');
    await mkdir(programs);
    const rbd = join(programs, 'rbd');
    await writeFile(rbd, wrapper(findProgram('rbd') ?? 'rbd', flag));
    await chmod(rbd, 0o755);
    const path = process.env['PATH'] ?? '';
    process.env['PATH'] = `${programs}:${path}`;
    const connection = await cephConnection(cluster, { cloneDepth: 3 });
    let current = 1;
    const place = (): string => `rbd/n${current}`;
    const attach = (number: number): Promise<CephRepository> =>
      attachCeph({ ...connection, settings: { ...connection.settings, namespace: `n${number}` } });
    // Every test has a namespace for itself: deleting what one has made is dozens of processes. The next one is made
    // ready meanwhile.
    const prepare = (number: number): Promise<CephRepository> => {
      const made = cluster.rbd('namespace', 'create', `rbd/n${number}`).then(() => attach(number));
      made.catch(() => undefined); // whoever takes it sees why
      return made;
    };
    let taken = false;
    let ready = prepare(current);
    let next: Promise<CephRepository> | undefined;
    return {
      attach() {
        if (taken) return attach(current);
        taken = true;
        next = ready.then(() => prepare(current + 1));
        next.catch(() => undefined);
        return ready;
      },
      async renew() {
        await rm(flag, { force: true });
        current += 1;
        ready = next ?? prepare(current);
        taken = false;
      },
      // But for the repository's own marker.
      isEmpty: async () => (await cluster.rbd('ls', place())).trim().split('\n').length <= 1,
      async dispose() {
        const spare = await (taken ? next : ready)?.catch(() => undefined);
        await spare?.close();
        process.env['PATH'] = path;
        await rm(flag, { force: true });
        await cluster.stop();
      },
      manySnapshots: 3,
      steps: 4,
      secrets: Object.values(connection.secrets),
      foreign: async (name: string, size: number) => {
        await cluster.rbd('create', `${place()}/${name}`, '--size', `${size}B`);
        const { id } = JSON.parse(
          await cluster.rbd('info', `${place()}/${name}`, '--format', 'json'),
        ) as {
          id: string;
        };
        return { kind: 'volume', nativeId: id, name } as const;
      },
      faults: {
        async loseNextAnswer() {
          await next?.catch(() => undefined); // it is not its answer that is to be lost
          await writeFile(flag, '');
        },
      },
    };
  });
});
