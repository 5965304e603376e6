/** The NFS adapter: a folder of a server as a repository, by our own client. */
import { ArrayError } from '../../errors/index.ts';
import type {
  Adapter,
  AdapterParts,
  ArrayControl,
  Connection,
  VolumeData,
} from '../../repositories/index.ts';
import { asArrayErrors } from './array-error-of.ts';
import { NfsArrayControl } from './control.ts';
import { WriteMemory } from './file/write-memory.ts';
import { NEEDED_ACCESS } from './health.ts';
import { FOLDER_ENTRIES } from './limits.ts';
import { claim, MARKER_FILE } from './marker.ts';
import { mountShare } from './mount-share.ts';
import { NFS_ADAPTER } from './names.ts';
import { probeNfs } from './probe.ts';
import { RepositoryFiles } from './repository-file.ts';
import { realTime } from './rpc/time.ts';
import { NFS_SETTINGS, type NfsSettings, nfsSettings, shareOptions } from './settings.ts';
import type { NfsShare } from './share/share.ts';
import { NfsVolumeData } from './volume-data.ts';
import { isLeftOver, isVolumeFile, sidecarFile } from './volume-files.ts';
import { NAME_BYTES } from './wire/limits.ts';

interface AttachOptions {
  readonly create?: boolean;
  readonly takeOver?: boolean;
  readonly signal: AbortSignal;
}

export const nfsAdapter: Adapter = {
  kind: NFS_ADAPTER,
  description: 'A folder on an NFS server (version 3 or 4.0)',
  settings: NFS_SETTINGS,

  async probe(connection, parts, signal) {
    return cancellable(signal, async () => probeNfs(nfsSettings(connection.settings), parts));
  },

  async attach(connection, parts, options): Promise<ArrayControl> {
    const settings = complete(connection);
    let attached: Promise<ArrayControl> | undefined;
    return cancellable(options.signal, () => {
      attached = attach(connection, settings, parts, options);
      return attached;
    }).catch((error: unknown) => {
      // It may still come: nobody would close it.
      void attached?.then((control) => control.close()).catch(() => undefined);
      throw error;
    });
  },

  openData(connection, parts, ask): VolumeData {
    return new NfsVolumeData({
      settings: complete(connection),
      time: realTime(parts.clock),
      random: Math.random,
      log: parts.log,
      ask,
    });
  },
};

/** @throws ArrayError INVALID_ARGUMENT */
function complete(connection: Connection): NfsSettings {
  const settings = nfsSettings(connection.settings);
  for (const [field, value] of [
    ['server', settings.server],
    ['serverpath', settings.path],
  ] as const) {
    if (value === '') throw new ArrayError('INVALID_ARGUMENT', `${field} is missing`, { field });
  }
  return settings;
}

function attach(
  connection: Connection,
  settings: NfsSettings,
  parts: AdapterParts,
  options: AttachOptions,
): Promise<ArrayControl> {
  const time = realTime(parts.clock);
  return asArrayErrors(`attaching ${settings.server}:${settings.path}`, false, async () => {
    const share = await mountShare(settings.version, {
      ...shareOptions(settings, time, Math.random, 'control'),
      impatientAtFirst: true,
      onLost: (reason) =>
        parts.log.warn(
          { server: settings.server, reason: reason.message },
          'lost an NFS connection',
        ),
    });
    try {
      return await attachShare(connection, settings, share, options);
    } catch (error) {
      await share.close();
      throw error;
    }
  });
}

async function attachShare(
  { repositoryId, initiatorName }: Connection,
  settings: NfsSettings,
  share: NfsShare,
  options: AttachOptions,
): Promise<ArrayControl> {
  const granted = await share.access(NEEDED_ACCESS);
  if ((granted & NEEDED_ACCESS) !== NEEDED_ACCESS) {
    throw new ArrayError('PERMISSION_DENIED', 'the server does not let us write to the folder');
  }
  const memory = new WriteMemory();
  const names = (await share.list(FOLDER_ENTRIES)).map(({ name }) => name);
  const holdsVolumes = names.some(
    (name) => isVolumeFile(name.replace(/\.json$/, '')) && name === sidecarFile(name.slice(0, -5)),
  );
  const marker = await claim(
    new RepositoryFiles(share, memory),
    {
      repositoryId,
      owner: initiatorName,
      create: options.create === true,
      takeOver: options.takeOver === true,
    },
    holdsVolumes,
  );
  for (const name of names) {
    if (isLeftOver(name) || name.startsWith(`.${MARKER_FILE}.`)) await share.remove(name);
  }
  const { fileMost } = await share.limits();
  const { fileSystem } = await share.attributes();
  const longestName = (await share.longestName()) || NAME_BYTES;
  return new NfsArrayControl({
    share,
    memory,
    marker,
    server: settings.server,
    serial: fileSystem,
    fileMost,
    longestName,
  });
}

/** @throws ArrayError CANCELLED as soon as the signal says so */
async function cancellable<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const cancelled = (): ArrayError => new ArrayError('CANCELLED', 'the call was cancelled');
  if (signal.aborted) throw cancelled();
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(cancelled());
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work(), aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
