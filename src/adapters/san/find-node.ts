/** Which block device a repository's settings mean, and whether it may be had. */
import { ArrayError } from '../../errors/index.ts';
import {
  type BlockNode,
  type HostFolders,
  listBlockNodes,
  nameOfPath,
  readBlockNode,
} from './block-nodes.ts';
import { canonicalWwid } from './vpd-page.ts';

export interface NodeChoice {
  /** `SCSIid`: what names the disk for good, in any spelling. */
  readonly wwid: string | undefined;
  /** `device`: a path, e.g. under /dev/disk/by-id or /dev/mapper. */
  readonly path: string | undefined;
}

/**
 * @throws ArrayError NOT_FOUND; ALREADY_EXISTS_DIFFERENT: another disk is at that path; PATH_UNAVAILABLE: several paths
 * and no multipath device over them
 */
export async function findNode(folders: HostFolders, choice: NodeChoice): Promise<BlockNode> {
  const wwid = choice.wwid === undefined ? undefined : canonicalWwid(choice.wwid);
  if (choice.path !== undefined) return await findByPath(folders, choice.path, wwid);
  if (wwid === undefined) {
    throw new ArrayError('INVALID_ARGUMENT', 'SCSIid or device must say which disk it is');
  }
  const nodes = (await listBlockNodes(folders)).filter((node) => node.wwid === wwid);
  const multipath = nodes.filter((node) => node.multipath);
  const [found, another] = multipath.length > 0 ? multipath : nodes;
  if (found === undefined) {
    throw new ArrayError('NOT_FOUND', `this host sees no disk ${wwid}`, { field: 'SCSIid' });
  }
  if (another !== undefined) {
    const names = nodes.map(({ name }) => name);
    const message = `disk ${wwid} has several paths (${names.join(', ')}): set up multipath`;
    throw new ArrayError('PATH_UNAVAILABLE', message, { refs: names });
  }
  return found;
}

async function findByPath(
  folders: HostFolders,
  path: string,
  wwid: string | undefined,
): Promise<BlockNode> {
  const name = await nameOfPath(path);
  const node = name === undefined ? undefined : await readBlockNode(folders, name);
  if (node === undefined || node.size === 0) {
    throw new ArrayError('NOT_FOUND', `${path} is no block device`, { field: 'device' });
  }
  if (wwid !== undefined && node.wwid !== wwid) {
    const message = `${path} is ${node.wwid ?? 'without a name for good'}, not ${wwid}`;
    throw new ArrayError('ALREADY_EXISTS_DIFFERENT', message, { field: 'device' });
  }
  return node;
}

/** @throws ArrayError IN_USE, PERMISSION_DENIED: what the node's surroundings already say */
export function refuseUsed(node: BlockNode): void {
  if (node.readOnly) throw new ArrayError('PERMISSION_DENIED', `${node.path} is read-only`);
  if (node.holders.length === 0) return;
  const message = `${node.path} is part of ${node.holders.join(', ')}`;
  throw new ArrayError('IN_USE', message, { refs: node.holders });
}
