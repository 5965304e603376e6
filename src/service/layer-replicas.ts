/**
 * Copies of vDisks' layers in other repositories. A layer never changes and its manifest says what it holds, so a copy
 * is a volume with the same blocks, which is compared with the manifest before anybody hears of it. Until then it is a
 * leftover of its repository (volumes/array-volumes.ts): after a crash it goes when that is attached.
 */
import { type BlockDevice, PLAIN, SliceDevice } from '../block/index.ts';
import type {
  DataPlane,
  ImportProgress,
  LayerCopyRequest,
  LayerReplicas,
} from '../control/index.ts';
import { Fault } from '../errors/index.ts';
import type { VolumeLocator } from '../repositories/index.ts';
import { type LayerChain, type LayerSource, verifyLayer } from '../vdisk/index.ts';
import { copyDevice, withVolume } from '../volumes/index.ts';
import type { DataFolder } from './data-folder.ts';
import type { LayerShelf } from './layer-shelf.ts';
import { inFaults, type LayerRepositories } from './storage/index.ts';

export interface LayerReplicaParts {
  readonly folder: Pick<DataFolder, 'layers'>;
  readonly dataPlane: Pick<DataPlane, 'layersInUse'>;
  readonly repository: Pick<LayerRepositories, 'volumes' | 'data' | 'volumesIn'>;
  readonly layers: Pick<LayerShelf, 'use' | 'chain' | 'mayBeRead'>;
  readonly newId: () => string;
}

interface Copying {
  readonly progress: (fraction: number) => void;
  readonly signal: AbortSignal;
}

export class LayerReplicaStore implements LayerReplicas {
  readonly #parts: LayerReplicaParts;

  constructor(parts: LayerReplicaParts) {
    this.#parts = parts;
  }

  async copy(
    { layerId, repositoryId }: LayerCopyRequest,
    keep: (volumeId: string) => void,
    progress: (progress: ImportProgress) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { layers, repository, newId } = this.#parts;
    // It is not merged away while it is read.
    const done = layers.use(layerId);
    try {
      const chain = await layers.chain(layerId);
      const volumes = repository.volumesIn(repositoryId);
      const { size } = topOf(chain);
      // A fresh name each time: what an earlier attempt has left is another volume, and goes by itself.
      const { id, locator } = await volumes.createVolume({ id: newId(), size });
      try {
        const tell = (from: number, fraction: number): void =>
          progress({ bytesDone: (from + fraction / 2) * size, bytesTotal: size });
        await inFaults(
          () => this.#fill(chain, locator, { progress: (part) => tell(0, part), signal }),
          signal,
        );
        await this.#verify(chain, locator, { progress: (part) => tell(0.5, part), signal });
        signal.throwIfAborted();
        keep(id);
      } catch (error) {
        // The first error matters more; what stays is a leftover.
        await volumes.deleteVolume(id).catch(() => undefined);
        throw error;
      }
    } finally {
      done();
    }
  }

  async remove(repositoryId: string, volumeId: string): Promise<void> {
    try {
      await this.#parts.repository.volumesIn(repositoryId).deleteVolume(volumeId);
    } catch (error) {
      if (!(error instanceof Fault && error.code === 'NOT_FOUND')) throw error;
    }
  }

  isRead(layerId: string, repositoryId: string): boolean {
    const { dataPlane, layers } = this.#parts;
    return layers.mayBeRead(layerId, repositoryId, dataPlane.layersInUse().open);
  }

  /** On stable storage when it settles. */
  #fill(chain: LayerChain, locator: VolumeLocator, copying: Copying): Promise<void> {
    const { repository } = this.#parts;
    const { volume, size } = topOf(chain);
    return withVolume(repository, { locator: volume }, { write: false }, (from) =>
      withVolume(repository, { locator }, { write: true }, async (to) => {
        const unit = Math.max(from.geometry.minimumIo, to.geometry.minimumIo);
        const whole = Math.floor(size / unit) * unit;
        await copyDevice(new SliceDevice(from, 0, whole), to, copying);
        if (whole < size) await copyTail(from, to, { at: whole, length: size - whole, unit });
      }),
    );
  }

  /** @throws Fault IMAGE_INVALID */
  async #verify(chain: LayerChain, locator: VolumeLocator, copying: Copying): Promise<void> {
    const { folder, repository } = this.#parts;
    const { signal } = copying;
    const [base, ...differences] = chain;
    const copy = { ...topOf(chain), volume: locator };
    const damages: string[] = [];
    await verifyLayer(
      {
        // What it stands on is read from where it is.
        chain: differences.length === 0 ? [copy] : [base, ...differences.slice(0, -1), copy],
        onlyOwn: true,
        onDamage: ({ message }) => {
          if (damages.length === 0) damages.push(message);
        },
      },
      {
        ...{ layersFolder: folder.layers, volumeData: repository.data, signal },
        progress: ({ bytesDone, bytesTotal }) =>
          copying.progress(bytesTotal === 0 ? 1 : bytesDone / bytesTotal),
      },
    );
    const [damage] = damages;
    if (damage === undefined) return;
    throw new Fault('IMAGE_INVALID', `the copy is not what was copied: ${damage}`, {
      field: 'layerId',
      value: copy.layerId,
      expected: 'what its manifest says; rootcast vdisk verify tells whether the layer itself is',
    });
  }
}

function topOf(chain: LayerChain): LayerSource {
  return chain.at(-1) ?? chain[0];
}

/** The last part of a unit. Volumes are rounded up, each array in its own units; what is beyond the end is nobody's. */
async function copyTail(
  from: BlockDevice,
  to: BlockDevice,
  tail: { readonly at: number; readonly length: number; readonly unit: number },
): Promise<void> {
  const bytes = Buffer.alloc(tail.unit);
  const within = ({ geometry }: BlockDevice): Buffer =>
    bytes.subarray(0, Math.min(tail.unit, geometry.size - tail.at));
  await from.read(within(from), tail.at);
  bytes.fill(0, tail.length);
  await to.write(within(to), tail.at, PLAIN);
  await to.flush();
}
