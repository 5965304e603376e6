/** Two servers' layers: versions of one are sent to the other as a bundle. */
import { join } from 'node:path';
import type { ReadableBlockDevice } from '../../../../src/block/index.ts';
import {
  type BundleBootFiles,
  type BundleSource,
  type BundleTarget,
  type BundleVersion,
  readBundle,
  type VersionNeeds,
  writeBundle,
} from '../../../../src/vdisk/bundle/index.ts';
import { type LayerChain, layerFiles, openLayerChain } from '../../../../src/vdisk/layers/index.ts';
import { readManifestHeader } from '../../../../src/vdisk/manifest/index.ts';
import {
  ExistingLayer,
  type LayerBelow,
  ReceivedLayer,
} from '../../../../src/vdisk/receive/index.ts';
import type { BenchVersion, LayerBench } from '../../../support/layer-bench.ts';

export interface SentVersion {
  readonly version: BenchVersion;
  /** Its place among those that are sent; undefined: stands alone. */
  readonly parent: number | undefined;
  readonly bootFiles?: BundleBootFiles;
}

/** The server that receives. */
export class Receiver implements BundleTarget<ReceivedLayer, ExistingLayer> {
  readonly bench: LayerBench;
  readonly existing: readonly BenchVersion[];
  readonly begun: ReceivedLayer[] = [];
  readonly #opened: ExistingLayer[] = [];
  depthMax = 256;

  constructor(bench: LayerBench, existing: readonly BenchVersion[] = []) {
    this.bench = bench;
    this.existing = existing;
  }

  async accept(): Promise<void> {}

  async haveVersion(contentId: string): Promise<ExistingLayer | undefined> {
    const found = this.existing.find((version) => version.contentId === contentId);
    if (found === undefined) return undefined;
    const layer = new ExistingLayer(found.chain, this.bench.work());
    this.#opened.push(layer);
    return layer;
  }

  async hasChunk(): Promise<boolean> {
    return false;
  }

  async localChunk(): Promise<undefined> {
    return undefined;
  }

  async beginVersion(
    { size }: Pick<BundleVersion, 'size'>,
    parent: LayerBelow | undefined,
    _needs?: VersionNeeds,
  ): Promise<ReceivedLayer> {
    const layer = await ReceivedLayer.begin(
      {
        layersFolder: this.bench.layersFolder,
        volumes: this.bench.repository.control,
        volumeData: this.bench.repository.data,
        newId: () => this.bench.newName('received'),
        depthMax: this.depthMax,
        signal: new AbortController().signal,
      },
      size,
      parent,
    );
    this.begun.push(layer);
    return layer;
  }

  read(stream: AsyncIterable<Buffer>) {
    return readBundle(stream, this, {
      temporaryFolder: join(this.bench.layersFolder, '..'),
      signal: new AbortController().signal,
      progress: () => undefined,
    });
  }

  async close(): Promise<void> {
    for (const layer of [...this.begun, ...this.#opened]) await layer.close();
  }
}

/** @param has content ids that the receiver has */
export function send(
  bench: LayerBench,
  sent: readonly SentVersion[],
  has: ReadonlySet<string> = new Set(),
): AsyncGenerator<Buffer> {
  const source: BundleSource = {
    name: 'debian',
    description: '',
    versions: sent.map(({ version, parent, bootFiles }, index) => ({
      ...{ number: index + 1, state: 'production', contentId: version.contentId },
      size: version.content.length,
      parentNumber: parent === undefined ? undefined : parent + 1,
      ...{ format: 'raw', kernelArguments: '', description: '', createdAt: undefined },
      manifestPath: layerFiles(bench.layersFolder, topId(version.chain)).manifest,
      bootFiles,
      openDevice: () => wholeDisk(bench, version.chain),
    })),
  };
  return writeBundle(source, {
    temporaryFolder: join(bench.layersFolder, '..'),
    receiverHas: has,
    signal: new AbortController().signal,
    progress: () => undefined,
  });
}

/** The disk, closed with everything below it. */
async function wholeDisk(bench: LayerBench, chain: LayerChain): Promise<ReadableBlockDevice> {
  return (await openLayerChain(chain, bench.work())).device;
}

export const topId = (chain: LayerChain): string => chain.at(-1)?.layerId ?? '';

export async function contentIdOf(bench: LayerBench, chain: LayerChain): Promise<string> {
  const { manifest } = layerFiles(bench.layersFolder, topId(chain));
  return (await readManifestHeader(manifest)).contentId;
}
