import { describe, expect, it } from 'vitest';
import { newestKernel } from '../../../../src/vdisk/boot-files/kernel-names.ts';
import { compareVersions } from '../../../../src/vdisk/boot-files/version-order.ts';

describe('versions are ordered as Debian orders them', () => {
  it.each([
    ['6.1.0-9-amd64', '6.1.0-18-amd64'],
    ['6.1.0', '6.1.0-1'],
    ['6.1.0~rc1', '6.1.0'],
    ['6.1.0~', '6.1.0'],
    ['5.15.0-91-generic', '6.2.0-1-generic'],
    ['1.09', '1.10'],
    ['1.0a', '1.0+'],
    ['6.9', '6.10.12345678901234567890123'],
    ['', '0.1'],
  ])('%s before %s', (older, newer) => {
    expect(compareVersions(older, newer)).toBeLessThan(0);
    expect(compareVersions(newer, older)).toBeGreaterThan(0);
    expect(compareVersions(older, older)).toBe(0);
  });

  it('takes leading zeroes for nothing', () => {
    expect(compareVersions('1.01', '1.1')).toBe(0);
  });
});

describe('the kernel of a /boot', () => {
  it.each<[string, string[], string | undefined, string | undefined]>([
    [
      'Debian',
      [
        'vmlinuz-6.1.0-9-amd64',
        'initrd.img-6.1.0-9-amd64',
        'vmlinuz-6.1.0-18-amd64',
        'initrd.img-6.1.0-18-amd64',
        'System.map-6.1.0-18-amd64',
        'config-6.1.0-18-amd64',
      ],
      'vmlinuz-6.1.0-18-amd64',
      'initrd.img-6.1.0-18-amd64',
    ],
    [
      'Fedora',
      [
        'vmlinuz-6.8.5-301.fc40.x86_64',
        'initramfs-6.8.5-301.fc40.x86_64.img',
        'vmlinuz-0-rescue-abc',
        'initramfs-0-rescue-abc.img',
      ],
      'vmlinuz-6.8.5-301.fc40.x86_64',
      'initramfs-6.8.5-301.fc40.x86_64.img',
    ],
    [
      'openSUSE',
      ['vmlinuz-6.4.0-default', 'initrd-6.4.0-default'],
      'vmlinuz-6.4.0-default',
      'initrd-6.4.0-default',
    ],
    ['Alpine', ['vmlinuz-lts', 'initramfs-lts'], 'vmlinuz-lts', 'initramfs-lts'],
    [
      'Arch',
      ['vmlinuz-linux', 'initramfs-linux.img', 'initramfs-linux-fallback.img'],
      'vmlinuz-linux',
      'initramfs-linux.img',
    ],
    [
      'an interrupted upgrade: the newest has no initrd yet',
      ['vmlinuz-6.1', 'initrd.img-6.1', 'vmlinuz-6.2'],
      'vmlinuz-6.1',
      'initrd.img-6.1',
    ],
    ['no initrd at all', ['vmlinuz-6.1', 'vmlinuz-6.2'], 'vmlinuz-6.2', undefined],
    ['links only', ['vmlinuz', 'initrd.img'], 'vmlinuz', 'initrd.img'],
    ['nothing', ['grub', 'efi'], undefined, undefined],
  ])('%s', (_name, names, kernel, initrd) => {
    const found = newestKernel(names);
    expect(found?.kernel).toBe(kernel);
    expect(found?.initrd).toBe(initrd);
  });
});
