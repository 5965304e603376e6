/** TFTP and HTTP with other people's clients: tftp-hpa, atftp, curl. On loopback, without root. */
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Fault } from '../../../src/errors/index.ts';
import {
  type BootPlan,
  type PxeConfig,
  type PxeEvent,
  type RunningPxe,
  startPxe,
} from '../../../src/pxe/index.ts';
import { EMPTY_BOOT_CATALOG } from '../../support/empty-boot-catalog.ts';
import { describeWith, program } from '../../support/requires.ts';

const NEEDS = [program('tftp', 'tftp-hpa'), program('atftp', 'atftp'), program('curl', 'curl')];
const MAC = '52-54-00-12-34-56';

describeWith(NEEDS, 'boot files with tftp-hpa, atftp and curl', () => {
  const folder = mkdtempSync(join(tmpdir(), 'h5-files-'));
  const loader = Buffer.alloc(1_500_001);
  const kernel = Buffer.alloc(3_000_000, 'kernel');
  const events: PxeEvent[] = [];
  let plan: BootPlan | Fault = { kind: 'local-disk', reason: 'waiting for approval' };
  let boots = 0;
  let pxe: RunningPxe;
  let tftp: string;
  let http: string;

  beforeAll(async () => {
    for (let at = 0; at + 4 <= loader.length; at += 4) loader.writeUInt32BE(at, at);
    writeFileSync(join(folder, 'ipxe.efi'), loader);
    writeFileSync(join(folder, 'undionly.kpxe'), 'line one\nline two\r\n');
    writeFileSync(join(folder, 'secret'), 'secret');
    writeFileSync(join(folder, 'kernel'), kernel);
    const config: PxeConfig = {
      serverAddress: '127.0.0.1',
      broadcastAddress: '127.255.255.255',
      dhcp: { mode: 'off' },
      tftp: true,
      ports: { dhcp: 0, dhcpClient: 0, bootServer: 0, tftp: 0, http: 0 },
      httpBaseUrl: undefined,
      nbd: { address: '127.0.0.1', port: 10809 },
      loaderFolders: [folder],
      uefiLoader: 'ipxe.efi',
    };
    const catalog = {
      ...EMPTY_BOOT_CATALOG,
      decide: () => ({ kind: 'boot' }) as const,
      bootRequested: () => {
        boots += 1;
        if (plan instanceof Fault) throw plan;
        return plan;
      },
      openFile: ({ layerId, role }: { layerId: string; role: string }) => {
        if (layerId === 'gone') return { path: join(folder, 'gone'), size: 5 };
        return role === 'kernel'
          ? { path: join(folder, 'kernel'), size: kernel.length }
          : undefined;
      },
    };
    pxe = await startPxe(config, catalog, {
      leases: { load: () => [], save: () => {}, remove: () => {} },
      report: (event) => events.push(event),
      clock: Date,
    });
    tftp = `127.0.0.1 ${pxe.addresses.tftp?.port}`;
    http = `${pxe.addresses.http.baseUrl}/boot`;
  });

  afterAll(async () => {
    await pxe.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const out = join(folder, 'out');

  async function run(
    command: string,
    ...args: string[]
  ): Promise<{ code: number; output: string }> {
    rmSync(out, { force: true });
    try {
      const { stdout, stderr } = await promisify(execFile)(command, args, { timeout: 30_000 });
      return { code: 0, output: stdout + stderr };
    } catch (error) {
      const failed = error as { code?: number; stdout?: string; stderr?: string };
      return { code: failed.code ?? -1, output: `${failed.stdout}${failed.stderr}` };
    }
  }

  function curl(...args: string[]) {
    return run('curl', '--silent', '--show-error', '--max-time', '20', ...args);
  }

  function tftpUrl(name: string): string {
    return `tftp://127.0.0.1:${pxe.addresses.tftp?.port}/${name}`;
  }

  it.each(['8', '512', '1468', '9000', '65464'])(
    'curl by TFTP with blocks of %s',
    async (blksize) => {
      const { code, output } = await curl(
        '--tftp-blksize',
        blksize,
        '-o',
        out,
        tftpUrl('ipxe.efi'),
      );
      expect({ code, output }).toEqual({ code: 0, output: '' });
      expect(readFileSync(out).equals(loader)).toBe(true);
    },
  );

  it('curl without options', async () => {
    await curl('--tftp-no-options', '-o', out, tftpUrl('ipxe.efi'));
    expect(readFileSync(out).equals(loader)).toBe(true);
  });

  it.each([
    [[]],
    [['windowsize 8']],
    [['blksize 1428', 'windowsize 16', 'tsize 0', 'timeout 2']],
    [['windowsize 65535', 'blksize 1000']],
  ])('atftp with %j', async (options) => {
    const [host = '', port = ''] = tftp.split(' ');
    const asked = options.flatMap((option) => ['--option', option]);
    await run('atftp', ...asked, '--get', '-r', 'ipxe.efi', '-l', out, host, port);
    expect(readFileSync(out).equals(loader)).toBe(true);
  });

  it('tftp-hpa, binary and netascii', async () => {
    await run('tftp', '-m', 'binary', ...tftp.split(' '), '-c', 'get', 'ipxe.efi', out);
    expect(readFileSync(out).equals(loader)).toBe(true);
    await run('tftp', '-m', 'netascii', ...tftp.split(' '), '-c', 'get', 'undionly.kpxe', out);
    expect(readFileSync(out, 'latin1')).toBe('line one\nline two\r\n');
  });

  it('twenty at once', async () => {
    const names = Array.from({ length: 20 }, (_, n) => join(folder, `out-${n}`));
    // Eight of one address are served at a time; the rest is told so and asks again.
    const fetched = names.map((name) =>
      promisify(execFile)('curl', [
        '-s',
        '--retry',
        '9',
        '--retry-all-errors',
        '--retry-delay',
        '1',
        '-o',
        name,
        tftpUrl('ipxe.efi'),
      ]),
    );
    await Promise.all(fetched);
    for (const name of names) expect(readFileSync(name).equals(loader)).toBe(true);
  });

  it('is read-only', async () => {
    const { output } = await run(
      'tftp',
      '-m',
      'binary',
      ...tftp.split(' '),
      '-c',
      'put',
      join(folder, 'secret'),
      'ipxe.efi',
    );
    expect(output).toContain('read-only');
    expect(readFileSync(join(folder, 'ipxe.efi')).equals(loader)).toBe(true);
  });

  it.each([
    'secret',
    '../secret',
    '../../etc/passwd',
    '/etc/passwd',
    './ipxe.efi',
    '..\\secret',
    'ipxe.efi/../secret',
  ])('TFTP has no way out: %s', async (name) => {
    const { output } = await run(
      'tftp',
      '-m',
      'binary',
      ...tftp.split(' '),
      '-c',
      'get',
      name,
      out,
    );
    expect(output).toContain('no such file');
    expect(events.at(-1)).toMatchObject({
      type: 'tftp-failed',
      file: name,
      reason: 'no such file',
    });
  });

  it.each([
    '/boot/../secret',
    '/boot/%2e%2e%2fsecret',
    '/etc/passwd',
    '/boot/secret',
    `/boot/${MAC}/..%2f..%2fsecret/kernel`,
    `/boot/${MAC}/l/secret`,
    // A loader may put two slashes together: they are one, and no way out either.
    '//etc/passwd',
    '//boot//..//secret',
  ])('HTTP has no way out: %s', async (path) => {
    const { output } = await curl(
      '--path-as-is',
      '-w',
      '%{http_code}',
      pxe.addresses.http.baseUrl + path,
    );
    expect(output).toMatch(/^no such file\n404$/);
  });

  it('answers garbage and goes on', async () => {
    const socket = createSocket('udp4');
    for (let n = 0; n < 200; n++) {
      socket.send(Buffer.alloc(n, n), pxe.addresses.tftp?.port ?? 0, '127.0.0.1');
    }
    await once(socket, 'message');
    socket.close();
    expect((await curl('-o', out, tftpUrl('undionly.kpxe'))).code).toBe(0);
    expect(events.filter((event) => event.type === 'failure')).toEqual([]);
  });

  it('names the package of a missing loader, by TFTP and HTTP', async () => {
    const byTftp = await run(
      'tftp',
      '-m',
      'binary',
      ...tftp.split(' '),
      '-c',
      'get',
      'snponly.efi',
      out,
    );
    expect(byTftp.output).toContain('install the Debian package ipxe');
    expect(events.at(-2)).toMatchObject({ type: 'loader-missing', file: 'snponly.efi' });
    const { output } = await curl('-w', '%{http_code}', `${http}/snp-arm64.efi`);
    expect(output).toMatch(/does not bring it[\s\S]*404$/);
  });

  it('serves loaders as UEFI HTTP Boot wants them: HEAD, then GET', async () => {
    const { output } = await curl('--head', `${http}/ipxe.efi`);
    expect(output).toMatch(/^HTTP\/1.1 200 OK/);
    expect(output).toMatch(/content-type: application\/efi\r\n/i);
    expect(output).toMatch(/content-length: 1500001\r\n/i);
    await curl('--http1.0', '-o', out, `${http}/ipxe.efi`);
    expect(readFileSync(out).equals(loader)).toBe(true);
  });

  it('serves kernels whole, in parts and not beyond their end', async () => {
    const url = `${http}/${MAC}/layer-1/kernel`;
    await curl('-o', out, url);
    expect(readFileSync(out).equals(kernel)).toBe(true);
    await curl('-o', out, '--range', '1000000-1000009', url);
    expect(readFileSync(out).equals(kernel.subarray(1_000_000, 1_000_010))).toBe(true);
    const past = await curl(
      '-o',
      '/dev/null',
      '-w',
      '%{http_code} %header{content-range}',
      '--range',
      '3000000-',
      url,
    );
    expect(past.output).toBe('416 bytes */3000000');
    const stale = await curl(
      '-o',
      out,
      '-w',
      '%{http_code}',
      '-H',
      'If-Range: "other"',
      '--range',
      '0-9',
      url,
    );
    expect(stale.output).toBe('200');
    const head = await curl('--head', url);
    expect(head.output).toMatch(/content-length: 3000000\r\n/i);
    expect(head.output).toMatch(/accept-ranges: bytes\r\n/i);
    const served = events.filter((event) => event.type === 'file-served');
    expect(served.map(({ bytes, complete, mac }) => [bytes, complete, mac])).toEqual([
      [3_000_000, true, '52:54:00:12:34:56'],
      [10, true, '52:54:00:12:34:56'],
      [3_000_000, true, '52:54:00:12:34:56'],
    ]);
  });

  it('says 404 for what the layer does not have, and 500 for a file that is gone', async () => {
    expect((await curl('-w', '%{http_code}', `${http}/${MAC}/layer-1/initrd`)).output).toMatch(
      /404$/,
    );
    expect((await curl('-w', '%{http_code}', `${http}/${MAC}/gone/kernel`)).output).toMatch(/500$/);
    const failure = events.findLast((event) => event.type === 'failure');
    expect(failure).toMatchObject({ where: 'http', error: { code: 'ENOENT' } });
    events.splice(0);
  });

  it('counts a boot at GET of the script, not at HEAD, in every spelling of the MAC', async () => {
    boots = 0;
    await curl('--head', `${http}/${MAC}.ipxe`);
    expect(boots).toBe(0);
    for (const mac of [MAC, '52:54:00:12:34:56', '525400123456', MAC.toUpperCase()]) {
      expect((await curl(`${http}/${mac}.ipxe`)).output).toMatch(
        /^#!ipxe\necho Rootcast: 52:54:00:12:34:56: waiting for approval\n/,
      );
    }
    expect((await curl(tftpUrl(`${MAC}.ipxe`))).output).toMatch(/^#!ipxe\n/);
    expect(boots).toBe(5);
  });

  it('puts the catalog’s error into the script', async () => {
    plan = new Fault('NO_SPACE', 'the data folder is full');
    const { output } = await curl('-w', '%{http_code}', `${http}/${MAC}.ipxe`);
    expect(output).toMatch(/cannot boot: the data folder is full\n[\s\S]*200$/);
  });

  it('hears that a guest is ready', async () => {
    for (const args of [[], ['-X', 'POST'], ['--data', 'x=1']]) {
      const { output } = await curl('-w', '%{http_code}', ...args, `${http}/ready?mac=${MAC}`);
      expect(output).toBe('204');
      expect(events.at(-1)).toEqual({
        type: 'machine-ready',
        mac: '52:54:00:12:34:56',
        address: '127.0.0.1',
      });
    }
    expect((await curl('-w', '%{http_code}', `${http}/ready?mac=x`)).output).toMatch(/400$/);
    expect(
      (await curl('-w', '%{http_code}', '--data', 'x'.repeat(5000), `${http}/ready?mac=${MAC}`))
        .output,
    ).toMatch(/413$/);
  });

  it('survives HTTP that is none', async () => {
    const socket = connect(pxe.addresses.http.port, '127.0.0.1');
    socket.write('\0\x01\x02 garbage\r\n\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 400/);
    socket.destroy();
    expect((await curl('-o', out, `${http}/ipxe.efi`)).code).toBe(0);
  });
});
