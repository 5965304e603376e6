/** Finding storage: a server, its exports (or, by version 4, the folders of its pseudo file system), a folder. */
import type { AdapterParts, ProbeAnswer, ProbeFinding } from '../../repositories/index.ts';
import { asArrayErrors } from './array-error-of.ts';
import { NFS_CAPABILITIES } from './capabilities.ts';
import { WriteMemory } from './file/write-memory.ts';
import { FOLDER_ENTRIES, PROBE_PATIENCE_S, PSEUDO_FOLDERS } from './limits.ts';
import { readMarker } from './marker.ts';
import { mountShare } from './mount-share.ts';
import { RepositoryFiles } from './repository-file.ts';
import { realTime } from './rpc/time.ts';
import { type NfsSettings, shareOptions } from './settings.ts';
import { listExports } from './share/mount-protocol.ts';
import type { ShareOptions } from './share/rpc-share.ts';
import { Share4 } from './share/share4.ts';
import type { FileAttributes } from './wire/attributes.ts';

export function probeNfs(settings: NfsSettings, parts: AdapterParts): Promise<ProbeAnswer> {
  if (settings.server === '') {
    return Promise.resolve({ step: 'address', choose: 'server', found: [] });
  }
  const patience = Math.min(settings.patience, PROBE_PATIENCE_S * 1000);
  const options: ShareOptions = {
    ...shareOptions({ ...settings, patience }, realTime(parts.clock), Math.random, 'probe'),
    impatientAtFirst: true,
  };
  return asArrayErrors(`looking at ${settings.server}`, false, async () => {
    if (settings.path !== '') return ready(settings, options);
    const found = settings.version === 3 ? await exported(options) : await pseudo(options);
    return { step: 'pool', choose: 'serverpath', found };
  });
}

async function ready(settings: NfsSettings, options: ShareOptions): Promise<ProbeAnswer> {
  const share = await mountShare(settings.version, options);
  try {
    const { total, free } = await share.space();
    const marker = await readMarker(new RepositoryFiles(share, new WriteMemory()));
    const finding: ProbeFinding = {
      value: settings.path,
      description: `${free} of ${total} bytes free`,
      settings: {},
      size: total,
      ...(marker === undefined ? {} : { holds: { repositoryId: marker.repositoryId } }),
    };
    return {
      step: 'ready',
      choose: undefined,
      found: [finding],
      capabilities: NFS_CAPABILITIES,
    };
  } finally {
    await share.close();
  }
}

async function exported(options: ShareOptions): Promise<readonly ProbeFinding[]> {
  return (await listExports(options)).map(({ path, groups }) => ({
    value: path,
    description: groups.length === 0 ? 'for everybody' : `for ${groups.join(', ')}`,
    settings: {},
  }));
}

/** Folders where another file system begins; the root itself, when there are none. */
async function pseudo(options: ShareOptions): Promise<readonly ProbeFinding[]> {
  const share = await Share4.mount({ ...options, path: '/' });
  try {
    const root = await share.attributes();
    const found: ProbeFinding[] = [];
    const folders: { path: string; handle: Buffer | undefined; inside: FileAttributes }[] = [
      { path: '', handle: undefined, inside: root },
    ];
    for (let seen = 0; seen < PSEUDO_FOLDERS; seen += 1) {
      const folder = folders.shift();
      if (folder === undefined) break;
      const entries = await share.list(FOLDER_ENTRIES, folder.handle);
      for (const { name, attributes } of entries) {
        if (attributes !== undefined && attributes.type !== 'folder') continue;
        const entry = await share.lookup(name, folder.handle).catch(() => undefined); // not for us
        if (entry?.attributes.type !== 'folder') continue;
        const path = `${folder.path}/${name}`;
        if (entry.attributes.fileSystem === root.fileSystem) {
          folders.push({ path, handle: entry.handle, inside: entry.attributes });
        } else found.push({ value: path, description: 'a file system', settings: {} });
      }
    }
    if (found.length > 0) return found;
    return [{ value: '/', description: 'the only file system', settings: {} }];
  } finally {
    await share.close();
  }
}
