import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createLoaderFiles, filesOfLoader, loaderFor } from '../../../src/pxe/boot-loaders.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { DISCOVER, FIRMWARE, rawDhcp } from './firmware-packets.ts';
import { FULL, Harness } from './pxe-harness.ts';

describe('the loader of a machine', () => {
  it.each([
    ['x64-uefi', 'ipxe.efi', undefined, 'ipxe.efi'],
    ['x64-uefi', 'ipxe.efi', 'auto', 'ipxe.efi'],
    ['x64-uefi', 'ipxe.efi', 'grub', 'shimx64.efi'],
    ['x64-uefi', 'snponly.efi', 'ipxe', 'snponly.efi'],
    ['x64-uefi', 'shimx64.efi', 'auto', 'shimx64.efi'],
    ['x64-uefi', 'shimx64.efi', undefined, 'shimx64.efi'],
    // What it says itself counts more than what the service says.
    ['x64-uefi', 'shimx64.efi', 'ipxe', 'ipxe.efi'],
    ['arm64-uefi', 'ipxe.efi', 'grub', 'shimaa64.efi'],
    ['arm64-uefi', 'shimx64.efi', 'auto', 'shimaa64.efi'],
    ['arm64-uefi', 'ipxe.efi', 'ipxe', 'snp-arm64.efi'],
    // No Secure Boot there.
    ['x86-bios', 'shimx64.efi', 'grub', 'undionly.kpxe'],
    ['x86-uefi', 'shimx64.efi', 'grub', 'ipxe-ia32.efi'],
    ['arm-uefi', 'shimx64.efi', 'grub', 'snp-arm32.efi'],
  ] as const)('%s, configured %s, its own %s: %s', (architecture, configured, own, loader) => {
    expect(loaderFor(architecture, configured, own)).toBe(loader);
  });

  it('is shim with the GRUB that it loads', () => {
    expect(filesOfLoader('shimx64.efi')).toEqual(['shimx64.efi', 'grubx64.efi']);
    expect(filesOfLoader('ipxe.efi')).toEqual(['ipxe.efi']);
  });

  it('is what DHCP names, by TFTP and as a URL; who runs iPXE gets its script', async () => {
    const harness = new Harness(FULL);
    harness.decision = { kind: 'boot', loader: 'grub' };
    const fileOf = async (options: (typeof FIRMWARE)['ovmfPxe']) => {
      const reply = await harness.send(rawDhcp({ message: DISCOVER, options }));
      return reply?.fileName === '' ? reply.options.get(67)?.toString() : reply?.fileName;
    };
    expect(await fileOf(FIRMWARE.ovmfPxe)).toBe('shimx64.efi');
    expect(await fileOf(FIRMWARE.ovmfHttp)).toBe('http://192.168.50.1:8069/boot/shimx64.efi');
    expect(await fileOf(FIRMWARE.ipxeEfi)).toMatch(/\.ipxe$/);
  });
});

describe('loader files', () => {
  it('are found under the names of the signed packages, the GRUB with a network first', async () => {
    const { path, remove } = await temporaryFolder('loaders');
    onTestFinished(remove);
    const files = createLoaderFiles([path]);
    expect(await files.load('grubx64.efi')).toMatchObject({
      kind: 'missing',
      message: expect.stringContaining('install the Debian package grub-efi-amd64-signed'),
    });
    expect(await files.load('shimx64.efi')).toMatchObject({
      message: expect.stringContaining('install the Debian package shim-signed'),
    });
    await writeFile(join(path, 'grubx64.efi'), 'any');
    await writeFile(join(path, 'grubnetx64.efi.signed'), 'network');
    const loaded = await files.load('grubx64.efi');
    expect(loaded.kind === 'loaded' && loaded.content.toString()).toBe('network');
  });
});
