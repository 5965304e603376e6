/** The contract that other programs rely on: command line, token, exports, exit codes. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectNbd, listNbd, nbdDevice } from '../../src/nbd/client/index.ts';
import { imageBlock, patternBlock, writePatternImage } from '../support/pattern-image.ts';
import { runProgram, ServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const SIZE = 8 * 2 ** 20;

interface MachineAnswer {
  readonly name: string;
  readonly state: string;
}

describe('the service as other programs see it', () => {
  let service: ServiceProcess;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;

  beforeAll(async () => {
    folder = await temporaryFolder('contract');
    writePatternImage(join(folder.path, 'base.img'), SIZE);
    service = await ServiceProcess.start();
    await service.json('vdisk', 'import', join(folder.path, 'base.img'), '--name', 'base');
  });

  afterAll(async () => {
    await service.remove();
    await folder.remove();
  });

  test('the token is kept in a file that only its owner may read, and the API wants it', async () => {
    expect(statSync(join(service.data, 'admin.token')).mode & 0o777).toBe(0o600);
    expect(statSync(join(service.data, 'catalog.sqlite')).mode & 0o777).toBe(0o600); // it has secrets too
    const without = await fetch(`${service.http}/v1/vdisks`);
    expect(without.status).toBe(401);
    expect(without.headers.get('content-type')).toContain('application/problem+json');
    const authorization = `Bearer ${service.token}`;
    const withToken = await fetch(`${service.http}/v1/vdisks`, { headers: { authorization } });
    expect(withToken.status).toBe(200);
  });

  test('ROOTCAST_TOKEN and ROOTCAST_SERVER take the place of the folder', async () => {
    const before = { ...process.env };
    process.env['ROOTCAST_TOKEN'] = service.token;
    process.env['ROOTCAST_SERVER'] = service.http;
    const program = new URL('../../bin/rootcast', import.meta.url).pathname;
    const result = await runProgram(program, ['vdisk', 'list', '--json']);
    process.env = before;
    expect(result.code).toBe(0);
    expect(JSON.stringify(JSON.parse(result.stdout))).toContain('"base"');
  });

  test('vdisk/V is the production version, read-only', async () => {
    const client = await connectNbd(service.uri('vdisk/base'));
    const device = nbdDevice(client);
    expect(device.geometry.size).toBe(SIZE);
    expect(device.capabilities.write).toBe(false);
    const got = Buffer.alloc(SIZE);
    await client.read(got, 0);
    expect(got.equals(readFileSync(join(folder.path, 'base.img')))).toBe(true);
    await client.disconnect();
  });

  test('machine/NAME is the machine’s own disk; another machine does not see what it writes', async () => {
    await service.json('machine', 'add', 'a', '--mac', '52-54-00-00-00-0A', '--vdisk', 'base');
    await service.json(
      'machine',
      'add',
      'b',
      '--mac',
      '52:54:00:00:00:0b',
      '--vdisk',
      'base',
      '--cache',
      'server-persistent',
      '--quota',
      '1M',
    );
    const a = await connectNbd(service.uri('machine/a'));
    const b = await connectNbd(service.uri('machine/b'));
    await a.write(patternBlock(3, 77), 3 * 4096);
    const got = Buffer.alloc(4096);
    await a.read(got, 3 * 4096);
    expect(got.equals(patternBlock(3, 77))).toBe(true);
    await b.read(got, 3 * 4096);
    expect(got.equals(imageBlock(3))).toBe(true);
    await Promise.all([a.disconnect(), b.disconnect()]);
    const machines = await service.json<
      readonly MachineAnswer[] | { items: readonly MachineAnswer[] }
    >('machine', 'list');
    const list = 'items' in machines ? machines.items : machines;
    expect(list.map(({ name }) => name).sort()).toEqual(['a', 'b']);
  });

  test('a full quota is ENOSPC for that machine, said in its page of truth, and nobody else notices', async () => {
    const b = await connectNbd(service.uri('machine/b'));
    const a = await connectNbd(service.uri('machine/a'));
    for (let number = 0; number < 256; number++)
      await b.write(patternBlock(number, 9), number * 4096);
    await expect(b.write(patternBlock(256, 9), 256 * 4096)).rejects.toMatchObject({
      errno: 'ENOSPC',
    });
    await b.write(patternBlock(7, 10), 7 * 4096);
    await a.write(patternBlock(900, 1), 900 * 4096);
    const show = JSON.stringify(await service.json('machine', 'show', 'b'));
    expect(show).toMatch(/"full":true/);
    await expect
      .poll(async () => JSON.stringify(await service.json('events')), { timeout: 20_000 })
      .toMatch(/"kind":"machine\.cache-full"[^}]*"subject":"machine\/b"/);
    const got = Buffer.alloc(4096);
    await b.read(got, 256 * 4096);
    expect(got.equals(imageBlock(256))).toBe(true);
    await Promise.all([a.disconnect(), b.disconnect()]);
  });

  test('LIST names every export', async () => {
    const names = (await listNbd(service.uri(''))).map(({ name }) => name).sort();
    expect(names).toEqual(['machine/a', 'machine/b', 'vdisk/base']);
  });

  test('an export that does not exist is refused by name', async () => {
    await expect(connectNbd(service.uri('machine/nobody'))).rejects.toMatchObject({
      code: 'EXPORT_NOT_FOUND',
    });
  });

  test('a vDisk that machines refer to is not deleted', async () => {
    const result = await service.cli('vdisk', 'delete', 'base');
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('IN_USE');
  });

  test('a corrupt image is refused by name and leaves nothing behind', async () => {
    const path = join(folder.path, 'broken.qcow2');
    writeFileSync(
      path,
      Buffer.concat([Buffer.from([0x51, 0x46, 0x49, 0xfb]), Buffer.alloc(100, 0xff)]),
    );
    const result = await service.cli('vdisk', 'import', path, '--name', 'broken');
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/IMAGE_(INVALID|UNSUPPORTED)/);
    const list = JSON.stringify(await service.json('vdisk', 'list'));
    expect(list).not.toContain('broken');
  });

  test('a machine that is deleted loses its export, its connections and its overlay', async () => {
    await service.json('machine', 'add', 'c', '--mac', '52:54:00:00:00:0c', '--vdisk', 'base');
    const client = await connectNbd(service.uri('machine/c'));
    await client.write(patternBlock(1, 5), 4096);
    await client.disconnect();
    await service.json('machine', 'delete', 'c');
    await expect(connectNbd(service.uri('machine/c'))).rejects.toMatchObject({
      code: 'EXPORT_NOT_FOUND',
    });
    await service.json('machine', 'add', 'c', '--mac', '52:54:00:00:00:0c', '--vdisk', 'base');
    const again = await connectNbd(service.uri('machine/c'));
    const got = Buffer.alloc(4096);
    await again.read(got, 4096);
    expect(got.equals(imageBlock(1))).toBe(true);
    await again.disconnect();
  });

  test('a stopped service comes back with everything; SIGTERM leaves with 0', async () => {
    const b = await connectNbd(service.uri('machine/b'));
    await b.write(patternBlock(11, 123), 11 * 4096);
    await b.disconnect();
    expect(await service.stop()).toBe(0);
    service = await ServiceProcess.start({ data: service.data });
    const again = await connectNbd(service.uri('machine/b'));
    const got = Buffer.alloc(4096);
    await again.read(got, 11 * 4096);
    expect(got.equals(patternBlock(11, 123))).toBe(true);
    await again.disconnect();
  });
});
