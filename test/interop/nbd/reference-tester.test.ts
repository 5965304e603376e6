/** All modes of nbd-tester-client, the tester of the protocol's own project (built by ../build-sources.sh). */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type NbdServerProcess, startNbdServer } from '../../support/nbd-server-process.ts';
import { makeTlsFiles } from '../../support/nbd-tls-files.ts';
import { describeWith, program } from '../../support/requires.ts';
import { succeed } from '../../support/run-program.ts';
import { SOURCE_NEEDS, sourceTree } from '../../support/source-trees.ts';

/** The transaction logs reach to 50 MiB and expect zeroes where nothing was written. */
const SIZE = 50 * 1024 * 1024;

describeWith(SOURCE_NEEDS, 'nbd-tester-client', () => {
  let tree: string;
  let folder: string;
  let server: NbdServerProcess;

  beforeAll(() => {
    tree = sourceTree('nbd');
  }, 600_000);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'rootcast-tester-'));
  });
  afterEach(async () => {
    expect(await server.stop(), server.errors()).toBe(0);
    rmSync(folder, { recursive: true, force: true });
  });

  const tester = (...args: string[]) =>
    succeed(join(tree, 'tests/run/nbd-tester-client'), ['-N', 'disk', ...args], { cwd: folder });

  const log = (name: string) => join(tree, 'tests/run', name);

  const MODES: readonly (readonly [string, (log: (name: string) => string) => string[]])[] = [
    ['reads', () => []],
    ['writes', () => ['-w']],
    ['writes with FUA and FLUSH', () => ['-w', '-f']],
    ['oversized and unaligned reads', () => ['-o']],
    ['an unknown option, then ABORT', () => ['-h']],
    ['66 505 logged writes', (log) => ['-i', '-t', log('integrity-test.tr')]],
    ['logged writes, loosely ordered', (log) => ['-i', '-l', '-t', log('integrity-test.tr')]],
    ['requests up to 48 MiB', (log) => ['-i', '-t', log('integrityhuge-test.tr')]],
  ];

  test.each(MODES)('over TCP: %s', async (_mode, flags) => {
    server = await startNbdServer({ size: SIZE });
    await tester(...flags(log), server.host, String(server.port));
  });

  test.each(MODES.slice(2, 6))('over a Unix socket: %s', async (_mode, flags) => {
    const socket = join(folder, 's');
    server = await startNbdServer({ size: SIZE, socket });
    await tester(...flags(log), '-u', socket);
  });

  describeWith([program('certtool', 'gnutls-bin')], 'over TLS', () => {
    test('66 505 logged writes', async () => {
      makeTlsFiles(folder);
      const tls = { mode: 'required', directory: folder, x509: 'required' } as const;
      server = await startNbdServer({ size: SIZE, tls });
      const credentials = [
        ...['-C', join(folder, 'client-cert.pem'), '-K', join(folder, 'client-key.pem')],
        ...['-A', join(folder, 'ca-cert.pem'), '-H', 'localhost'],
      ];
      const mode = ['-i', '-t', log('integrity-test.tr')];
      await tester(...mode, ...credentials, 'localhost', String(server.port));
    });
  });

  test('is not so lenient that it passes a wrong server', async () => {
    // The log expects zeroes: on the pattern of the read-only export it must complain.
    server = await startNbdServer({ size: SIZE });
    expect(readFileSync(log('integrity-test.tr')).length).toBeGreaterThan(1_000_000);
    expect(() =>
      execFileSync(
        join(tree, 'tests/run/nbd-tester-client'),
        ['-N', 'read-only', '-i', '-t', log('integrity-test.tr'), server.host, String(server.port)],
        { stdio: 'ignore', cwd: folder },
      ),
    ).toThrow();
  });
});
