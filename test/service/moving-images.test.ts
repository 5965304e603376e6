/** Versions leave a real service as images that other programs read, and images come in a request. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  contentsOf,
  diskOf,
  showVdisk,
  type TaskAnswer,
  type VdiskAnswer,
  writeVersion,
} from '../support/moving-images.ts';
import { patternBlock, writePatternImage } from '../support/pattern-image.ts';
import { describeWith, program } from '../support/requires.ts';
import { runProgram, ServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const SIZE = 24 * 2 ** 20;
const PROGRAM = new URL('../../bin/rootcast', import.meta.url).pathname;

let service: ServiceProcess;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const at = (name: string): string => join(folder.path, name);

beforeAll(async () => {
  folder = await temporaryFolder('moving-images');
  writePatternImage(at('base.img'), SIZE);
  service = await ServiceProcess.start();
  await service.json('vdisk', 'import', at('base.img'), '--name', 'base');
  await writeVersion(service, 'base', async (client) => {
    for (const block of [3, 700, 5000]) await client.write(patternBlock(block, 9), block * 4096);
    await client.zero(1024 * 1024, 2 ** 20);
  });
});

afterAll(async () => {
  await service.remove();
  await folder.remove();
});

const urlOf = (path: string): string => `${service.http}/v1${path}`;
const authorization = (): string => `Bearer ${service.token}`;

async function expectAtRest(): Promise<void> {
  await expect
    .poll(async () => (await showVdisk(service, 'base')).versions.map(({ inUse }) => inUse))
    .toEqual([false, false]);
  expect(contentsOf(service).uploads).toEqual([]);
}

describeWith([program('qemu-img', 'qemu-utils')], 'a version that is exported', () => {
  test.each([
    ['raw', 'raw', '2', []],
    ['qcow2', 'qcow2', '2', []],
    ['qcow2', 'qcow2', '1', ['--no-compress']],
    ['vhd', 'vpc', '2', []],
  ] as const)('as %s is what its machines read: %s %s %s', async (format, qemu, number, more) => {
    for (const [name, ...where] of [['here'], ['there', '--on-server']]) {
      const path = at(`${name}-${number}-${more.length}.${format}`);
      const line = ['vdisk', 'export', 'base', path, '--version', number, '--format', format];
      await service.json(...line, ...more, ...where);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      const raw = at('converted.raw');
      const converted = await runProgram('qemu-img', [
        ...['convert', '-f', qemu, '-O', 'raw', path, raw],
      ]);
      expect(converted).toMatchObject({ code: 0 });
      const disk = await diskOf(service, `vdisk/base/${number}`);
      expect(readFileSync(raw).equals(disk)).toBe(true);
    }
    await expectAtRest();
  });

  test('to standard output is the same', async () => {
    const path = at('piped.qcow2');
    const line = 'vdisk export base - --version 2 --format qcow2';
    const { code } = await runProgram('sh', [
      ...['-c', `"$0" ${line} --data "$1" > "$2"`, PROGRAM, service.data, path],
    ]);
    expect(code).toBe(0);
    await service.json('vdisk', 'export', 'base', at('filed.qcow2'), '--version', '2');
    expect(readFileSync(path).equals(readFileSync(at('filed.qcow2')))).toBe(true);
  });
});

describe('a version that is exported', () => {
  test('as what differs from another stands beside it, and is that version again', async () => {
    for (const [number, ...more] of [['1'], ['2', '--parent', '1']] as const) {
      const line = ['vdisk', 'export', 'base', at(`base-${number}.vhd`), '--version', number];
      await service.json(...line, ...more);
    }
    expect(statSync(at('base-2.vhd')).size).toBeLessThan(statSync(at('base-1.vhd')).size / 2);
    const name = 'differences';
    const { versions } = await service.json<VdiskAnswer>(
      ...['vdisk', 'import', at('base-2.vhd'), '--name', name],
    );
    const [, second] = (await showVdisk(service, 'base')).versions;
    expect(versions[0]?.contentId).toBe(second?.contentId);
    await service.json('vdisk', 'delete', name);
  });

  test('says its length and name before it comes', async () => {
    const url = urlOf('/vdisks/base/versions/1/content?format=raw');
    const response = await fetch(url, { headers: { authorization: authorization() } });
    expect(response.headers.get('content-length')).toBe(String(SIZE));
    expect(response.headers.get('content-disposition')).toBe('attachment; filename="base-1.img"');
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(bytes.equals(readFileSync(at('base.img')))).toBe(true);
  });

  test('is not read any more when whoever takes it is gone', async () => {
    const request = httpRequest(urlOf('/vdisks/base/versions/2/content?format=raw'), {
      headers: { authorization: authorization() },
    });
    request.on('error', () => undefined);
    request.end();
    // It is not read: what does not fit into sockets waits in the service.
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    expect((await showVdisk(service, 'base')).versions[1]?.inUse).toBe(true);
    response.destroy();
    await expectAtRest();
  });

  test('is ended by Ctrl-C, and nothing of it stays', async () => {
    // Nobody reads standard output: the command waits in the middle.
    const child = spawn(PROGRAM, [
      ...['vdisk', 'export', 'base', '-', '--format', 'raw', '--data', service.data],
    ]);
    await once(child.stdout, 'readable');
    child.kill('SIGINT');
    child.stdout.resume();
    const [code] = await once(child, 'exit');
    expect(code).toBe(1);
    await expectAtRest();
  });

  test('does not go into the data folder, nor over a file that is there', async () => {
    const inside = join(service.data, 'repository', 'x.img');
    const refused = await service.cli('vdisk', 'export', 'base', inside, '--on-server');
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toContain('data folder');
    writeFileSync(at('taken.img'), 'mine');
    for (const where of [[], ['--on-server']]) {
      const { code } = await service.cli('vdisk', 'export', 'base', at('taken.img'), ...where);
      expect(code).not.toBe(0);
    }
    expect(await readFile(at('taken.img'), 'utf8')).toBe('mine');
    expect((await readdir(folder.path)).filter((name) => name.endsWith('.partial'))).toEqual([]);
  });
});

describe('an image that is uploaded', () => {
  test('is the same vDisk as one that is imported where it lies', async () => {
    const { versions } = await service.json<VdiskAnswer>(
      ...['vdisk', 'import', at('base.img'), '--upload', '--name', 'uploaded'],
    );
    const [first] = (await showVdisk(service, 'base')).versions;
    expect(versions[0]?.contentId).toBe(first?.contentId);
    expect(contentsOf(service).uploads).toEqual([]);
    await service.json('vdisk', 'delete', 'uploaded');
  });

  test('may come from a pipe', async () => {
    await service.json('vdisk', 'export', 'base', at('up.qcow2'), '--version', '2');
    const line = 'vdisk import - --upload --name piped';
    const { code, stderr } = await runProgram('sh', [
      ...['-c', `"$0" ${line} --data "$1" < "$2"`, PROGRAM, service.data, at('up.qcow2')],
    ]);
    expect({ code, stderr: stderr.includes('Error') }).toEqual({ code: 0, stderr: false });
    const [, second] = (await showVdisk(service, 'base')).versions;
    expect((await showVdisk(service, 'piped')).versions[0]?.contentId).toBe(second?.contentId);
    await service.json('vdisk', 'delete', 'piped');
  });

  test('that is no image is refused, and nothing stays', async () => {
    const before = contentsOf(service);
    const broken = Buffer.concat([Buffer.from([0x51, 0x46, 0x49, 0xfb]), Buffer.alloc(100, 0xff)]);
    writeFileSync(at('broken.qcow2'), broken);
    const line = ['vdisk', 'import', at('broken.qcow2'), '--upload', '--name', 'broken'];
    const refused = await service.cli(...line);
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toMatch(/IMAGE_(INVALID|UNSUPPORTED)/);
    expect(contentsOf(service)).toEqual(before);
  });

  test('of which the sender vanishes in the middle leaves nothing', async () => {
    const before = contentsOf(service);
    const request = httpRequest(urlOf('/vdisks/upload?name=half'), {
      method: 'POST',
      headers: {
        authorization: authorization(),
        ...{ 'content-type': 'application/octet-stream', 'content-length': String(SIZE) },
      },
    });
    request.on('error', () => undefined);
    request.write(readFileSync(at('base.img')).subarray(0, SIZE / 2));
    const tasks = () => service.json<readonly TaskAnswer[]>('task', 'list');
    const half = async () => (await tasks()).find(({ subject }) => subject === 'vdisk/half');
    await expect.poll(async () => (await half())?.state).toBe('running');
    await expect.poll(() => contentsOf(service).uploads.length).toBe(1);
    request.destroy();
    await expect.poll(async () => (await half())?.state).toBe('cancelled');
    expect(contentsOf(service)).toEqual(before);
  });

  test('which a kill of the service interrupts is gone at the next start', async () => {
    const before = contentsOf(service);
    const request = httpRequest(urlOf('/vdisks/upload?name=half'), {
      method: 'POST',
      headers: { authorization: authorization(), 'content-type': 'application/octet-stream' },
    });
    request.on('error', () => undefined);
    request.write(Buffer.alloc(100_000, 7));
    await expect.poll(() => contentsOf(service).uploads.length).toBe(1);
    await service.kill();
    service = await ServiceProcess.start({ data: service.data });
    expect(contentsOf(service)).toEqual(before);
    const tasks = await service.json<readonly TaskAnswer[]>('task', 'list');
    expect(tasks[0]).toMatchObject({ kind: 'vdisk.import', state: 'failed' });
  });
});
