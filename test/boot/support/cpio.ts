/** Archives for an initramfs: cpio's "newc" format (Linux: Documentation/driver-api/early-userspace/buffer-format.rst). */

export interface ArchiveFile {
  /** No leading slash. The folders above it must come earlier in the list. */
  readonly path: string;
  /** File type and permissions as in stat(2). */
  readonly mode: number;
  /** A file's bytes, a symbolic link's target; empty for a folder. */
  readonly content: Buffer;
}

const MAGIC = '070701';
const TRAILER: ArchiveFile = { path: 'TRAILER!!!', mode: 0, content: Buffer.alloc(0) };

export function cpioArchive(files: readonly ArchiveFile[]): Buffer {
  const parts = [...files, TRAILER].flatMap((file, index) => {
    const name = Buffer.from(`${file.path}\0`);
    const fields = [
      index + 1, // inode
      file.mode,
      0, // user
      0, // group
      1, // links
      0, // time
      file.content.length,
      ...[0, 0, 0, 0], // device numbers
      name.length,
      0, // checksum, unused
    ];
    const header = MAGIC + fields.map((field) => field.toString(16).padStart(8, '0')).join('');
    return [padded(Buffer.concat([Buffer.from(header), name])), padded(file.content)];
  });
  return Buffer.concat(parts);
}

/** Names and contents are padded to four bytes. */
function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}
