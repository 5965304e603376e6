import { describe, expect, it } from 'vitest';
import { qemuImg } from '../../../../src/vdisk/formats/index.ts';
import { MemoryFiles } from './memory-files.ts';
import { qcow2Image } from './qcow2-images.ts';
import { faultOf, open } from './read-image.ts';
import { vhdImage } from './vhd-images.ts';

const SIZE = 1024 * 1024;
const ID = 'ab'.repeat(16);

function startingWith(text: string, at = 0): Buffer {
  const bytes = Buffer.alloc(SIZE);
  bytes.write(text, at, 'latin1');
  return bytes;
}

describe('the format, from the content', () => {
  it.each<[string, Buffer, string]>([
    ['zeroes', Buffer.alloc(SIZE), 'raw'],
    ['a few bytes', Buffer.from('x'), 'raw'],
    ['qcow2', qcow2Image({ size: SIZE, clusters: new Map() }), 'qcow2'],
    ['dynamic VHD', vhdImage({ kind: 'dynamic', size: SIZE, uniqueId: ID }), 'vhd'],
    [
      'fixed VHD',
      vhdImage({ kind: 'fixed', size: SIZE, uniqueId: ID, disk: Buffer.alloc(SIZE) }),
      'vhd',
    ],
    ['conectix at the end, without a checksum', startingWith('conectix', SIZE - 512), 'raw'],
  ])('%s', async (_name, bytes, format) => {
    const reader = await open(new MemoryFiles({ '/image.any': bytes }), '/image.any');
    expect(reader.format).toBe(format);
    await reader.close();
  });

  it.each([
    ['xz', '\xfd7zXZ\0'],
    ['gzip', '\x1f\x8b'],
    ['LUKS', 'LUKS\xba\xbe'],
    ['qcow', 'QFI\xfb\0\0\0\x01'],
    ['QED', 'QED\0'],
  ])('refuses %s rather than take it for a raw disk', async (name, text) => {
    const files = new MemoryFiles({ '/a': startingWith(text) });
    const fault = await faultOf(open(files, '/a'));
    expect(fault.code).toBe('IMAGE_UNSUPPORTED');
    expect(String(fault.details.value)).toContain(name);
    const raw = await open(files, '/a', 'raw');
    expect(raw.size).toBe(SIZE);
    await raw.close();
  });

  it.each([
    ['vmdk', 'KDMV'],
    ['vmdk', '# Disk DescriptorFile'],
    ['vhdx', 'vhdxfile'],
  ])('says what to install for %s', async (_format, text) => {
    const files = new MemoryFiles({ '/a': startingWith(text) });
    const fault = await faultOf(open(files, '/a', undefined, qemuImg('/no/such/qemu-img')));
    expect(fault.code).toBe('TOOL_MISSING');
    expect(fault.message).toContain('qemu-utils');
    expect(files.open).toBe(0);
  });
});
