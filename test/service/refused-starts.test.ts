/** What the service says when it cannot start, or cannot go on writing. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { connectNbd } from '../../src/nbd/client/index.ts';
import { imageBlock, patternBlock, writePatternImage } from '../support/pattern-image.ts';
import { describeWith, program, root } from '../support/requires.ts';
import { ServiceProcess } from '../support/service-process.ts';

function taken(): Promise<{ server: Server; address: string }> {
  const server = createServer();
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      resolve({ server, address: `127.0.0.1:${port}` });
    });
  });
}

describe('a service that cannot start says why and leaves with 1', () => {
  test.each([
    ['--http', 'http.listen'],
    ['--nbd', 'nbd.listen'],
    ['--xenapi', 'xenapi.listen'],
  ])('%s on a port in use', async (flag, field) => {
    const { server, address } = await taken();
    const start = ServiceProcess.start({ arguments: ['--workers', '1', flag, address] });
    await expect(start).rejects.toThrow(
      new RegExp(`left with 1.*ADDRESS_IN_USE: ${field}: ${address} is taken`, 's'),
    );
    server.close();
  });

  test('several workers on a port that another service shares by SO_REUSEPORT', async () => {
    const first = await ServiceProcess.start({ arguments: ['--workers', '2'] });
    const start = ServiceProcess.start({ arguments: ['--workers', '2'], nbdPort: first.nbdPort });
    await expect(start).rejects.toThrow(/ADDRESS_IN_USE/);
    await first.remove();
  });

  test('a folder that another service uses', async () => {
    const first = await ServiceProcess.start();
    await expect(ServiceProcess.start({ data: first.data })).rejects.toThrow(
      /left with 1.*IN_USE.*data/s,
    );
    await first.remove();
  });

  test.each([
    [['--workers', 'many'], /INVALID_INPUT.*workers.*many/s],
    [['--nbd-tls-mode', 'required'], /INVALID_INPUT.*nbd\.tls/s],
    [['--pxe-dhcp-mode', 'proxy'], /INVALID_INPUT.*pxe\.address/s],
    [['--pxe-address', '999.0.0.1'], /INVALID_INPUT: pxe\.address:.*value: +"999\.0\.0\.1"/s],
    [
      [
        ...['--pxe-address', '127.0.0.1', '--pxe-dhcp-mode', 'full', '--pxe-dhcp-port', '0'],
        ...['--pxe-dhcp-range-start', '127.0.0.9', '--pxe-dhcp-range-end', '127.0.0.8'],
        ...['--pxe-dhcp-netmask', '255.255.255.0'],
      ],
      /INVALID_INPUT: pxe\.dhcp\.rangeStart: expected first before last/,
    ],
    [
      ['--nbd-tls-mode', 'required', '--nbd-tls-psk', '/nonexistent'],
      /nbd\.tls\.psk.*nonexistent/s,
    ],
  ])('%j', async (args, message) => {
    await expect(ServiceProcess.start({ arguments: args })).rejects.toThrow(message);
  });

  test('a data folder that cannot be made', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rootcast-refused-'));
    const file = join(folder, 'file');
    writeFileSync(file, '');
    await expect(ServiceProcess.start({ data: join(file, 'data') })).rejects.toThrow(
      /left with 1.*data/s,
    );
    rmSync(folder, { recursive: true });
  });
});

describeWith([root(), program('mount', 'mount')], 'a full disk under the data folder', () => {
  let mounted: string | undefined;
  let service: ServiceProcess | undefined;

  afterEach(async () => {
    await service?.stop();
    if (mounted !== undefined) execFileSync('umount', [mounted]);
    if (mounted !== undefined) rmSync(mounted, { recursive: true });
  });

  test('an import that does not fit is refused and leaves nothing; a write that does not fit is ENOSPC', async () => {
    mounted = mkdtempSync(join(tmpdir(), 'rootcast-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=112m', 'tmpfs', mounted]);
    const data = join(mounted, 'data');
    mkdirSync(data);
    const images = mkdtempSync(join(tmpdir(), 'rootcast-images-'));
    writePatternImage(join(images, 'small.img'), 8 * 2 ** 20);
    writePatternImage(join(images, 'large.img'), 256 * 2 ** 20);
    service = await ServiceProcess.start({ data });

    const large = await service.cli(
      'vdisk',
      'import',
      join(images, 'large.img'),
      '--name',
      'large',
    );
    expect(large.code).toBe(1);
    expect(large.stderr).toContain('NO_SPACE');
    expect(readdirSync(join(data, 'layers'))).toEqual([]);
    expect(service.volumes()).toEqual([]);

    await service.json('vdisk', 'import', join(images, 'small.img'), '--name', 'small');
    await service.json('machine', 'add', 'a', '--mac', '52:54:00:00:00:0a', '--vdisk', 'small');
    await service.json('machine', 'add', 'b', '--mac', '52:54:00:00:00:0b', '--vdisk', 'small');
    const b = await connectNbd(service.uri('machine/b'));
    await b.write(patternBlock(1, 2), 4096);
    const a = await connectNbd(service.uri('machine/a'));
    // What else the folder holds decides how much fits: fill the rest from outside.
    const filler = join(mounted, 'filler');
    try {
      writeFileSync(filler, Buffer.alloc(128 * 2 ** 20));
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
    }
    await expect(a.write(patternBlock(5, 1), 5 * 4096)).rejects.toMatchObject({ errno: 'ENOSPC' });
    const got = Buffer.alloc(4096);
    await a.read(got, 5 * 4096);
    expect(got.equals(imageBlock(5))).toBe(true);
    await b.read(got, 4096);
    expect(got.equals(patternBlock(1, 2))).toBe(true);
    rmSync(filler);
    await a.write(patternBlock(5, 1), 5 * 4096);
    await a.read(got, 5 * 4096);
    expect(got.equals(patternBlock(5, 1))).toBe(true);
    await Promise.all([a.disconnect(), b.disconnect()]);
    rmSync(images, { recursive: true });
  });
});
