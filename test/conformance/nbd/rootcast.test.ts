/** Our server against the whole table, in each TLS mode, on several exports. Nothing fails, and what is skipped is named here. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createNbdServer, type NbdServer } from '../../../src/nbd/index.ts';
import { testExports, tlsSettings } from '../../support/nbd-server-process.ts';
import { makeTlsFiles } from '../../support/nbd-tls-files.ts';
import { describeWith, program } from '../../support/requires.ts';
import { CASES } from './cases/index.ts';
import type { Address } from './raw.ts';
import { type Facts, probe, runCase, type Target } from './suite.ts';

const MIB = 1024 * 1024;

interface Setting {
  readonly name: string;
  readonly exportName: string;
  readonly tls: Target['tls'];
  readonly unix?: boolean;
  /** Cases that this setting cannot have, by id: everything else must run. */
  readonly skipped: RegExp;
}

const PLAIN_TLS = 'tls-(?!off)';

function serve(setting: Setting, directory: string): void {
  let server: NbdServer;
  let target: Target;
  let facts: Facts;

  beforeAll(async () => {
    const { tls } = setting;
    server = createNbdServer({
      exports: testExports(128 * MIB),
      ...(tls === 'off' ? {} : { tls: tlsSettings({ mode: tls, directory, x509: 'none' }) }),
    });
    const where = setting.unix ? { path: join(directory, 's') } : { host: '127.0.0.1', port: 0 };
    const address = (await server.listen(where)) as Address;
    let tlsOptions: ConnectionOptions = {};
    if (tls !== 'off') {
      tlsOptions = { ca: readFileSync(join(directory, 'ca-cert.pem')), servername: 'localhost' };
    }
    target = {
      name: setting.name,
      address,
      exportName: setting.exportName,
      readOnlyExport: 'read-only',
      unknownExport: 'no such export',
      tls,
      tlsOptions,
      patience: 5_000,
    };
    facts = await probe(target);
  });

  afterAll(() => server.close());

  test.each(CASES.map((item) => [item.id, item] as const))('%s', async (id, item) => {
    const outcome = await runCase(target, facts, item);
    if (outcome.kind === 'skip') expect(id, outcome.reason).toMatch(setting.skipped);
    else
      expect(outcome, `${item.level} "${item.quote}" (${item.section})`).toEqual({ kind: 'pass' });
  });
}

const scratch = mkdtempSync(join(tmpdir(), 'rootcast-conformance-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('over TCP', () => {
  const skipped = new RegExp(`^(${PLAIN_TLS}.*|.*-below-minimum-block|extended-64-bit-effect)$`);
  serve({ name: 'disk', exportName: 'disk', tls: 'off', skipped }, scratch);
});

describe('over a Unix socket, the default export', () => {
  const skipped = new RegExp(`^(${PLAIN_TLS}.*|.*-below-minimum-block|extended-64-bit-effect)$`);
  serve({ name: 'unix', exportName: '', tls: 'off', unix: true, skipped }, scratch);
});

describe('with a minimum block of 4096', () => {
  const skipped = new RegExp(`^(${PLAIN_TLS}.*|.*-unaligned|extended-64-bit-effect)$`);
  serve({ name: 'aligned', exportName: 'aligned', tls: 'off', skipped }, scratch);
});

describe('64 TiB', () => {
  const skipped = new RegExp(
    `^(${PLAIN_TLS}.*|.*-below-minimum-block|read-4-gib|extended-64-bit-length)$`,
  );
  serve({ name: 'huge', exportName: 'huge', tls: 'off', skipped }, scratch);
});

describeWith([program('certtool', 'gnutls-bin')], 'with TLS', () => {
  beforeAll(() => makeTlsFiles(scratch));
  describe('allowed', () => {
    const skipped = /^(tls-(off|required).*|.*-below-minimum-block|extended-64-bit-effect)$/;
    serve({ name: 'tls allowed', exportName: 'disk', tls: 'allowed', skipped }, scratch);
  });
  describe('required', () => {
    const skipped =
      /^(tls-(off|drops|not-fixed).*|.*-below-minimum-block|greeting-in-pieces|extended-64-bit-effect|export-name-not-fixed)$/;
    serve({ name: 'tls required', exportName: 'disk', tls: 'required', skipped }, scratch);
  });
});
