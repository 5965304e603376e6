/** Programs that test/interop/build-sources.sh builds from Debian's source packages, once per machine. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { file, type Need, program } from './requires.ts';

const SCRIPT = new URL('../interop/build-sources.sh', import.meta.url).pathname;

export const SOURCE_NEEDS: readonly Need[] = [
  program('apt-get', 'apt'),
  program('gcc', 'gcc'),
  program('make', 'make'),
  program('bison', 'bison'),
  program('pkg-config', 'pkg-config'),
  file('/usr/include/glib-2.0/glib.h', 'libglib2.0-dev'),
  file('/usr/include/gnutls/gnutls.h', 'libgnutls28-dev'),
  file('/usr/include/libxml2/libxml/parser.h', 'libxml2-dev'),
];

/** The built tree of `nbd` or `libnbd`; builds it when it is not there (a minute or so). */
export function sourceTree(name: 'nbd' | 'libnbd'): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const tree = join(cache, 'rootcast-test', name);
  if (!existsSync(join(tree, '.built'))) {
    execFileSync('sh', [SCRIPT, name], { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  return tree;
}
