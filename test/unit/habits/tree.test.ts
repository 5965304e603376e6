/**
 * Habits of the tree that no other tool checks: sizes, names, and nothing of
 * the machine it was written on.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { describeWith, program } from '../../support/requires.ts';
import { SEED } from '../../support/seed.ts';

const PROJECT = resolve(import.meta.dirname, '../../..');

const MAX_LINES = 400;
/** Names that say nothing about the one concept of a file. */
const FORBIDDEN_NAMES = /^(utils?|helpers?|common|misc|types?|managers?)$/;
const KEBAB_CASE = /^[a-z0-9]+(-[a-z0-9]+)*$/;
/** A path of somebody's machine (the home of `me` is nobody's). Written in pieces, so that this file does not accuse itself. */
const MACHINE_PATH = new RegExp(
  ['/wor', 'k/|/hom', 'e/(?!me/|me\\b)[a-z]|/User', 's/[a-zA-Z]'].join(''),
);

const read = (path: string): string => readFileSync(join(PROJECT, path), 'utf8');

function isText(path: string): boolean {
  const bytes = readFileSync(join(PROJECT, path));
  return !bytes.subarray(0, 8000).includes(0);
}

/** Every file that is committed or could be: not what .gitignore names. */
function listFiles(): string[] {
  const list = execFileSync(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
    { cwd: PROJECT, encoding: 'utf8' },
  );
  return [...new Set(list.split('\0'))].filter(
    (path) => path !== '' && statSync(join(PROJECT, path), { throwIfNoEntry: false })?.isFile(),
  );
}

/** Relative links of a page, outside of code. */
function linksOf(markdown: string): readonly string[] {
  const prose = markdown.replaceAll(/```.*?```/gs, '').replaceAll(/`[^`\n]*`/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link = '']) => link)
    .filter((link) => !/^[a-z]+:/.test(link));
}

/** The name that a heading gets in links. */
const anchorOf = (heading: string): string =>
  heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-');

function isThere(page: string, link: string): boolean {
  const [file = '', anchor] = link.split('#');
  const target = file === '' ? page : join(dirname(page), file);
  if (!existsSync(join(PROJECT, target))) return false;
  if (anchor === undefined) return true;
  const headings = [...read(target).matchAll(/^#+ (.*)$/gm)].map(([, text = '']) => anchorOf(text));
  return headings.includes(anchor);
}

describeWith([program('git', 'git')], 'the tree', () => {
  let files: string[];
  let code: string[];
  beforeAll(() => {
    files = listFiles();
    code = files.filter((path) => path.endsWith('.ts') && !path.includes('/fixtures/'));
    expect(code.length).toBeGreaterThan(10);
  });

  it(`has no code file of more than ${MAX_LINES} lines`, () => {
    const long = code
      .map((path) => ({ path, lines: read(path).split('\n').length - 1 }))
      .filter(({ lines }) => lines > MAX_LINES)
      .map(({ path, lines }) => `${path}: ${lines}`);
    expect(long).toEqual([]);
  });

  it('names files in kebab-case, after one concept each', () => {
    const wrong = code.filter((path) => {
      const name = basename(path).replace(/(\.test|\.config|\.d)?\.ts$/, '');
      return !KEBAB_CASE.test(name) || FORBIDDEN_NAMES.test(name);
    });
    expect(wrong).toEqual([]);
    const folders = new Set(code.map((path) => basename(dirname(path))));
    expect([...folders].filter((name) => FORBIDDEN_NAMES.test(name))).toEqual([]);
  });

  it('names no path of the machine it was written on', () => {
    const accused = files.filter((path) => isText(path) && MACHINE_PATH.test(read(path)));
    expect(accused).toEqual([]);
  });

  it('has no link to a file or a heading that is not there', () => {
    const pages = files.filter((path) => path.endsWith('.md'));
    expect(pages.length).toBeGreaterThan(5);
    const broken = pages.flatMap((page) =>
      linksOf(read(page))
        .filter((link) => !isThere(page, link))
        .map((link) => `${page}: ${link}`),
    );
    expect(broken).toEqual([]);
    // That it can fail:
    expect(linksOf('[a](b.md) `[c](d)`\n```\n[e](f)\n```\n[g](https://h)')).toEqual(['b.md']);
    expect(isThere('README.md', 'docs/NOTHING.md')).toBe(false);
    expect(isThere('README.md', 'docs/BOOT.md#no-such-heading')).toBe(false);
    expect(isThere('README.md', 'docs/BOOT.md#root-over-nbd')).toBe(true);
  });

  it('skips and focuses tests only where a reason is given', () => {
    // describeWith (support/requires.ts) and `context.skip(reason)` both carry one into the summary.
    const bare = new RegExp(
      ['\\b(it|test|describe)', '\\.(only|skip|todo|skipIf|runIf)[(.]'].join(''),
    );
    const wrong = code.filter(
      (path) =>
        path.startsWith('test/') && path !== 'test/support/requires.ts' && bare.test(read(path)),
    );
    expect(wrong).toEqual([]);
  });
});

describe('the packages', () => {
  const lock = JSON.parse(read('package-lock.json')) as {
    readonly packages: Record<
      string,
      {
        readonly hasInstallScript?: boolean;
        readonly optionalDependencies?: object;
        readonly resolved?: string;
        readonly link?: boolean;
        readonly license?: string;
      }
    >;
  };

  it('are locked without the address of a registry', () => {
    // .npmrc keeps them out; npm then takes them from whatever registry the machine is set to.
    // A link names a folder of this project.
    const addresses = Object.values(lock.packages).filter(
      ({ resolved, link }) =>
        resolved !== undefined && !(link === true && existsSync(join(PROJECT, resolved))),
    );
    expect(addresses).toEqual([]);
    expect(read('.npmrc')).not.toMatch(/registry\s*=/);
    expect(read('.npmrc')).toMatch(/^omit-lockfile-registry-resolved=true$/m);
  });

  it('are under licences that ask nothing of who uses Rootcast', () => {
    const strict = Object.entries(lock.packages).filter(([, { license }]) =>
      /GPL|SSPL|BUSL/.test(license ?? ''),
    );
    expect(strict).toEqual([]);
  });

  it('are locked for every platform, or `npm ci` refuses the lock (scripts/complete-lock.ts)', () => {
    const missing = Object.entries(lock.packages).flatMap(([parent, entry]) =>
      Object.keys(entry.optionalDependencies ?? {}).filter(
        (name) =>
          lock.packages[`${parent}/node_modules/${name}`] === undefined &&
          lock.packages[`node_modules/${name}`] === undefined,
      ),
    );
    expect(missing).toEqual([]);
  });

  it('build nothing when they are installed, but for the one that brings Node.js', () => {
    const scripted = Object.entries(lock.packages)
      .filter(([, entry]) => entry.hasInstallScript === true)
      .map(([path]) => path.replace(/^.*node_modules\//, ''))
      .filter((name) => name !== 'fsevents'); // macOS only, optional, comes with its binary
    const { allowScripts } = JSON.parse(read('package.json')) as { allowScripts: object };
    expect(scripted).toEqual(['node']);
    expect(Object.keys(allowScripts)).toEqual(scripted); // npm 12 runs no other
  });
});

describe('a random test', () => {
  it('uses the one seed of the run, which the summary prints', () => {
    expect(SEED).toBe(Number(process.env['ROOTCAST_SEED']));
  });
});
