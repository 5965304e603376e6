/** A folder of files in memory, behind the readers' one interface to the system. */
import { Fault } from '../../../../src/errors/index.ts';
import type { ByteSource, OpenSource } from '../../../../src/vdisk/formats/index.ts';

export class MemoryFiles {
  readonly files = new Map<string, Buffer>();
  /** Sources opened and not closed. */
  open = 0;
  bytesRead = 0;

  constructor(files: Readonly<Record<string, Buffer>> = {}) {
    for (const [path, bytes] of Object.entries(files)) this.files.set(path, bytes);
  }

  readonly openSource: OpenSource = async (path) => {
    const bytes = this.files.get(path);
    if (bytes === undefined) throw new Fault('NOT_FOUND', `${path}: no such file`);
    this.open += 1;
    let closed = false;
    const source: ByteSource = {
      name: path,
      size: bytes.length,
      allocatedBytes: bytes.length,
      identity: path,
      read: async (target, offset) => {
        const part = bytes.subarray(offset, offset + target.length);
        part.copy(target);
        this.bytesRead += part.length;
        return part.length;
      },
      close: async () => {
        if (!closed) this.open -= 1;
        closed = true;
      },
    };
    return source;
  };
}
