import { describe, expect, it } from 'vitest';
import { classifyClient, userClasses } from '../../../../src/pxe/dhcp/classify-client.ts';
import { decodeDhcp } from '../../../../src/pxe/dhcp/wire/packet.ts';
import { DISCOVER, FIRMWARE, hex, MAC, type RawDhcp, rawDhcp } from '../firmware-packets.ts';

function classify(options: RawDhcp['options']) {
  const result = decodeDhcp(rawDhcp({ message: DISCOVER, ...(options && { options }) }));
  if (result.kind === 'violation') throw new Error(result.violation);
  return classifyClient(result.packet);
}

describe('who is asking', () => {
  it.each([
    ['biosRom', 'pxe-firmware', 'x86-bios', 'bios'],
    ['ipxeRom', 'ipxe', 'x86-bios', 'bios'],
    ['ipxeEfi', 'ipxe', 'x64-uefi', 'uefi'],
    ['ipxeWithoutHttp', 'ipxe-without-http', 'x86-bios', 'bios'],
    ['ovmfPxe', 'pxe-firmware', 'x64-uefi', 'uefi'],
    ['ovmfHttp', 'http-firmware', 'x64-uefi', 'uefi'],
    ['aavmfPxe', 'pxe-firmware', 'arm64-uefi', 'uefi'],
    ['aavmfHttp', 'http-firmware', 'arm64-uefi', 'uefi'],
  ] as const)('%s is %s on %s', (name, stage, architecture, firmware) => {
    expect(classify(FIRMWARE[name])).toMatchObject({
      kind: 'boot',
      stage,
      client: { mac: MAC, architecture, firmware },
    });
  });

  it('takes an operating system for what it is', () => {
    expect(classify(FIRMWARE.linux)).toEqual({ kind: 'plain' });
    expect(classify([])).toEqual({ kind: 'plain' });
  });

  it.each([[7], [9]])('takes architecture %i for x86-64', (code) => {
    const options = [
      [60, 'PXEClient'],
      [93, Buffer.from([0, code])],
    ] as const;
    expect(classify(options)).toMatchObject({ client: { architecture: 'x64-uefi' } });
  });

  it('takes the first architecture that it knows of a list', () => {
    const options = [
      [60, 'PXEClient'],
      [93, hex('00fa 0009 0000')],
    ] as const;
    expect(classify(options)).toMatchObject({ client: { architecture: 'x64-uefi' } });
  });

  it('finds the architecture in the vendor class when option 93 is missing', () => {
    expect(classify([[60, 'PXEClient:Arch:00007:UNDI:003016']])).toMatchObject({
      client: { architecture: 'x64-uefi' },
    });
  });

  it('names an architecture that it does not know', () => {
    const options = [
      [60, 'PXEClient'],
      [93, hex('0029')],
    ] as const;
    expect(classify(options)).toEqual({ kind: 'unknown-architecture', code: 41 });
    expect(classify([[60, 'PXEClient']])).toEqual({
      kind: 'unknown-architecture',
      code: undefined,
    });
  });

  it('reads the UUID with its little-endian fields, and does without', () => {
    expect(classify(FIRMWARE.ovmfPxe)).toMatchObject({
      client: { uuid: '12345678-1234-5678-9abc-def012345678' },
    });
    for (const byte of ['00', 'ff']) {
      const unset = [
        [60, 'PXEClient'],
        [93, hex('0000')],
        [97, hex(`00${byte.repeat(16)}`)],
      ] as const;
      expect(classify(unset)).toMatchObject({ client: { uuid: undefined } });
    }
    const without = [
      [60, 'PXEClient'],
      [93, hex('0000')],
      [97, hex('00 1234')],
    ] as const;
    expect(classify(without)).toMatchObject({ client: { uuid: undefined } });
  });

  it('reads user classes bare and length-prefixed', () => {
    expect(userClasses(Buffer.from('iPXE'))).toEqual(['iPXE']);
    expect(userClasses(hex('04 69505845'))).toEqual(['iPXE']);
    expect(userClasses(hex('03 616263 04 69505845'))).toEqual(['abc', 'iPXE']);
    expect(userClasses(hex('00'))).toEqual(['\0']);
    expect(userClasses(undefined)).toEqual([]);
  });

  it('takes iPXE without option 175 for one with HTTP', () => {
    const options = [
      [60, 'PXEClient'],
      [93, hex('0000')],
      [77, hex('04 69505845')],
    ] as const;
    expect(classify(options)).toMatchObject({ stage: 'ipxe' });
  });
});
