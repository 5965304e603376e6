/**
 * A service is killed while its `fallocate` has yet to punch a hole. The next service must not
 * acknowledge a write that this hole would then swallow.
 */
import { existsSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { connectNbd } from '../../src/nbd/client/index.ts';
import { patternBlock, writePatternImage } from '../support/pattern-image.ts';
import { describeWith, program } from '../support/requires.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** Long enough for a service to start and acknowledge a write, were it not to wait. */
const PUNCH_DELAY_SECONDS = 4;

async function until(path: string): Promise<void> {
  while (!existsSync(path)) await sleep(20);
}

describeWith([program('fallocate', 'util-linux')], 'a hole punched late', () => {
  test('by the program of a killed service takes no acknowledged write', async () => {
    const folder = await temporaryFolder('orphan');
    const [begun, over] = [join(folder.path, 'begun'), join(folder.path, 'over')];
    const slow = join(folder.path, 'fallocate');
    const steps = [
      '#!/bin/sh',
      `touch '${begun}'`,
      `sleep ${PUNCH_DELAY_SECONDS}`,
      `PATH='${process.env['PATH']}' fallocate "$@"`,
      `touch '${over}'`,
    ];
    await writeFile(slow, steps.join('\n'));
    await chmod(slow, 0o755);
    const image = join(folder.path, 'disk.raw');
    writePatternImage(image, 64 * 4096);
    const environment = { PATH: `${folder.path}:${process.env['PATH']}` };
    let service = await ServiceProcess.start({ environment });
    await service.json('vdisk', 'import', image, '--name', 'v');
    const machine = ['machine', 'add', 'm', '--mac', '52:54:00:00:00:01', '--vdisk', 'v'];
    await service.json(...machine, '--cache', 'server-persistent');
    const first = await connectNbd(service.uri('machine/m'));
    await first.write(Buffer.alloc(16 * 4096, 1), 0);
    await first.zero(0, 16 * 4096);
    await until(begun);
    await service.kill();
    first.destroy();

    service = await ServiceProcess.start({ data: service.data });
    const second = await connectNbd(service.uri('machine/m'));
    await second.write(patternBlock(3, 9), 3 * 4096);
    await until(over);
    const got = Buffer.alloc(4096);
    await second.read(got, 3 * 4096);
    expect(got.equals(patternBlock(3, 9))).toBe(true);
    await second.disconnect();
    await service.remove();
    await folder.remove();
  });
});
