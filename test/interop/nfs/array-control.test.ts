/** An export of nfs-ganesha keeps the contract of an array, by either version of NFS. */
import { mkdir, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { nfsAdapter } from '../../../src/adapters/nfs/index.ts';
import { describeArrayControl } from '../../compliance/array-control.ts';
import { Ganesha } from '../../support/nfs-ganesha.ts';
import { describeWith, program, root } from '../../support/requires.ts';

const PARTS = {
  log: { info: () => undefined, warn: () => undefined, error: () => undefined },
  clock: () => performance.now(),
};

const NEEDS = [
  root(),
  program('ganesha.nfsd', 'nfs-ganesha'),
  program('rpcbind', 'rpcbind'),
  program('ip', 'iproute2'),
];

describeWith(NEEDS, 'NFS', () => {
  for (const version of ['3', '4'] as const) {
    describeArrayControl(`nfs-ganesha, version ${version}`, async () => {
      const ganesha = await Ganesha.start();
      const folder = join(ganesha.path(), 'repository');
      await mkdir(folder);
      const { server, port, mountPort } = ganesha;
      const serverpath = version === '3' ? folder : '/export/repository';
      const connection = {
        repositoryId: `nfs-${version}`,
        settings: { server, port, mountPort, nfsversion: version, serverpath },
        secrets: {},
        initiatorName: 'iqn.2026-01.dev.rootcast:test',
      };
      let create = true;
      return {
        async attach() {
          const { signal } = new AbortController();
          const control = await nfsAdapter.attach(connection, PARTS, { create, signal });
          create = false;
          return {
            control,
            data: nfsAdapter.openData(connection, PARTS, async (asked) => control.answer?.(asked)),
          };
        },
        async foreign(name: string, size: number) {
          const file = join(folder, `${name}.raw`);
          await writeFile(file, '');
          await truncate(file, size);
          const inode = (await stat(file)).ino.toString(16).padStart(16, '0');
          const nativeId = `${name}.raw`;
          return { kind: 'volume' as const, nativeId, name: nativeId, generation: inode };
        },
        dispose: () => ganesha.stop(),
      };
    });
  }
});
