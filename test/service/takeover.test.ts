/**
 * A network that is half dead: it keeps what a machine has sent, and delivers it when the machine has long made a
 * new connection and written the same blocks again.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectNbd, type NbdClient } from '../../src/nbd/client/index.ts';
import { patternBlock, writePatternImage } from '../support/pattern-image.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

const BLOCKS = 64;
const [OLD, NEW] = [1, 2];

describe('a machine that connects again while its old connection still delivers', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let service: ServiceProcess;

  beforeAll(async () => {
    folder = await temporaryFolder('takeover');
    writePatternImage(join(folder.path, 'base.img'), BLOCKS * 4096);
    // Several workers: the old and the new connection meet in different ones.
    service = await ServiceProcess.start({ arguments: ['--workers', '3'] });
    await service.json('vdisk', 'import', join(folder.path, 'base.img'), '--name', 'base');
    const how = ['--vdisk', 'base', '--cache', 'server-persistent'];
    await service.json('machine', 'add', 'a', '--mac', '52:54:00:00:07:01', ...how);
  });

  afterAll(async () => {
    await service.remove();
    await folder.remove();
  });

  /** Writes old content that is kept on the way, then new content by another connection; then the old arrives. */
  async function late(first: string, second: string): Promise<{ block: Buffer; old: string }> {
    const proxy = await TcpProxy.start({ host: '127.0.0.1', port: service.nbdPort });
    const old = await connectNbd(service.uri(first).replace(/:\d+\//, `:${proxy.port}/`));
    let next: NbdClient | undefined;
    try {
      await old.write(patternBlock(0, OLD), 4096);
      proxy.stall();
      const kept = old.write(patternBlock(0, OLD), 0).then(
        () => 'answered',
        () => 'lost',
      );
      next = await connectNbd(service.uri(second));
      await next.write(patternBlock(0, NEW), 0);
      proxy.release();
      const block = Buffer.alloc(4096);
      const outcome = await kept;
      await next.read(block, 0);
      return { block, old: outcome };
    } finally {
      await next?.disconnect();
      await old.disconnect().catch(() => undefined);
      await proxy.stop();
    }
  }

  test('the old write is executed after the new one when the server cannot tell them apart', async () => {
    const { block, old } = await late('machine/a', 'machine/a');
    expect(old).toBe('answered');
    expect(block.equals(patternBlock(0, OLD))).toBe(true);
  });

  test('the old write is never executed when the machine names its connections', async () => {
    for (let round = 1; round <= 10; round++) {
      const run = `machine/a@life.${round}`;
      const { block, old } = await late(`${run}1`, `${run}2`);
      expect(old).toBe('lost');
      expect(block.equals(patternBlock(0, NEW))).toBe(true);
    }
  });

  test('a client that always asks for the same name is safe, too', async () => {
    const { block, old } = await late('machine/a@vm', 'machine/a@vm');
    expect(old).toBe('lost');
    expect(block.equals(patternBlock(0, NEW))).toBe(true);
  });

  test('several connections of one session serve at the same time, in several workers', async () => {
    const names = Array.from({ length: 6 }, () => service.uri('machine/a@many.1'));
    const together = await Promise.all(names.map((uri) => connectNbd(uri)));
    await Promise.all(
      together.map((client, index) => client.write(patternBlock(index, NEW), index * 4096)),
    );
    const { connections } = await service.json<{ connections: unknown[] }>('machine', 'show', 'a');
    expect(connections).toHaveLength(together.length);
    // The next one is alone when it is let in.
    const next = await connectNbd(service.uri('machine/a@many.2'));
    const got = Buffer.alloc(4096);
    for (const index of together.keys()) {
      await next.read(got, index * 4096);
      expect(got.equals(patternBlock(index, NEW))).toBe(true);
    }
    for (const client of together) {
      await expect(client.read(got, 0)).rejects.toMatchObject({ name: 'BlockError' });
    }
    await until('the older ones are gone', async () => {
      const shown = await service.json<{ connections: unknown[] }>('machine', 'show', 'a');
      return shown.connections.length === 1;
    });
    await expect(connectNbd(service.uri('machine/a@many.1'))).rejects.toThrow();
    await next.disconnect();
  });
});
