/** TLS between our server and libnbd and QEMU, and between our client and nbdkit: X.509 with client certificates, and PSK. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { connectNbd, listNbd } from '../../../src/nbd/index.ts';
import { startPeer } from '../../support/nbd-peers.ts';
import { type NbdServerProcess, startNbdServer } from '../../support/nbd-server-process.ts';
import { makeTlsFiles, PSK_USER } from '../../support/nbd-tls-files.ts';
import { describeWith, program } from '../../support/requires.ts';
import { run, succeed } from '../../support/run-program.ts';

const needs = [
  program('certtool', 'gnutls-bin'),
  program('nbdinfo', 'libnbd-bin'),
  program('qemu-img', 'qemu-utils'),
];

describeWith(needs, 'TLS', () => {
  let folder: string;
  let stranger: string;
  let server: NbdServerProcess | undefined;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'rootcast-tls-'));
    makeTlsFiles(folder);
    stranger = join(folder, 'stranger'); // certificates of another authority
    mkdirSync(stranger);
    makeTlsFiles(stranger);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  afterEach(async () => {
    if (server !== undefined) expect(await server.stop(), server.errors()).toBe(0);
    server = undefined;
  });

  const x509 = (mode: 'allowed' | 'required', clients: 'none' | 'required') =>
    startNbdServer({ tls: { mode, directory: folder, x509: clients } });

  const certificates = (port: number, directory: string) =>
    `nbds://localhost:${port}/disk?tls-certificates=${directory}`;

  describe('X.509 with client certificates', () => {
    test('nbdinfo and nbdcopy with a certificate', async () => {
      server = await x509('required', 'required');
      const uri = certificates(server.port, folder);
      const { stdout } = await succeed('nbdinfo', ['--json', uri]);
      expect(JSON.parse(stdout)).toMatchObject({ TLS: true });
      await succeed('nbdcopy', [uri, 'null:']);
    });

    test('a certificate of another authority is refused', async () => {
      server = await x509('required', 'required');
      const { code } = await run('nbdinfo', [certificates(server.port, stranger)]);
      expect(code).not.toBe(0);
    });

    test('nobody gets in without TLS', async () => {
      server = await x509('required', 'required');
      const { code } = await run('nbdinfo', [`nbd://localhost:${server.port}/disk`]);
      expect(code).not.toBe(0);
    });

    test('qemu-img with a certificate', async () => {
      server = await x509('required', 'required');
      const { stdout } = await succeed('qemu-img', [
        ...['info', '--output=json'],
        ...['--object', `tls-creds-x509,id=t,dir=${folder},endpoint=client`],
        '--image-opts',
        `driver=nbd,host=localhost,port=${server.port},export=disk,tls-creds=t`,
      ]);
      expect(JSON.parse(stdout)).toMatchObject({ 'virtual-size': 128 * 1024 * 1024 });
    });

    test('our client with a certificate, and without', async () => {
      server = await x509('required', 'required');
      const client = await connectNbd(certificates(server.port, folder));
      expect(client.negotiated.tls).toBe(true);
      await client.write(Buffer.alloc(1 << 20, 7), 4096);
      const back = Buffer.alloc(1 << 20);
      await client.read(back, 4096);
      expect(back.every((byte) => byte === 7)).toBe(true);
      await client.disconnect();
      const ca = readFileSync(join(folder, 'ca-cert.pem'));
      const target = `nbd://localhost:${server.port}/disk`;
      const anonymous = connectNbd(target, { tls: 'require', tlsCredentials: { ca } }).then(
        (opened) => opened.read(Buffer.alloc(512), 0),
      );
      await expect(anonymous).rejects.toThrow();
      await expect(connectNbd(target)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    });

    test('our client does not trust a server of another authority', async () => {
      server = await x509('required', 'none');
      const connecting = connectNbd(certificates(server.port, stranger));
      await expect(connecting).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    });

    test('TLS allowed: with it and without it', async () => {
      server = await x509('allowed', 'none');
      await succeed('nbdinfo', [`nbd://localhost:${server.port}/disk`]);
      await succeed('nbdinfo', [certificates(server.port, folder)]);
      expect(await listNbd(certificates(server.port, folder))).toHaveLength(4);
    });
  });

  describe('PSK', () => {
    const psk = () => startNbdServer({ tls: { mode: 'required', directory: folder, psk: true } });
    const pskUri = (port: number, user: string, file = 'keys.psk') =>
      `nbds://${user}@localhost:${port}/disk?tls-psk-file=${join(folder, file)}`;

    test('nbdinfo and nbdcopy', async () => {
      server = await psk();
      const { stdout } = await succeed('nbdinfo', ['--json', pskUri(server.port, PSK_USER)]);
      expect(JSON.parse(stdout)).toMatchObject({ TLS: true });
      await succeed('nbdcopy', [pskUri(server.port, PSK_USER), 'null:']);
    });

    test('qemu-img', async () => {
      server = await psk();
      await succeed('qemu-img', [
        'info',
        ...['--object', `tls-creds-psk,id=t,dir=${folder},username=${PSK_USER},endpoint=client`],
        '--image-opts',
        `driver=nbd,host=localhost,port=${server.port},export=disk,tls-creds=t`,
      ]);
    });

    test('our client', async () => {
      server = await psk();
      const client = await connectNbd(pskUri(server.port, PSK_USER));
      expect(client.negotiated.tls).toBe(true);
      await client.read(Buffer.alloc(65_536), 0);
      await client.disconnect();
    });

    test('a wrong key is refused', async () => {
      server = await psk();
      const uri = pskUri(server.port, PSK_USER, 'stranger/keys.psk');
      expect((await run('nbdinfo', [uri])).code).not.toBe(0);
      await expect(connectNbd(uri)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    });
  });
});

describeWith([...needs, program('nbdkit', 'nbdkit')], 'our client and nbdkit over TLS', () => {
  test('X.509 with a client certificate, and PSK', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rootcast-tls-'));
    try {
      makeTlsFiles(folder);
      const verified = await startPeer('nbdkit', (port) => [
        ...['-f', '-i', '127.0.0.1', '-p', String(port), '--tls=require', '--tls-verify-peer'],
        `--tls-certificates=${folder}`,
        ...['pattern', '64M'],
      ]);
      const client = await connectNbd(
        `nbds://localhost:${verified.port}/?tls-certificates=${folder}`,
      );
      const bytes = Buffer.alloc(8);
      await client.read(bytes, 4096);
      expect(bytes.readBigUInt64BE()).toBe(4096n);
      await client.disconnect();
      await verified.stop();

      const keyed = await startPeer('nbdkit', (port) => [
        ...['-f', '-i', '127.0.0.1', '-p', String(port), '--tls=require'],
        `--tls-psk=${join(folder, 'keys.psk')}`,
        ...['pattern', '64M'],
      ]);
      const uri = `nbds://${PSK_USER}@localhost:${keyed.port}/?tls-psk-file=${join(folder, 'keys.psk')}`;
      const second = await connectNbd(uri);
      await second.read(bytes, 8192);
      expect(bytes.readBigUInt64BE()).toBe(8192n);
      await second.disconnect();
      await keyed.stop();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
