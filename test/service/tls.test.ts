/** TLS of the service's NBD server: certificates, pre-shared keys, and what is refused without them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectNbd } from '../../src/nbd/client/index.ts';
import { makeTlsFiles } from '../support/nbd-tls-files.ts';
import { imageBlock, writePatternImage } from '../support/pattern-image.ts';
import { describeWith, program } from '../support/requires.ts';
import { runProgram, ServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const PSK = 'a1b2c3d4e5f60718293a4b5c6d7e8f90';

describeWith([program('nbdinfo', 'libnbd-bin')], 'TLS required, by pre-shared key', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let service: ServiceProcess;
  let keys: string;

  beforeAll(async () => {
    folder = await temporaryFolder('tls');
    keys = join(folder.path, 'keys.psk');
    writeFileSync(keys, `lab:${PSK}\n`, { mode: 0o600 });
    writePatternImage(join(folder.path, 'base.img'), 2 ** 20);
    service = await ServiceProcess.start({
      arguments: ['--nbd-tls-mode', 'required', '--nbd-tls-psk', keys],
    });
    await service.json('vdisk', 'import', join(folder.path, 'base.img'), '--name', 'base');
  });

  afterAll(async () => {
    await service.remove();
    await folder.remove();
  });

  test('without TLS no export opens', async () => {
    await expect(connectNbd(service.uri('vdisk/base'))).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
    });
  });

  test('our client enters with the key, not with another', async () => {
    const key = Buffer.from(PSK, 'hex');
    const tls = (secret: Buffer) =>
      ({ tls: 'require', tlsCredentials: { psk: { identity: 'lab', key: secret } } }) as const;
    const client = await connectNbd(service.uri('vdisk/base'), tls(key));
    await client.read(Buffer.alloc(4096), 0);
    await client.disconnect();
    await expect(
      connectNbd(service.uri('vdisk/base'), tls(Buffer.alloc(16))),
    ).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
    });
  });

  test('libnbd enters with the key', async () => {
    const uri = `nbds://lab@127.0.0.1:${service.nbdPort}/vdisk/base?tls-psk-file=${keys}`;
    const result = await runProgram('nbdinfo', ['--size', uri]);
    expect(result).toMatchObject({ code: 0, stdout: `${2 ** 20}\n` });
  });
});

describeWith([program('certtool', 'gnutls-bin')], 'TLS required, by client certificate', () => {
  test('enters with a certificate of the authority, and without one nobody', async () => {
    const folder = await temporaryFolder('tls-x509');
    const path = (name: string) => join(folder.path, name);
    makeTlsFiles(folder.path);
    writePatternImage(path('base.img'), 2 ** 20);
    const service = await ServiceProcess.start({
      arguments: [
        ...['--nbd-tls-mode', 'required', '--nbd-tls-client-certificates'],
        ...[
          '--nbd-tls-certificate',
          path('server-cert.pem'),
          '--nbd-tls-key',
          path('server-key.pem'),
        ],
        ...['--nbd-tls-ca', path('ca-cert.pem')],
      ],
    });
    try {
      await service.json('vdisk', 'import', path('base.img'), '--name', 'base');
      const uri = `nbd://localhost:${service.nbdPort}/vdisk/base`;
      const ca = readFileSync(path('ca-cert.pem'));
      const cert = readFileSync(path('client-cert.pem'));
      const key = readFileSync(path('client-key.pem'));
      const client = await connectNbd(uri, { tls: 'require', tlsCredentials: { ca, cert, key } });
      expect(client.negotiated.tls).toBe(true);
      const got = Buffer.alloc(4096);
      await client.read(got, 3 * 4096);
      expect(got.equals(imageBlock(3))).toBe(true);
      await client.disconnect();
      // TLS 1.3 tells the client of the refusal after its handshake: with the first thing it reads.
      const anonymous = connectNbd(uri, { tls: 'require', tlsCredentials: { ca } }).then((opened) =>
        opened.read(Buffer.alloc(512), 0),
      );
      await expect(anonymous).rejects.toThrow();
      await expect(connectNbd(uri)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    } finally {
      await service.remove();
      await folder.remove();
    }
  });
});
