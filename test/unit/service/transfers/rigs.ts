/** Two services without sockets and threads, between which vDisks go. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { buildApi } from '../../../../src/api/index.ts';
import { PLAIN } from '../../../../src/block/index.ts';
import {
  addMachine,
  beginVersion,
  deleteMachine,
  openBundle,
  receiveBundle,
  sealVersion,
  showVdisk,
  type TaskView,
} from '../../../../src/control/index.ts';
import { LifecycleRig, type RigOptions } from '../../../support/lifecycle-rig.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { coloured } from '../../vdisk/bundle/chunk-colours.ts';

export const CHUNK = 64 * 1024;
export const TOKEN = 'the-token-of-this-rig';

/** A disk of these colours, 64 KiB each; 0 is a hole. */
export const disk = (colours: readonly number[]): Buffer =>
  Buffer.concat(colours.map((colour) => coloured(colour)));

export class Rig {
  readonly inner: LifecycleRig;
  readonly #remove: () => Promise<void>;
  #api: FastifyInstance | undefined;
  #machines = 0;

  private constructor(inner: LifecycleRig, remove: () => Promise<void>) {
    this.inner = inner;
    this.#remove = remove;
  }

  static async open(options: RigOptions = {}): Promise<Rig> {
    const folder = await temporaryFolder('rig');
    return new Rig(await LifecycleRig.open(folder.path, options), folder.remove);
  }

  get control() {
    return this.inner.control;
  }

  get catalog() {
    return this.inner.catalog;
  }

  /** Where its API listens. */
  async listen(): Promise<string> {
    this.#api = buildApi({ control: this.control, token: TOKEN });
    return this.#api.listen({ port: 0, host: '127.0.0.1' });
  }

  /** A version made from another one: chunks of other colours. @returns its number */
  async derive(vdisk: string, changes: Readonly<Record<number, number>>, from?: number) {
    this.#machines += 1;
    const name = `writer-${this.#machines}`;
    const mac = `52:54:00:00:00:${this.#machines.toString(16).padStart(2, '0')}`;
    await addMachine(this.control, { name, mac, vdisk });
    const input = { private: true, ...(from === undefined ? {} : { from }) };
    const { number } = beginVersion(this.control, vdisk, input);
    const { device, close } = await this.inner.connect(`machine/${name}`);
    for (const [chunk, colour] of Object.entries(changes)) {
      await device.write(coloured(colour), Number(chunk) * CHUNK, PLAIN);
    }
    await close();
    await this.inner.done(sealVersion(this.control, vdisk, number));
    await deleteMachine(this.control, name);
    return number;
  }

  async read(vdisk: string, number: number): Promise<Buffer> {
    const { device, close } = await this.inner.connect(`vdisk/${vdisk}/${number}`);
    const bytes = Buffer.alloc(device.geometry.size);
    await device.read(bytes, 0);
    await close();
    return bytes;
  }

  /** A bundle of versions, all of them unless given. */
  async *bundle(vdisk: string, versions?: readonly number[], has: readonly string[] = []) {
    const { signal } = new AbortController();
    const selection = { versions, has, chunks: 'lacking' } as const;
    const { stream } = await openBundle(this.control, vdisk, selection, signal);
    try {
      yield* stream.pieces;
    } finally {
      await stream.close();
    }
  }

  receive(
    pieces: AsyncIterable<Buffer>,
    more: { readonly name?: string; readonly update?: boolean } = {},
  ): Promise<TaskView> {
    return receiveBundle(this.control, more, pieces, new AbortController().signal);
  }

  contentIds(vdisk: string): readonly (string | null)[] {
    return showVdisk(this.control, vdisk).versions.map(({ contentId }) => contentId);
  }

  layersOf(vdisk: string): readonly (string | null)[] {
    return showVdisk(this.control, vdisk).versions.map(({ layerId }) => layerId);
  }

  /** What is on the disk and what the catalog knows, which must be the same. */
  leftOver(): readonly string[] {
    const known = new Set(this.catalog.layers.all().flatMap(({ id, volumeId }) => [id, volumeId]));
    const found = [
      ...readdirSync(this.inner.layersFolder),
      ...readdirSync(join(this.inner.folder, 'repository')).map((name) =>
        name.replace(/\.volume$/, ''),
      ),
      ...readdirSync(this.inner.uploadsFolder),
    ];
    return found.flatMap((name) => (known.has(name) ? [] : [name]));
  }

  /** Closes what is kept open for the next request. */
  closeTransfers(): Promise<void> {
    return this.inner.closeTransfers();
  }

  async close(): Promise<void> {
    await this.#api?.close();
    await this.inner.close();
    await this.#remove();
  }
}
