/**
 * Where this machine gets Debian from. The image is built from the same places (a site's own mirror
 * and its snapshot date included), so that nothing here names a host.
 */
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

export interface DebianRelease {
  /** `bookworm`, … */
  readonly codename: string;
  /** One-line apt sources of that release only. */
  readonly sources: readonly string[];
}

const APT_FOLDER = '/etc/apt';

/** @throws Error when this machine does not run Debian or has no Debian source configured */
export async function debianReleaseOfThisMachine(): Promise<DebianRelease> {
  const release = osRelease(await readFile('/etc/os-release', 'utf8').catch(() => ''));
  const codename = release.get('VERSION_CODENAME');
  if (release.get('ID') !== 'debian' || codename === undefined || codename === '') {
    throw new Error(
      `this machine does not run a Debian release (${release.get('ID') ?? 'unknown'})`,
    );
  }
  const files = await aptSourceFiles();
  const sources: string[] = [];
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '');
    sources.push(...(file.endsWith('.sources') ? deb822Sources(text) : listSources(text)));
  }
  const own = sources.filter((source) => isOfRelease(source, codename));
  if (own.length === 0) throw new Error(`no apt source of Debian ${codename} in ${APT_FOLDER}`);
  return { codename, sources: own };
}

export function osRelease(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, key, value] = /^([A-Z_]+)="?([^"]*)"?$/.exec(line.trim()) ?? [];
    if (key !== undefined && value !== undefined) values.set(key, value);
  }
  return values;
}

/** The `deb` lines of a one-line-style file (sources.list(5)). */
export function listSources(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => /^deb\s/.test(line));
}

/** A deb822-style file (sources.list(5)) as one-line sources. */
export function deb822Sources(text: string): string[] {
  const lines: string[] = [];
  for (const stanza of text.split(/\n\s*\n/)) {
    const fields = new Map<string, string>();
    for (const line of stanza.split('\n')) {
      const [, key, value] = /^([A-Za-z-]+):\s*(.*)$/.exec(line) ?? [];
      if (key !== undefined && value !== undefined) fields.set(key.toLowerCase(), value.trim());
    }
    if (fields.get('enabled')?.toLowerCase() === 'no') continue;
    if (!words(fields.get('types')).includes('deb')) continue;
    const signedBy = fields.get('signed-by');
    const options = signedBy?.startsWith('/') ? `[signed-by=${signedBy}] ` : '';
    for (const uri of words(fields.get('uris'))) {
      for (const suite of words(fields.get('suites'))) {
        lines.push(`deb ${options}${uri} ${suite} ${words(fields.get('components')).join(' ')}`);
      }
    }
  }
  return lines;
}

function words(value: string | undefined): string[] {
  return (value ?? '').split(/\s+/).filter((word) => word !== '');
}

/** Debian's own suites of a release: the release, its updates and its security fixes. */
function isOfRelease(source: string, codename: string): boolean {
  const suite = source.replace(/\[[^\]]*\]/, '').split(/\s+/)[2] ?? '';
  const own = [codename, `${codename}-updates`, `${codename}-security`];
  return own.includes(suite) && /\smain(\s|$)/.test(source);
}

async function aptSourceFiles(): Promise<string[]> {
  const folder = join(APT_FOLDER, 'sources.list.d');
  const names = await readdir(folder).catch(() => []);
  const parts = names.filter((name) => /\.(list|sources)$/.test(basename(name))).sort();
  return [join(APT_FOLDER, 'sources.list'), ...parts.map((name) => join(folder, name))];
}
