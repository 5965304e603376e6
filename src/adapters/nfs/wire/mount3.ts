/** MOUNT version 3 (RFC 1813, section 5). */
import {
  EXPORT_GROUPS,
  EXPORTS,
  FILE_HANDLE_BYTES,
  MOUNT_PATH_BYTES,
  NAME_BYTES,
} from './limits.ts';
import { type XdrReader, XdrWriter } from './xdr.ts';

export const MOUNT_PROGRAM = 100_005;
export const MOUNT_VERSION = 3;
export const MOUNT_MNT = 1;
export const MOUNT_UMNT = 3;
export const MOUNT_EXPORT = 5;

export function encodeMountPath(path: string): Buffer {
  return new XdrWriter().text(path).bytes();
}

export interface MountAnswer {
  /** A mountstat3; 0: mounted. */
  readonly status: number;
  readonly handle: Buffer;
  /** Flavors that the export takes; 1 is AUTH_SYS. */
  readonly flavors: readonly number[];
}

export function decodeMount(reader: XdrReader): MountAnswer | undefined {
  const status = reader.u32();
  const none = Buffer.alloc(0);
  if (status !== 0) return reader.ok ? { status, handle: none, flavors: [] } : undefined;
  const handle = Buffer.from(reader.opaque(FILE_HANDLE_BYTES));
  const flavors: number[] = [];
  for (let count = reader.length(64); count > 0 && reader.ok; count -= 1)
    flavors.push(reader.u32());
  return reader.ok ? { status, handle, flavors } : undefined;
}

export interface ServerExport {
  readonly path: string;
  /** Who may mount it, in the server's own words; none: everybody. */
  readonly groups: readonly string[];
}

export function decodeExports(reader: XdrReader): ServerExport[] | undefined {
  const exports: ServerExport[] = [];
  let named = 0;
  while (reader.bool()) {
    const path = reader.text(MOUNT_PATH_BYTES);
    const groups: string[] = [];
    while (reader.bool()) {
      groups.push(reader.text(NAME_BYTES));
      named += 1;
      if (named > EXPORT_GROUPS) return undefined;
    }
    exports.push({ path, groups });
    if (exports.length > EXPORTS) return undefined;
  }
  return reader.ok ? exports : undefined;
}
