/** Whether this process, on this host, can prepare images at all: asked before anything is copied or received. */
import { readFileSync } from 'node:fs';
import { Fault } from '../../errors/index.ts';
import { isInstalled } from '../demo/index.ts';

/** Programs and their Debian packages. */
const PROGRAMS: Readonly<Record<string, string>> = {
  setpriv: 'util-linux',
  unshare: 'util-linux',
  blkid: 'util-linux',
  mount: 'mount',
  bwrap: 'bubblewrap',
  sfdisk: 'fdisk',
};

/** What it takes to replace a qcow2 file. */
export const QEMU_IMG: Readonly<Record<string, string>> = { 'qemu-img': 'qemu-utils' };

/** Of Linux's capabilities: to mount. */
const CAP_SYS_ADMIN = 21n;

export interface Host {
  readonly uid: number | undefined;
  /** Whether a program of this name is found. */
  readonly has: (program: string) => boolean;
  /** Content of /proc/self/status. */
  readonly status: () => string;
}

const thisHost: Host = {
  uid: process.getuid?.(),
  has: isInstalled,
  status: () => readFileSync('/proc/self/status', 'utf8'),
};

/**
 * @param more programs that are needed as well, by their Debian packages
 * @throws Fault PERMISSION_DENIED, TOOL_MISSING (names the Debian packages)
 */
export function checkCanPrepare(
  more: Readonly<Record<string, string>> = {},
  host: Host = thisHost,
): void {
  if (host.uid !== 0 || !mayMount(host)) {
    throw new Fault('PERMISSION_DENIED', 'only root can prepare an image: it is mounted', {
      field: 'user',
      value: host.uid === 0 ? 'root without CAP_SYS_ADMIN' : (host.uid ?? null),
      expected: 'root with CAP_SYS_ADMIN, or an image that was prepared before it is imported',
    });
  }
  const missing = Object.entries({ ...PROGRAMS, ...more }).filter(([name]) => !host.has(name));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map(([, debianPackage]) => debianPackage))].join(' ');
  const names = missing.map(([name]) => name).join(', ');
  throw new Fault('TOOL_MISSING', `no image can be prepared on this host: it has no ${names}`, {
    field: 'programs',
    value: names,
    expected: `apt install ${packages}`,
  });
}

function mayMount({ status }: Host): boolean {
  const [, effective] = /^CapEff:\s*([0-9a-f]+)$/m.exec(status()) ?? [];
  return effective !== undefined && ((BigInt(`0x${effective}`) >> CAP_SYS_ADMIN) & 1n) === 1n;
}
