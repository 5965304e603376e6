/**
 * Completes package-lock.json after `npm install`, for `npm ci` to accept it everywhere.
 *
 * A registry that mirrors only the packages of one platform makes npm leave the optional packages of the
 * other platforms out of the lock file, and `npm ci` then refuses it ("Missing: … from lock file"). Here
 * they get an entry: the version their parent asks for, and the platform that their name says. Such an
 * entry has no integrity hash; npm fetches it only on that platform. Addresses of registries are removed.
 *
 * node scripts/complete-lock.ts
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

interface LockEntry {
  version?: string;
  resolved?: string;
  /** A folder of this project, which `resolved` names. */
  link?: boolean;
  dev?: boolean;
  optional?: boolean;
  cpu?: string[];
  os?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

const SYSTEMS = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
];
const PROCESSORS = [
  'arm',
  'arm64',
  'ia32',
  'loong64',
  'mips64el',
  'ppc64',
  'riscv64',
  's390x',
  'wasm32',
  'x64',
];

/** `@scope/name-linux-arm64-musl` says linux, arm64 and musl. */
function platformOf(name: string): Pick<LockEntry, 'cpu' | 'os' | 'libc'> {
  const words = name.split(/[-/]/);
  const os = words.filter((word) => SYSTEMS.includes(word));
  const cpu = words.filter((word) => PROCESSORS.includes(word));
  if (os.length !== 1 || cpu.length !== 1) throw new Error(`no platform in the name of ${name}`);
  if (words.some((word) => word.startsWith('musl'))) return { cpu, libc: ['musl'], os };
  if (os[0] === 'linux') return { cpu, libc: ['glibc'], os };
  return { cpu, os };
}

function missingEntries(packages: Record<string, LockEntry>): [string, LockEntry][] {
  const added: [string, LockEntry][] = [];
  for (const [parent, entry] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const nested = `${parent}/node_modules/${name}`;
      const hoisted = `node_modules/${name}`;
      if (packages[nested] !== undefined || packages[hoisted] !== undefined) continue;
      const dev = entry.dev === true ? { dev: true } : {};
      added.push([hoisted, { version, ...dev, optional: true, ...platformOf(name) }]);
    }
  }
  return added;
}

const path = join(resolve(import.meta.dirname, '..'), 'package-lock.json');
const lock = JSON.parse(readFileSync(path, 'utf8')) as { packages: Record<string, LockEntry> };
const added = missingEntries(lock.packages);
const entries = [...Object.entries(lock.packages), ...added].sort(([a], [b]) => (a < b ? -1 : 1));
for (const [, entry] of entries) if (entry.link !== true) delete entry.resolved;
lock.packages = Object.fromEntries(entries);
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${added.length} entries added for other platforms`);
