/**
 * Whose repository a folder is: a file with the repository's id, the server that owns it and a fencing epoch. A server
 * that takes it over raises the epoch; the one before finds that out when it next looks, which it does before
 * anything that destroys.
 */
import { randomBytes } from 'node:crypto';
import { ArrayError } from '../../errors/index.ts';
import { RECORD_ATTEMPTS } from './limits.ts';
import type { RepositoryFiles } from './repository-file.ts';
import { isStatus, NFS_STATUS } from './share/nfs-error.ts';

export const MARKER_FILE = 'rootcast-repository.json';

export interface Marker {
  readonly format: 1;
  readonly repositoryId: string;
  readonly owner: string;
  readonly epoch: number;
}

/** undefined: there is none, or one whose making was interrupted. @throws ArrayError BACKEND_BUG: it cannot be read */
export async function readMarker(files: RepositoryFiles): Promise<Marker | undefined> {
  const content = await files.read(MARKER_FILE);
  if (content === undefined || content.length === 0) return undefined;
  const marker = parseMarker(content);
  if (marker === undefined) {
    throw new ArrayError('BACKEND_BUG', `${MARKER_FILE} is damaged or of a newer version`);
  }
  return marker;
}

function parseMarker(content: Buffer): Marker | undefined {
  let value: unknown;
  try {
    value = JSON.parse(content.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { format, repositoryId, owner, epoch } = value as Partial<Record<keyof Marker, unknown>>;
  if (format !== 1 || typeof repositoryId !== 'string' || typeof owner !== 'string')
    return undefined;
  if (typeof epoch !== 'number' || !Number.isSafeInteger(epoch)) return undefined;
  return { format, repositoryId, owner, epoch };
}

export async function writeMarker(files: RepositoryFiles, marker: Marker): Promise<void> {
  const content = Buffer.from(`${JSON.stringify(marker, undefined, 2)}\n`);
  const who = Buffer.from(marker.owner).toString('hex').slice(-32);
  for (let attempt = 1; ; attempt += 1) {
    // Who writes at the same time uses another name; the last rename wins, and the other reads so.
    const temporary = `.${MARKER_FILE}.${who}.${randomBytes(4).toString('hex')}`;
    try {
      return await files.replace(MARKER_FILE, temporary, content);
    } catch (error) {
      // Another process that was attaching took it for one that a dead process had left.
      if (!isStatus(error, NFS_STATUS.NOENT) || attempt === RECORD_ATTEMPTS) throw error;
    }
  }
}

export interface Claim {
  readonly repositoryId: string;
  readonly owner: string;
  readonly create: boolean;
  readonly takeOver: boolean;
}

/**
 * Decides whether the folder may be ours, and makes it so.
 * @param holdsVolumes volumes of a repository lie there
 * @throws ArrayError ALREADY_MANAGED, NOT_FOUND, EXCLUSIVE_ATTACHED
 */
export async function claim(
  files: RepositoryFiles,
  wish: Claim,
  holdsVolumes: boolean,
): Promise<Marker> {
  const { repositoryId, owner } = wish;
  const found = await readMarker(files);
  if (found !== undefined && found.repositoryId !== repositoryId) {
    const message = `the folder is that of repository ${found.repositoryId}`;
    throw new ArrayError('ALREADY_MANAGED', message, { refs: [found.repositoryId] });
  }
  if (found === undefined) {
    if (!wish.create) throw new ArrayError('NOT_FOUND', 'there is no repository in the folder');
    if (holdsVolumes) {
      throw new ArrayError('ALREADY_MANAGED', 'volumes of a repository lie in the folder');
    }
    return replaced(files, { format: 1, repositoryId, owner, epoch: 1 });
  }
  if (wish.takeOver) return replaced(files, { ...found, owner, epoch: found.epoch + 1 });
  if (found.owner === owner) return found;
  const message = `server ${found.owner} has the repository`;
  throw new ArrayError('EXCLUSIVE_ATTACHED', message, { refs: [found.owner] });
}

async function replaced(files: RepositoryFiles, marker: Marker): Promise<Marker> {
  await writeMarker(files, marker);
  await checkOwner(files, marker);
  return marker;
}

/** @throws ArrayError FENCED: another server has taken the repository over */
export async function checkOwner(files: RepositoryFiles, ours: Marker): Promise<void> {
  const now = await readMarker(files);
  const { repositoryId, owner, epoch } = ours;
  if (now?.repositoryId === repositoryId && now.owner === owner && now.epoch === epoch) return;
  const by = now === undefined ? 'is gone' : `belongs to ${now.owner} since epoch ${now.epoch}`;
  throw new ArrayError('FENCED', `the repository ${by}; ours was ${epoch}`);
}
