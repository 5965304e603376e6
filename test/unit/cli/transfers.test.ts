/** Commands that bring and take images and bundles, against a listening API over memory. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildApi } from '../../../src/api/index.ts';
import { type CliIo, runCli } from '../../../src/cli/index.ts';
import {
  beginVersion,
  demoteVersion,
  listVdisks,
  sealVersion,
} from '../../../src/control/index.ts';
import { Fault } from '../../../src/errors/index.ts';
import { type FakeService, fakeService, withVdisk } from '../control/support/fake-service.ts';
import { type FakeIo, fakeIo } from './fake-io.ts';

const TOKEN = 'cli-token';

let service: FakeService;
let app: FastifyInstance;
let server: string;
let folder: string;
beforeEach(async () => {
  service = fakeService({ consolidateBeyond: 0 });
  await withVdisk(service);
  app = buildApi({ control: service.control, token: TOKEN });
  server = await app.listen({ port: 0, host: '127.0.0.1' });
  folder = await mkdtemp(join(tmpdir(), 'rootcast-cli-'));
});
afterEach(async () => {
  await app.close();
  await rm(folder, { recursive: true });
});

function connected(options: Partial<CliIo> = {}): FakeIo {
  return fakeIo({
    env: { ROOTCAST_SERVER: server, ROOTCAST_TOKEN: TOKEN },
    cwd: folder,
    ...options,
  });
}

async function run(line: string, io: FakeIo = connected()) {
  const code = await runCli(line.split(' '), io);
  return { code, out: io.out, err: io.err, bytes: io.bytes };
}

const inFolder = (name: string): Promise<string> => readFile(join(folder, name), 'utf8');

describe('vdisk export', () => {
  test('writes a file of this machine, whole and for its owner alone', async () => {
    expect(await run('vdisk export debian d.vhd')).toMatchObject({
      code: 0,
      out: `${join(folder, 'd.vhd')}: 8 B\n`,
    });
    expect(await inFolder('d.vhd')).toBe('an image');
    expect((await stat(join(folder, 'd.vhd'))).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['d.vhd']);
    expect(service.transfers.exported).toMatchObject([{ format: 'vhd', parent: undefined }]);
  });

  test('takes what machines boot, or the version that is named', async () => {
    beginVersion(service.control, 'debian', {});
    const id = service.control.catalog.versions.inMaintenance()[0]?.id ?? '';
    const overlay = { layerId: 'layer-1', usedBytes: 4096, isOpen: false };
    service.dataPlane.overlays.set(id, overlay); // it was booted
    const task = sealVersion(service.control, 'debian', 2);
    await service.control.tasks.settled(task.id);
    await run('vdisk export debian one.img');
    await run('vdisk export debian two --version 2 --format vhd --parent 1 --parent-file b.vhd');
    await run('vdisk export debian three.qcow2 --version 2 --no-compress');
    expect(service.transfers.exported).toMatchObject([
      { layerId: 'layer-1', format: 'raw' },
      { layerId: 'layer-2', format: 'vhd', parent: { fileName: 'b.vhd' } },
      { layerId: 'layer-2', format: 'qcow2', compress: false },
    ]);
    demoteVersion(service.control, 'debian', 1);
    expect(await run('vdisk export debian four.img')).toMatchObject({
      code: 2,
      err: expect.stringContaining('give --version'),
    });
  });

  test('leaves holes where the disk is empty', async () => {
    const parts = ['begin', Buffer.alloc(4 * 2 ** 20), 'end', Buffer.alloc(2 ** 20)];
    const whole = Buffer.concat(parts.map((part) => Buffer.from(part)));
    service.transfers.exportStream = async () => ({
      length: whole.length,
      pieces: (async function* () {
        for (const part of parts) yield Buffer.from(part);
      })(),
      close: async () => undefined,
    });
    expect((await run('vdisk export debian d.img')).code).toBe(0);
    expect((await readFile(join(folder, 'd.img'))).equals(whole)).toBe(true);
    expect((await stat(join(folder, 'd.img'))).blocks * 512).toBeLessThan(2 ** 20);
  });

  test('writes to standard output and nothing else', async () => {
    const { code, out, bytes } = await run('vdisk export debian -');
    expect({ code, out, bytes: bytes.toString() }).toEqual({ code: 0, out: '', bytes: 'an image' });
    const closed = connected({ writeBytes: () => Promise.reject(new Error('EPIPE')) });
    expect(await run('vdisk export debian -', closed)).toMatchObject({
      code: 1,
      err: expect.stringContaining('standard output: EPIPE'),
    });
  });

  test('replaces a file only if it is told to, and is not begun otherwise', async () => {
    await writeFile(join(folder, 'd.img'), 'before');
    expect((await run('vdisk export debian d.img')).code).toBe(2);
    expect(service.transfers.exported).toEqual([]);
    expect(await inFolder('d.img')).toBe('before');
    expect((await run('vdisk export debian d.img --overwrite')).code).toBe(0);
    expect(await inFolder('d.img')).toBe('an image');
  });

  test('leaves nothing of what breaks off, and says so', async () => {
    service.transfers.exportStream = async () => ({
      length: 8,
      pieces: (async function* () {
        yield Buffer.from('an ');
        throw new Fault('UNAVAILABLE', 'the disk is away');
      })(),
      close: async () => undefined,
    });
    const { code, err } = await run('vdisk export debian d.img');
    expect({ code, said: err.includes('broke off before the end') }).toEqual({
      code: 3,
      said: true,
    });
    expect(await readdir(folder)).toEqual([]);
    service.transfers.fail = new Fault('IMAGE_INVALID', 'damaged');
    expect((await run('vdisk export debian e.img --no-compress')).code).toBe(3);
  });

  test('says what the server refuses', async () => {
    expect(await run('vdisk export debian d.img --version 9')).toMatchObject({
      code: 1,
      err: expect.stringContaining('NOT_FOUND: vDisk debian has no version 9'),
    });
    expect(await run('vdisk export nobody d.img')).toMatchObject({ code: 1 });
  });

  test('is ended by Ctrl-C', async () => {
    const io = connected();
    service.transfers.exportStream = async (_request, signal) => ({
      length: undefined,
      pieces: (async function* () {
        yield Buffer.from('an ');
        io.interrupt();
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      })(),
      close: async () => undefined,
    });
    expect(await run('vdisk export debian d.img', io)).toMatchObject({ code: 1, out: '' });
    expect(io.err).toContain('cancelled');
    expect(await readdir(folder)).toEqual([]);
  });

  test('on the server is a task', async () => {
    const line = 'vdisk export debian d.qcow2 --on-server --overwrite';
    expect(await run(line)).toMatchObject({ code: 0, out: `${join(folder, 'd.qcow2')}: 8 B\n` });
    expect(service.transfers.exported).toMatchObject([
      { path: join(folder, 'd.qcow2'), overwrite: true, format: 'qcow2' },
    ]);
    expect(await readdir(folder)).toEqual([]);
    expect((await run('vdisk export debian - --on-server')).code).toBe(2);
    expect((await run('vdisk export debian d.img --on-server --no-wait')).out).toContain(
      'version.export',
    );
  });
});

describe('vdisk import --upload', () => {
  test('sends a file of this machine, and waits for its import', async () => {
    await writeFile(join(folder, 'd.img'), 'an image');
    const io = connected();
    const line = 'vdisk import d.img --upload --name other --format raw --description text';
    const { code, out, err } = await run(line, io);
    expect({ code, out }).toEqual({
      code: 0,
      out: 'vDisk other imported: 2.0 TiB, 1.0 GiB of data\n',
    });
    expect(err).toContain('upload other: 100 %');
    expect(listVdisks(service.control)).toMatchObject([
      { name: 'debian' },
      { name: 'other', description: 'text' },
    ]);
  });

  test('sends standard input', async () => {
    const stdinBytes = async function* () {
      yield Buffer.from('an ');
      yield Buffer.from('image');
    };
    let spooled = '';
    const { spool } = service.transfers;
    service.transfers.spool = async (incoming, progress) => {
      const file = await spool.call(service.transfers, incoming, progress);
      spooled = String(service.transfers.spooled.get(file.path));
      return file;
    };
    const io = connected({ stdinBytes });
    expect((await run('vdisk import - --upload --name other', io)).code).toBe(0);
    expect(spooled).toBe('an image');
  });

  test('reads nothing of what the server does not want', async () => {
    let read = 0;
    const stdinBytes = async function* () {
      read += 1;
      yield Buffer.from('x');
    };
    const io = connected({ stdinBytes });
    expect(await run('vdisk import - --upload --name debian', io)).toMatchObject({
      code: 1,
      err: expect.stringContaining('ALREADY_EXISTS'),
    });
    expect(read).toBe(0);
  });

  test('stops when the server refuses in the middle, though nothing more comes', async () => {
    service.transfers.spool = async ({ pieces }) => {
      for await (const _piece of pieces) break;
      throw new Fault('NO_SPACE', 'the data folder is full');
    };
    let ended: AbortSignal | undefined;
    const stdinBytes = async function* (signal: AbortSignal) {
      ended = signal;
      yield Buffer.alloc(100_000);
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    };
    const io = connected({ stdinBytes });
    expect(await run('vdisk import - --upload --name other', io)).toMatchObject({
      code: 1,
      err: expect.stringContaining('NO_SPACE: the data folder is full'),
    });
    expect(ended?.aborted).toBe(true);
  });

  test('is a matter of this machine where nothing can be read', async () => {
    expect(await run('vdisk import nothing --upload --name other')).toMatchObject({
      code: 1,
      err: expect.stringContaining('cannot read'),
    });
    expect((await run('vdisk import - --name other')).code).toBe(2);
    expect((await run('vdisk import d --upload --kernel k --name other')).code).toBe(2);
  });
});

describe('bundle', () => {
  test('export writes a file of this machine, without what the other side has', async () => {
    const inventory = await run('bundle inventory');
    expect(JSON.parse(inventory.out)).toEqual({ contentIds: ['ab'.repeat(32)] });
    await writeFile(join(folder, 'there.json'), inventory.out);
    const line = 'bundle export debian d.rcb --versions 1 --has there.json';
    expect(await run(line)).toMatchObject({ code: 0, out: `${join(folder, 'd.rcb')}: 8 B\n` });
    expect(await inFolder('d.rcb')).toBe('a bundle');
    await run('bundle export debian all.rcb');
    expect(service.transfers.bundled).toMatchObject([
      { has: new Set(['ab'.repeat(32)]), versions: [{ number: 1 }] },
      { has: new Set() },
    ]);
    await writeFile(join(folder, 'bad.json'), '[]');
    expect((await run('bundle export debian x.rcb --has bad.json')).code).toBe(2);
    expect((await run('bundle export debian x.rcb --versions 1,1')).code).toBe(2);
  });

  test('export on the server is a task', async () => {
    const line = 'bundle export debian d.rcb --on-server';
    expect(await run(line)).toMatchObject({ code: 0, out: `${join(folder, 'd.rcb')}: 8 B\n` });
    expect((await run('bundle export debian - --on-server')).code).toBe(2);
  });

  test('show tells what is in a file, here or on the server', async () => {
    await writeFile(join(folder, 'd.rcb'), 'the beginning');
    const { code, out } = await run('bundle show d.rcb');
    expect(code).toBe(0);
    expect(out).toMatch(/^vDisk debian: from elsewhere\n/);
    expect(out).toMatch(/1 +production +- +1\.0 GiB +yes +no/);
    expect((await run('bundle show d.rcb --on-server')).out).toBe(out);
    expect((await run('bundle show nothing')).code).toBe(1);
  });

  test('import brings a file or standard input, and tells what came', async () => {
    await writeFile(join(folder, 'd.rcb'), 'a bundle');
    expect(await run('bundle import d.rcb --name copy')).toMatchObject({
      code: 0,
      out: 'vDisk copy: versions 1, 2 added\n1000 B came: 7 chunks, 2 were here\n',
    });
    const stdinBytes = async function* () {
      yield Buffer.from('a bundle');
    };
    const again = connected({ stdinBytes });
    expect(await run('bundle import - --name copy --update', again)).toMatchObject({
      code: 0,
      out: expect.stringContaining('vDisk copy: nothing new; 1, 2 were here\n'),
    });
    expect(await run('bundle import d.rcb --name copy')).toMatchObject({
      code: 1,
      err: expect.stringContaining('ALREADY_EXISTS'),
    });
  });

  test('import on the server is a task', async () => {
    const line = 'bundle import d.rcb --name copy --on-server';
    expect(await run(line)).toMatchObject({
      code: 0,
      out: expect.stringContaining('versions 1, 2 added'),
    });
    expect(service.transfers.origins).toEqual([{ kind: 'file', path: join(folder, 'd.rcb') }]);
    expect((await run('bundle import - --on-server')).code).toBe(2);
  });

  test('pull takes the token from the command line or the environment', async () => {
    const line = 'bundle pull https://rack-2:8480 debian --name copy --versions 1,2';
    expect((await run(line)).code).toBe(2);
    expect((await run(`${line} --token from-the-line`)).code).toBe(0);
    const env = {
      ...{ ROOTCAST_SERVER: server, ROOTCAST_TOKEN: TOKEN },
      ROOTCAST_PULL_TOKEN: 'from-the-environment',
    };
    expect(await run(`${line} --update`, connected({ env }))).toMatchObject({ code: 0 });
    expect(service.transfers.origins).toMatchObject([
      { token: 'from-the-line', versions: [1, 2] },
      { token: 'from-the-environment' },
    ]);
  });
});
