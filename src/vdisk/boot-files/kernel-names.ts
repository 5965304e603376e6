/** Which files of a /boot folder are a kernel and its initrd, by the names distributions give them. */
import { compareVersions } from './version-order.ts';

export interface KernelPair {
  readonly kernel: string;
  readonly initrd: string | undefined;
  /** '' for a kernel without a version in its name. */
  readonly version: string;
}

const KERNEL_PREFIXES = ['vmlinuz-', 'vmlinux-', 'kernel-'] as const;
const KERNELS_WITHOUT_VERSION = ['vmlinuz', 'vmlinuz.old', 'bzImage'] as const;

/** Debian, Ubuntu; Fedora, RHEL, openSUSE's dracut; Arch; openSUSE; Alpine. Ordered by trust. */
const INITRD_NAMES: readonly ((version: string) => string)[] = [
  (version) => `initrd.img-${version}`,
  (version) => `initramfs-${version}.img`,
  (version) => `initrd-${version}.img`,
  (version) => `initrd-${version}`,
  (version) => `initramfs-${version}`,
];
const INITRDS_WITHOUT_VERSION = ['initrd.img', 'initrd', 'initramfs.img', 'initramfs'] as const;

/** Fedora's rescue entry boots on any machine, but never by itself. */
const RESCUE = /rescue/;

/** The newest kernel that has an initrd; else the newest kernel. */
export function newestKernel(names: readonly string[]): KernelPair | undefined {
  const pairs = kernelPairs(names).toSorted(
    (a, b) =>
      Number(b.initrd !== undefined) - Number(a.initrd !== undefined) ||
      Number(b.version !== '') - Number(a.version !== '') ||
      compareVersions(b.version, a.version),
  );
  return pairs[0];
}

function kernelPairs(names: readonly string[]): KernelPair[] {
  const there = new Set(names);
  const pairs: KernelPair[] = [];
  for (const kernel of names) {
    const prefix = KERNEL_PREFIXES.find((start) => kernel.startsWith(start));
    if (prefix === undefined || RESCUE.test(kernel)) continue;
    const version = kernel.slice(prefix.length);
    const initrd = INITRD_NAMES.map((name) => name(version)).find((name) => there.has(name));
    pairs.push({ kernel, initrd, version });
  }
  for (const kernel of KERNELS_WITHOUT_VERSION) {
    if (!there.has(kernel)) continue;
    const initrd = INITRDS_WITHOUT_VERSION.find((name) => there.has(name));
    pairs.push({ kernel, initrd, version: '' });
  }
  return pairs;
}
