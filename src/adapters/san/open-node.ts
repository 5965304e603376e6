/** Opens block device nodes. Linux refuses O_EXCL on one that is mounted, or a part of something, or held so already. */
import { spawn } from 'node:child_process';
import { close, constants, fstat, open, type Stats } from 'node:fs';
import { promisify } from 'node:util';
import { ArrayError } from '../../errors/index.ts';
import { type BlockNode, type HostFolders, readBlockNode } from './block-nodes.ts';
import { NodeDevice } from './node-device.ts';

const openFile = promisify(open) as (path: string, flags: number) => Promise<number>;
const statFile = promisify(fstat) as (fd: number) => Promise<Stats>;
const closeFile = promisify(close) as (fd: number) => Promise<void>;

export interface OpenNodeOptions {
  readonly folders: HostFolders;
  readonly write: boolean;
  /** Nobody else may hold it, as long as it is open. */
  readonly exclusive: boolean;
  readonly clock: () => number;
  /** Closed with the device; not when it cannot be opened. */
  readonly companion?: { close(): Promise<void> } | undefined;
}

/** @throws ArrayError IN_USE, NOT_FOUND, PERMISSION_DENIED, UNREACHABLE */
export async function openNode(node: BlockNode, options: OpenNodeOptions): Promise<NodeDevice> {
  const { O_RDONLY, O_RDWR, O_EXCL } = constants;
  const flags = (options.write ? O_RDWR : O_RDONLY) | (options.exclusive ? O_EXCL : 0);
  let fd: number;
  try {
    fd = await openFile(node.path, flags);
  } catch (error) {
    throw openError(node, error);
  }
  try {
    if (!(await statFile(fd)).isBlockDevice()) {
      throw new ArrayError('NOT_FOUND', `${node.path} is no block device`);
    }
    const { size, logicalBlock, rotational } = node;
    const { write, clock, companion, folders } = options;
    const measure = (): Promise<number | undefined> => sizeOf(folders, node);
    const device = { fd, write, size, logicalBlock, rotational, clock, companion, measure };
    return new NodeDevice(device);
  } catch (error) {
    await closeFile(fd);
    throw error;
  }
}

/** What the kernel takes it to have: of a SCSI disk after a rescan, of a multipath device after a resize of its map. */
async function sizeOf(
  folders: HostFolders,
  { name, wwid }: BlockNode,
): Promise<number | undefined> {
  const now = await readBlockNode(folders, name);
  return now === undefined || now.size === 0 || now.wwid !== wwid ? undefined : now.size;
}

function openError(node: BlockNode, cause: unknown): ArrayError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'EIO';
  const details = { nativeCode: code, cause };
  switch (code) {
    case 'EBUSY':
      return new ArrayError('IN_USE', `${node.path} is mounted, or a part of something`, details);
    case 'ENOENT':
    case 'ENXIO':
    case 'ENODEV':
      return new ArrayError('NOT_FOUND', `${node.path} is not there`, details);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new ArrayError('PERMISSION_DENIED', `${node.path} may not be opened`, details);
    default:
      return new ArrayError('UNREACHABLE', `${node.path} cannot be opened: ${code}`, details);
  }
}

/**
 * Forgets what this host's page cache has of the device, which another host may have changed since.
 * @returns false: `blockdev` (util-linux) is missing or failed
 */
export function dropCache(node: BlockNode): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn('blockdev', ['--flushbufs', node.path], { stdio: 'ignore' });
    child.on('error', () => resolve(false));
    child.on('close', (code) => resolve(code === 0));
  });
}
