/** The control plane's port onto the preparation of images that are imported: a copy in the data folder is prepared. */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImagePreparer, PreparedImage, PrepareRequest } from '../../control/index.ts';
import { Fault } from '../../errors/index.ts';
import { imageToRaw } from '../../vdisk/index.ts';
import type { DataFolder } from '../data-folder.ts';
import { checkCanPrepare } from './can-prepare.ts';
import { PREPARE_RESERVE_BYTES } from './limits.ts';
import { prepareSystem } from './prepare-system.ts';

/** Of the work, how much is done when the image is copied, in percent. */
const COPIED_PERCENT = 50;

export class ServiceImagePreparer implements ImagePreparer {
  readonly #folder: Pick<DataFolder, 'uploads'>;

  /** @param folder its `uploads` is emptied at every start: so goes what a crash has left */
  constructor(folder: Pick<DataFolder, 'uploads'>) {
    this.#folder = folder;
  }

  check(): void {
    checkCanPrepare();
  }

  async prepare(
    request: PrepareRequest,
    report: (percent: number, message: string) => void,
    signal: AbortSignal,
  ): Promise<PreparedImage> {
    const { path, format, name, install } = request;
    const folder = await mkdtemp(join(this.#folder.uploads, 'prepare-'));
    const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
    try {
      const work = join(folder, 'image');
      await imageToRaw(
        {
          path,
          format,
          target: work,
          reserveBytes: PREPARE_RESERVE_BYTES,
          temporaryFolder: folder,
        },
        ({ bytesDone, bytesTotal }) =>
          report((bytesDone / bytesTotal) * COPIED_PERCENT, 'copying the image'),
        signal,
      );
      const onStep = (step: string): void => report(COPIED_PERCENT, `preparing: ${step}`);
      const system = { name, work, kind: 'raw', folder, install, onStep, signal } as const;
      const { changed, notes } = await prepareSystem(system);
      return { path: work, format: 'raw', changed, notes, remove };
    } catch (error) {
      await remove();
      throw faultOf(error, name);
    }
  }
}

function faultOf(error: unknown, name: string): unknown {
  if (error instanceof Fault) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new Fault('UNAVAILABLE', `${name} cannot be prepared: ${message}`, {}, { cause: error });
}
