/** libnbd's own tests of extended headers, unmodified, with our server where they start qemu-nbd. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { startNbdServer } from '../../support/nbd-server-process.ts';
import { describeWith, findProgram, program } from '../../support/requires.ts';
import { run, succeed } from '../../support/run-program.ts';
import { SOURCE_NEEDS, sourceTree } from '../../support/source-trees.ts';

const WRAPPER = new URL('./as-qemu-nbd.ts', import.meta.url).pathname;

const needs = [
  ...SOURCE_NEEDS,
  program('qemu-nbd', 'qemu-utils'),
  program('qemu-img', 'qemu-utils'),
];

describeWith(needs, 'libnbd with extended headers', () => {
  let tree: string;
  let folder: string;

  beforeAll(async () => {
    tree = sourceTree('libnbd');
    folder = mkdtempSync(join(tmpdir(), 'rootcast-libnbd-'));
    // The tests call `qemu-nbd` by its name.
    const stand = join(folder, 'qemu-nbd');
    writeFileSync(stand, `#!/bin/sh\nexec '${process.execPath}' '${WRAPPER}' "$@"\n`);
    chmodSync(stand, 0o755);
    const programs = ['opt-extended-headers', 'block-status-64', 'block-status-payload'];
    await succeed('make', ['-s', '-C', join(tree, 'interop'), ...programs]);
  }, 600_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each([
    'opt-extended-headers',
    'block-status-64',
    'block-status-payload',
    'strict-mode-auto-flag',
  ])('%s', async (name) => {
    const real = findProgram('qemu-nbd');
    const env = {
      PATH: `${folder}:${process.env['PATH']}`,
      srcdir: '.',
      ...(real === undefined ? {} : { QEMU_NBD_REAL: real }),
    };
    // 77 would be a test that skipped itself: succeed() takes nothing but 0.
    await succeed(join(tree, 'run'), ['bash', `./${name}.sh`], {
      env,
      cwd: join(tree, 'interop'),
      timeout: 30_000,
    });
  });

  test('nbdinfo and nbdcopy of libnbd 1.22 negotiate them, over TCP', async () => {
    const server = await startNbdServer();
    onTestFinished(async () => expect(await server.stop()).toBe(0));
    const uri = `nbd://127.0.0.1:${server.port}/read-only`;
    const tool = (...args: string[]) => run(join(tree, 'run'), args);
    expect((await tool('nbdinfo', '--can', 'extended-headers', uri)).code).toBe(0);
    const map = await tool('nbdinfo', '--map', '--json', uri.replace('read-only', 'huge'));
    expect(JSON.parse(map.stdout)).toMatchObject([{ offset: 0, length: 2 ** 46, type: 3 }]);
    const copy = join(folder, 'copy.img');
    expect((await tool('nbdcopy', uri, copy)).code).toBe(0);
    const compare = ['compare', '-f', 'raw', '-F', 'raw', copy, uri];
    await succeed('qemu-img', compare);
  });
});
