/**
 * The import rules of .dependency-cruiser.cjs, each broken once on purpose: a rule that does not fire
 * here guards nothing (a parser that silently read no file has happened).
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const PROJECT = resolve(import.meta.dirname, '../../..');
const CONFIG = join(PROJECT, '.dependency-cruiser.cjs');
const DEPCRUISE = join(PROJECT, 'node_modules/.bin/depcruise');

interface Violation {
  readonly rule: { readonly name: string };
  readonly from: string;
  readonly to: string;
}

interface Cruise {
  readonly summary: { readonly violations: Violation[]; readonly totalCruised: number };
}

const rules = (
  createRequire(import.meta.url)(CONFIG) as { forbidden: { readonly name: string }[] }
).forbidden.map((rule) => rule.name);

/** Files that keep every rule. */
const CLEAN: Record<string, string> = {
  'package.json': JSON.stringify({
    name: 'fixture',
    type: 'module',
    dependencies: { fastify: '1.0.0', 'lru-cache': '1.0.0' },
    devDependencies: { vitest: '1.0.0' },
  }),
  'tsconfig.json': JSON.stringify({
    compilerOptions: { module: 'nodenext', allowImportingTsExtensions: true, noEmit: true },
  }),
  ...Object.fromEntries(
    ['fastify', 'lru-cache', 'vitest', 'stranger'].flatMap((name) => [
      [
        `node_modules/${name}/package.json`,
        JSON.stringify({ name, version: '1.0.0', exports: './index.js', type: 'module' }),
      ],
      [`node_modules/${name}/index.js`, 'export const a = 1;'],
    ]),
  ),
  'src/base/index.ts': 'export const base: number = 1;',
  'src/errors/index.ts': "export { base as errors } from '../base/index.ts';",
  'src/block/index.ts': "export { errors as block } from '../errors/index.ts';",
  'src/block/cached.ts': "import { a } from 'lru-cache'; export const cached: number = a;",
  'src/repositories/index.ts': "export { block as repositories } from '../block/index.ts';",
  'src/vdisk/index.ts': "export { repositories as vdisk } from '../repositories/index.ts';",
  'src/volumes/index.ts': "export { vdisk as volumes } from '../vdisk/index.ts';",
  'src/exports/index.ts': "export { vdisk as exported } from '../vdisk/index.ts';",
  'src/nbd/index.ts': "export { exported as nbd } from '../exports/index.ts';",
  'src/nbd/wire/codec.ts': "import { Buffer } from 'node:buffer'; export const c = Buffer;",
  'src/iscsi/index.ts': "export { block as iscsi } from '../block/index.ts';",
  'src/pxe/index.ts': "export { base as pxe } from '../base/index.ts';",
  'src/adapters/local/index.ts': "export { block as local } from '../../block/index.ts';",
  'src/adapters/nfs/index.ts': "export { block as nfs } from '../../block/index.ts';",
  'src/control/index.ts': "export { repositories as control } from '../repositories/index.ts';",
  'src/api/index.ts':
    "import { a } from 'fastify'; export { control } from '../control/index.ts'; export const b: number = a;",
  'src/xenapi/index.ts': "export { control as xenapi } from '../control/index.ts';",
  'src/cli/main.ts': "export { errors as cli } from '../errors/index.ts';",
  'src/service/main.ts':
    "export { local } from '../adapters/local/index.ts'; export { b } from '../api/index.ts'; import 'node:sqlite';",
  'test/unit/nbd.test.ts': "import { c } from '../../src/nbd/wire/codec.ts'; export const d = c;",
  'examples/server.ts': "export { nbd } from '../src/nbd/index.ts';",
  'bench/main.ts': "export { nbd } from '../src/nbd/index.ts';",
};

const upwards = (folder: string, above: string) => ({
  rule: `${folder}-imports-only-what-stands-below-it`,
  from: `src/${folder}/${folder === 'adapters' ? 'san/' : ''}upwards.ts`,
  text: `export { ${above} } from '${folder === 'adapters' ? '../' : ''}../${above}/index.ts';`,
});

/** One violation of each rule. */
const BROKEN: readonly { readonly rule: string; readonly from: string; readonly text: string }[] = [
  upwards('base', 'errors'),
  upwards('errors', 'block'),
  upwards('block', 'repositories'),
  upwards('repositories', 'vdisk'),
  upwards('vdisk', 'exports'),
  upwards('volumes', 'exports'),
  upwards('exports', 'nbd'),
  upwards('nbd', 'vdisk'),
  upwards('iscsi', 'repositories'),
  upwards('pxe', 'control'),
  upwards('adapters', 'vdisk'),
  upwards('control', 'block'),
  upwards('api', 'repositories'),
  upwards('xenapi', 'exports'),
  upwards('cli', 'control'),
  {
    rule: 'every-folder-has-its-place',
    from: 'src/attic/old.ts',
    text: "export { base } from '../base/index.ts';",
  },
  {
    rule: 'no-cycles',
    from: 'src/block/snake.ts',
    text: "import type { Tail } from './tail.ts'; export type Snake = Tail;",
  },
  {
    rule: 'a-folder-is-entered-through-its-index',
    from: 'src/nbd/burglar.ts',
    text: "export { cached } from '../block/cached.ts';",
  },
  {
    rule: 'adapters-are-strangers-to-each-other',
    from: 'src/adapters/nfs/friend.ts',
    text: "export { local } from '../local/index.ts';",
  },
  {
    rule: 'wire-codecs-are-pure',
    from: 'src/nbd/wire/impure.ts',
    text: "import { connect } from 'node:net'; export const c = connect;",
  },
  {
    rule: 'wire-codecs-are-pure',
    from: 'src/nbd/wire/impure-disk.ts',
    text: "import { open } from 'node:fs/promises'; export const c = open;",
  },
  {
    rule: 'the-library-is-usable-alone',
    from: 'src/nbd/heavy.ts',
    text: "import { a } from 'fastify'; export const c: number = a;",
  },
  {
    rule: 'examples-use-the-public-entries',
    from: 'examples/insider.ts',
    text: "export { c } from '../src/nbd/wire/codec.ts';",
  },
  {
    rule: 'the-program-needs-no-tests',
    from: 'src/service/tested.ts',
    text: "export { nbd } from '../../bench/main.ts';",
  },
  {
    rule: 'the-program-needs-no-development-packages',
    from: 'src/service/developing.ts',
    text: "import { a } from 'vitest'; export const c: number = a;",
  },
  {
    rule: 'the-program-needs-no-development-packages',
    from: 'src/service/undeclared.ts',
    text: "import { a } from 'stranger'; export const c: number = a;",
  },
  {
    rule: 'every-import-is-found',
    from: 'src/service/lost.ts',
    text: "export { c } from './nowhere.ts';",
  },
];

let folder: string;

function write(files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), `${text}\n`);
  }
}

function cruise(): Cruise['summary'] {
  const run = spawnSync(
    process.execPath,
    [DEPCRUISE, '--config', CONFIG, '--output-type', 'json', 'src', 'test', 'bench', 'examples'],
    { cwd: folder, encoding: 'utf8', maxBuffer: 64 * 2 ** 20 },
  );
  if (run.stdout === '') throw new Error(run.stderr);
  return (JSON.parse(run.stdout) as Cruise).summary;
}

describe('the import rules', () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'rootcast-import-rules-'));
    write(CLEAN);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('accept a house that keeps them, and did read its files', () => {
    const { violations, totalCruised } = cruise();
    expect(violations).toEqual([]);
    const sources = Object.keys(CLEAN).filter((path) => /^[a-z].*\.ts$/.test(path));
    expect(totalCruised).toBeGreaterThanOrEqual(sources.length);
  });

  it('each fire on the file that breaks them', () => {
    write(Object.fromEntries(BROKEN.map((broken) => [broken.from, broken.text])));
    write({
      'src/block/tail.ts': "import type { Snake } from './snake.ts'; export type Tail = Snake | 1;",
    });
    const { violations } = cruise();
    const fired = new Set(violations.map(({ rule, from }) => `${rule.name}: ${from}`));
    expect([...fired]).toEqual(
      expect.arrayContaining(BROKEN.map(({ rule, from }) => `${rule}: ${from}`)),
    );
    const innocent = violations.filter(({ from }) => CLEAN[from] !== undefined);
    expect(innocent, 'a clean file is accused').toEqual([]);
  });

  it('are all broken by a fixture here', () => {
    expect(new Set(BROKEN.map(({ rule }) => rule))).toEqual(new Set(rules));
  });

  it('fail the command', () => {
    expect(() =>
      execFileSync(process.execPath, [DEPCRUISE, '--config', CONFIG, 'src'], {
        cwd: folder,
        stdio: 'pipe',
      }),
    ).toThrow();
  });
});
