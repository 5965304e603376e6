/** Finds the format of an image from its content, never from its name. */
import type { ByteSource } from './byte-source.ts';
import { unsupportedImage } from './image-fault.ts';
import type { ImageFormat } from './image-reader.ts';
import { QCOW_MAGIC } from './qcow2-header.ts';
import { isVhdFooter, VHD_COOKIE, VHD_FOOTER_BYTES } from './vhd-footer.ts';

const HEAD_BYTES = 512;

/** Text at a fixed place that names a format. */
const SIGNATURES: readonly { at: number; text: string; format: ImageFormat }[] = [
  { at: 0, text: VHD_COOKIE, format: 'vhd' },
  { at: 0, text: 'vhdxfile', format: 'vhdx' },
  { at: 0, text: 'KDMV', format: 'vmdk' },
  { at: 0, text: 'COWD', format: 'vmdk' },
  { at: 0, text: '# Disk DescriptorFile', format: 'vmdk' },
  { at: 64, text: '\x7f\x10\xda\xbe', format: 'vdi' },
];

/** Formats that must not be taken for a raw disk. */
const UNREAD: readonly { text: string; name: string }[] = [
  { text: 'QED\0', name: 'QED' },
  { text: 'WithoutFreeSpace', name: 'Parallels' },
  { text: 'LUKS\xba\xbe', name: 'LUKS (encrypted)' },
  { text: '\x1f\x8b', name: 'gzip: unpack it first' },
  { text: '\xfd7zXZ\0', name: 'xz: unpack it first' },
  { text: '(\xb5/\xfd', name: 'zstd: unpack it first' },
  { text: 'BZh', name: 'bzip2: unpack it first' },
  { text: 'PK\x03\x04', name: 'zip: unpack it first' },
];

export async function detectFormat(source: ByteSource): Promise<ImageFormat> {
  const head = Buffer.alloc(HEAD_BYTES);
  const length = await source.read(head, 0);
  if (length >= 8 && head.readUInt32BE(0) === QCOW_MAGIC) {
    if (head.readUInt32BE(4) >= 2) return 'qcow2';
    throw unsupportedImage(source.name, 'format', 'qcow version 1', 'convert it to qcow2 first');
  }
  const text = head.toString('latin1', 0, length);
  for (const signature of SIGNATURES) {
    if (text.startsWith(signature.text, signature.at)) return signature.format;
  }
  for (const unread of UNREAD) {
    if (text.startsWith(unread.text)) {
      const detail = 'not read here; give the format `raw` if it really is the disk';
      throw unsupportedImage(source.name, 'format', unread.name, detail);
    }
  }
  return (await endsInVhdFooter(source)) ? 'vhd' : 'raw';
}

/** A fixed VHD shows itself only at its end. */
async function endsInVhdFooter(source: ByteSource): Promise<boolean> {
  if (source.size < VHD_FOOTER_BYTES) return false;
  const footer = Buffer.alloc(VHD_FOOTER_BYTES);
  await source.read(footer, source.size - VHD_FOOTER_BYTES);
  return isVhdFooter(footer);
}
