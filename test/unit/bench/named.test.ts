import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { iscsiCredentials, parseIscsiUrl } from '../../../bench/load/iscsi-url.ts';
import { parseName, resolveNamed } from '../../../bench/targets/named.ts';

describe('what a user names to be measured', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rootcast-named-'));
  afterAll(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    vi.stubEnv('ROOTCAST_SERVER', undefined);
    vi.stubEnv('ROOTCAST_TOKEN', undefined);
  });

  it.each([
    'nbd://127.0.0.1:10809/vdisk/debian',
    'nbds://boot@server/machine/lab?tls-psk-file=/keys',
    'nbd+unix:///disk?socket=/run/nbd.sock',
    'nbd://[::1]/',
    'nbd://localhost/machine/lab-%',
  ])('is an NBD URI as it stands: %s', async (uri) => {
    expect(parseName(uri)).toEqual({ kind: 'nbd', uri });
    const named = await resolveNamed(uri);
    expect(named.pid).toBeUndefined();
    expect(named.uri(7)).toBe(uri);
  });

  it('is an export of the Rootcast that runs', () => {
    expect(parseName('machine/lab-01')).toEqual({ kind: 'export', of: 'machine', name: 'lab-01' });
    expect(parseName('machine/lab-%')).toEqual({ kind: 'export', of: 'machine', name: 'lab-%' });
    expect(parseName('vdisk/debian')).toEqual({ kind: 'export', of: 'vdisk', name: 'debian' });
  });

  it('is a volume through the adapter of its repository, or a LUN by our own initiator', async () => {
    const name = 'san1/database';
    expect(parseName(`volume/${name}`)).toEqual({ kind: 'export', of: 'volume', name });
    const uri = 'iscsi://192.0.2.7:3260/iqn.2026-01.com.example:t1/3';
    expect(parseName(uri)).toEqual({ kind: 'iscsi', uri });
    expect((await resolveNamed(uri)).uri(0)).toBe(uri);
    expect(parseIscsiUrl(uri)).toEqual({
      ...{ portals: ['192.0.2.7:3260'], iqn: 'iqn.2026-01.com.example:t1', lun: 3 },
    });
  });

  it('takes the CHAP account of libiscsi’s environment', () => {
    expect(iscsiCredentials({})).not.toHaveProperty('chap');
    const environment = { LIBISCSI_CHAP_USERNAME: 'u', LIBISCSI_CHAP_PASSWORD: 'p' };
    expect(iscsiCredentials(environment).chap).toEqual({ user: 'u', password: 'p' });
  });

  it('is a folder for volumes of the local adapter', async () => {
    expect(parseName('repository:local:/a:b')).toEqual({ kind: 'repository', folder: '/a:b' });
    expect((await resolveNamed(`repository:local:${folder}`)).uri(0)).toBe(
      `repository:local:${folder}`,
    );
    const missing = `repository:local:${join(folder, 'missing')}`;
    await expect(resolveNamed(missing)).rejects.toThrow(`${missing}: there is no folder`);
  });

  it.each([
    ['iscsi://array/iqn', 'iscsi://HOST[:PORT]/IQN/LUN'],
    ['iscsi://user%secret@array/iqn.2026-01.a:b/1', 'iscsi://HOST[:PORT]/IQN/LUN'],
    ['nbd+vsock://2', 'TCP or a Unix socket'],
    ['nbd+unix:///disk', '?socket=PATH'],
    ['nbd:127.0.0.1', 'not an NBD URI'],
    ['repository:local:', 'the folder is missing'],
    ['repository:s3:bucket', "no adapter 's3'"],
    ['repository', 'expected nbd://HOST:PORT/EXPORT'],
    ['http://127.0.0.1/', 'expected nbd://HOST:PORT/EXPORT'],
    ['machine/', 'machine/NAME'],
    ['machine/a/b', 'machine/NAME'],
    ['disk.raw', 'repository:local:FOLDER'],
  ])('refuses %s and says what would be right', (text, sentence) => {
    expect(() => parseName(text)).toThrow(sentence);
    expect(() => parseName(text)).toThrow(text);
  });

  it('asks for a service when there is no trace of one', async () => {
    await expect(resolveNamed('machine/lab', { data: folder })).rejects.toThrow(
      `no Rootcast serves from ${folder}`,
    );
    await expect(
      resolveNamed('machine/lab', { data: folder, server: 'http://127.0.0.1:1' }),
    ).rejects.toThrow('there is no token');
  });

  it('says so when the service is gone', async () => {
    const server = { http: 'http://127.0.0.1:1', nbd: 'nbd://127.0.0.1:2', pid: 1 };
    writeFileSync(join(folder, 'server.json'), JSON.stringify(server));
    writeFileSync(join(folder, 'admin.token'), 'secret\n');
    await expect(resolveNamed('machine/lab', { data: folder })).rejects.toThrow('cannot reach');
  });
});
