import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakePreparer } from '../control/support/fake-preparer.ts';
import { fakeService } from '../control/support/fake-service.ts';
import { type ServedCli, servedCli } from './served-cli.ts';

let preparer: FakePreparer;
let cli: ServedCli;
let folder: string;
beforeEach(async () => {
  preparer = new FakePreparer();
  cli = await servedCli(fakeService({ preparer }).control);
  folder = await mkdtemp(join(tmpdir(), 'rootcast-cli-'));
});
afterEach(async () => {
  await cli.close();
  await rm(folder, { recursive: true });
});

const SAID = `changed: /etc/hostname removed
note: a note
vDisk debian imported: 2.0 TiB, 1.0 GiB of data
`;

describe('vdisk import --prepare', () => {
  test('says what was changed in an image of the server', async () => {
    const line = 'vdisk import /images/a.qcow2 --name debian --prepare --install';
    expect(await cli.run(line)).toMatchObject({ code: 0, out: SAID });
    expect(preparer.asked).toMatchObject([{ path: '/images/a.qcow2', install: true }]);
  });

  test('and in one that is sent', async () => {
    await writeFile(join(folder, 'a.img'), 'an image');
    const line = 'vdisk import a.img --upload --name debian --prepare';
    expect(await cli.run(line, { cwd: folder })).toMatchObject({ code: 0, out: SAID });
    expect(preparer.asked).toMatchObject([{ install: false }]);
  });

  test('is what --install goes with', async () => {
    const { code, err } = await cli.run('vdisk import /a --name debian --install');
    expect([code, err]).toEqual([2, expect.stringContaining('--install goes with --prepare')]);
    expect(preparer.asked).toEqual([]);
  });
});
