/** An orderly stop: every accepted request is answered, then the service leaves with 0. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectNbd } from '../../src/nbd/client/index.ts';
import { patternBlock, writePatternImage } from '../support/pattern-image.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const BLOCKS = 2048;
const MACHINES = ['a', 'b', 'c'];

describe('SIGTERM under load', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let service: ServiceProcess;

  beforeAll(async () => {
    folder = await temporaryFolder('drain');
    writePatternImage(join(folder.path, 'base.img'), BLOCKS * 4096);
    service = await ServiceProcess.start({ arguments: ['--workers', '2'] });
    await service.json('vdisk', 'import', join(folder.path, 'base.img'), '--name', 'base');
    for (const [index, name] of MACHINES.entries()) {
      await service.json(
        'machine',
        'add',
        name,
        '--mac',
        `52:54:00:00:01:0${index}`,
        '--vdisk',
        'base',
      );
    }
  });

  afterAll(async () => {
    await service.remove();
    await folder.remove();
  });

  test('requests are answered or refused, none is lost, and what was acknowledged is there', async () => {
    const acknowledged = new Map<string, Set<number>>();
    const underWay = MACHINES.map(() => Promise.withResolvers<void>());
    const stopped = Promise.all(underWay.map(({ promise }) => promise)).then(() => service.stop());
    const clients = await Promise.all(
      MACHINES.map((name) => connectNbd(service.uri(`machine/${name}`))),
    );
    await Promise.all(
      clients.map(async (client, machine) => {
        const done = new Set<number>();
        acknowledged.set(MACHINES[machine] ?? '', done);
        const writes = Array.from({ length: BLOCKS }, (_, number) =>
          client
            .write(patternBlock(number, machine + 1), number * 4096, { fua: number % 64 === 0 })
            .then(
              () => done.add(number),
              (error: unknown) => expect(error).toMatchObject({ name: 'BlockError' }),
            ),
        );
        // The stop comes when every machine is in the middle of it.
        await Promise.all(writes.slice(0, 101));
        underWay[machine]?.resolve();
        await Promise.all(writes);
      }),
    );
    expect(await stopped).toBe(0);
    for (const done of acknowledged.values()) expect(done.size).toBeGreaterThan(100);

    service = await ServiceProcess.start({ data: service.data });
    for (const [machine, name] of MACHINES.entries()) {
      const client = await connectNbd(service.uri(`machine/${name}`));
      const got = Buffer.alloc(4096);
      for (const number of acknowledged.get(name) ?? []) {
        await client.read(got, number * 4096);
        if (!got.equals(patternBlock(number, machine + 1)))
          throw new Error(`${name}: block ${number} is lost`);
      }
      await client.disconnect();
    }
  });
});
