/** The exports of a running service, named as a user would. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { resolveNamed } from '../../bench/targets/named.ts';
import { connectNbd } from '../../src/nbd/index.ts';
import { makeTlsFiles } from '../support/nbd-tls-files.ts';
import { describeWith, program } from '../support/requires.ts';
import { ServiceProcess } from '../support/service-process.ts';

const needs = [program('certtool', 'gnutls-bin'), program('psktool', 'gnutls-bin')];

describeWith(needs, 'an export named by its machine or vDisk', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rootcast-named-'));
  let service: ServiceProcess;
  let secure: ServiceProcess;

  beforeAll(async () => {
    makeTlsFiles(folder);
    const image = join(folder, 'image.raw');
    writeFileSync(image, randomBytes(2 ** 20));
    service = await ServiceProcess.start();
    const psk = join(folder, 'keys.psk');
    secure = await ServiceProcess.start({
      arguments: ['--nbd-tls-mode', 'required', '--nbd-tls-psk', psk],
    });
    for (const each of [service, secure]) await each.json('vdisk', 'import', image, '--name', 'd');
    const machine = ['--mac', '02:00:00:00:00:01', '--vdisk', 'd'];
    await service.json('machine', 'add', 'lab-0', ...machine);
  });
  afterAll(async () => {
    await service?.remove();
    await secure?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(['vdisk/d', 'machine/lab-0'])('is found through the data folder: %s', async (name) => {
    const named = await resolveNamed(name, { data: service.data });
    expect(named.uri(0)).toBe(service.uri(name));
    expect(named.pid).toBe(service.child.pid);
    const client = await connectNbd(named.uri(0));
    expect(client.negotiated.size).toBe(2 ** 20);
    await client.disconnect();
  });

  it("keeps the place of the machine's number", async () => {
    const named = await resolveNamed('machine/lab-%', { data: service.data });
    expect(named.uri(3)).toBe(service.uri('machine/lab-%'));
  });

  it('is refused when the service knows no such thing, or not the token', async () => {
    const data = service.data;
    await expect(resolveNamed('vdisk/e', { data })).rejects.toThrow('NOT_FOUND');
    await expect(resolveNamed('vdisk/d', { data, token: 'wrong' })).rejects.toThrow('UNAUTHORIZED');
  });

  it('says which options to give when the service requires TLS', async () => {
    const data = secure.data;
    await expect(resolveNamed('vdisk/d', { data })).rejects.toThrow('requires TLS; give --tls-ca');
    const named = await resolveNamed('vdisk/d', { data, tls: true });
    expect(named.uri(0)).toBe(secure.uri('vdisk/d'));
  });
});
