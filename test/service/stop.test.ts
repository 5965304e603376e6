/** An orderly stop: in time, with exit code 0, whoever holds a connection and whatever is under way. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { writePatternImage } from '../support/pattern-image.ts';
import { runProgram, ServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const PROGRAM = new URL('../../bin/rootcast', import.meta.url).pathname;

interface TaskAnswer {
  readonly kind: string;
  readonly state: string;
}

describe('an orderly end', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let service: ServiceProcess;

  beforeEach(async () => {
    folder = await temporaryFolder('stop');
    service = await ServiceProcess.start({
      arguments: [
        ...['--pxe-address', '127.0.0.1', '--pxe-http-port', '0'],
        ...['--pxe-tftp-enabled', 'false'],
      ],
    });
  });

  afterEach(async () => {
    await service.remove();
    await folder.remove();
  });

  test('of the service is not held up by connections that ask for nothing, or for half a thing', async () => {
    const sockets: Socket[] = [];
    for (const url of [service.http, service.boot]) {
      for (const text of ['', 'GET /v1/hea']) {
        const socket = connect(Number(new URL(url).port), '127.0.0.1');
        socket.on('error', () => {}); // cut off is what is wanted
        await new Promise<void>((resolve) => socket.once('connect', resolve));
        socket.write(text);
        sockets.push(socket);
      }
    }
    // Without a limit this waits until the test is taken to hang.
    expect(await service.stop()).toBe(0);
    for (const socket of sockets) socket.destroy();
  });

  test('of the service ends an import, of which nothing is left', async () => {
    const image = join(folder.path, 'large.img');
    writePatternImage(image, 1536 * 2 ** 20);
    await service.json('vdisk', 'import', image, '--name', 'large', '--no-wait');
    expect(await service.json<readonly TaskAnswer[]>('task', 'list')).toEqual([
      expect.objectContaining({ kind: 'vdisk.import', state: 'running' }),
    ]);
    expect(await service.stop()).toBe(0);
    expect(readdirSync(join(service.data, 'layers'))).toEqual([]);
    expect(service.volumes()).toEqual([]);
    service = await ServiceProcess.start({ data: service.data });
    expect(await service.json<readonly TaskAnswer[]>('task', 'list')).toEqual([
      expect.objectContaining({ kind: 'vdisk.import', state: 'failed' }),
    ]);
    expect(await service.json('vdisk', 'list')).toEqual([]);
  });

  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s at the CLI ends the import on the server, of which nothing is left',
    async (signal) => {
      const image = join(folder.path, 'large.img');
      writePatternImage(image, 1536 * 2 ** 20);
      const args = ['vdisk', 'import', image, '--name', 'large', '--json', '--data', service.data];
      const cli = spawn(PROGRAM, args, { stdio: ['ignore', 'pipe', 'pipe'] });
      const told: string[] = [];
      cli.stderr.on('data', (chunk: Buffer) => told.push(chunk.toString()));
      const exited = once(cli, 'exit');
      await once(cli.stderr, 'data'); // its first line of progress: it listens for the signal
      cli.kill(signal);
      const [code] = await exited;
      expect(told.join('')).toMatch(/cancelling ….*rootcast: CANCELLED: cancelled/s);
      expect(code).toBe(1);
      expect(cli.stdout.read()).toBeNull(); // JSON or nothing
      expect(await service.json<readonly TaskAnswer[]>('task', 'list')).toEqual([
        expect.objectContaining({ kind: 'vdisk.import', state: 'cancelled' }),
      ]);
      expect(readdirSync(join(service.data, 'layers'))).toEqual([]);
      expect(service.volumes()).toEqual([]);
    },
  );

  test('a full disk under the output of the CLI is an error in one line', async () => {
    const result = await runProgram('sh', [
      '-c',
      '"$0" events --data "$1" > /dev/full',
      PROGRAM,
      service.data,
    ]);
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/^rootcast: cannot write the result: ENOSPC[^\n]*\n$/);
    const head = await runProgram('sh', [
      '-c',
      '{ "$0" events --data "$1"; echo $? >&2; } | head -1',
      PROGRAM,
      service.data,
    ]);
    expect(head.stderr.trim()).toBe('0');
  });
});
