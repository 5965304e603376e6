import { describe, expect, it } from 'vitest';
import { isUsuallyAbsent, servedName } from '../../../../src/pxe/tftp/served-names.ts';

const MAC = '52:54:00:12:34:56';

describe('names that TFTP serves', () => {
  it.each([
    ['shimx64.efi', { kind: 'loader', name: 'shimx64.efi' }],
    ['grubx64.efi', { kind: 'loader', name: 'grubx64.efi' }],
    ['/grub/grub.cfg', { kind: 'script', script: { kind: 'grub-start' } }],
    ['/grub/x86_64-efi/grub.cfg', { kind: 'script', script: { kind: 'grub-start' } }],
    [
      `/boot/${MAC}.grub`,
      { kind: 'script', script: { kind: 'machine', mac: MAC, language: 'grub' } },
    ],
    [
      '52-54-00-12-34-56.ipxe',
      { kind: 'script', script: { kind: 'machine', mac: MAC, language: 'ipxe' } },
    ],
    [
      '/boot/52-54-00-12-34-56/layer-7/initrd',
      { kind: 'boot-file', file: { mac: MAC, layerId: 'layer-7', role: 'initrd' } },
    ],
  ])('%s', (requested, served) => {
    expect(servedName(requested)).toEqual(served);
  });

  it.each([
    '/boot/52-54-00-12-34-56/../kernel',
    '/boot/52-54-00-12-34-56/layer-7/disk',
    '/boot/not-a-mac/layer-7/kernel',
    '../etc/passwd',
    '/boot/../grub.cfg',
    `${MAC}.cfg`,
    'grub.cfg',
  ])('but not %s', (requested) => {
    expect(servedName(requested)).toBeUndefined();
  });

  it('knows what shim and GRUB ask for in passing', () => {
    expect(isUsuallyAbsent('/revocations_sku.efi')).toBe(true);
    expect(isUsuallyAbsent('shim_certificate_0.efi')).toBe(true);
    expect(isUsuallyAbsent('/grub/x86_64-efi/command.lst')).toBe(true);
    expect(isUsuallyAbsent('ipxe.efi')).toBe(false);
    expect(isUsuallyAbsent('/grub/../command.lst')).toBe(false);
  });
});
