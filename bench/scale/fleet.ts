/**
 * A data folder with many machines of one sparse vDisk, and their overlays as files. Two terabytes
 * cannot be written for a measurement, so the data volumes stay sparse and the map volumes say, in both
 * maps, what would be there: opening an overlay reads the map volume only.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LocalVolumeData } from '../../src/adapters/local/index.ts';
import { PLAIN } from '../../src/block/index.ts';
import { connectNbd } from '../../src/nbd/client/index.ts';
import { formatOverlay, recoverOverlay } from '../../src/vdisk/index.ts';
import { mapGeometry } from '../../src/vdisk/overlay/map-layout.ts';
import { Blocks, type Distribution, seededRandom } from './distributions.ts';
import { PROGRAM, post, startService } from './service-run.ts';

const run = promisify(execFile);
const VDISK = 'scale';
const PAGE = 4096;
/** Of the record that says in which boot of the host the live map was written (map-layout.ts). */
const [RECORD_OFFSET, RECORD_BYTES] = [4096, 512];

const volumes = new LocalVolumeData({ log: { warn: () => undefined } });

const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();

export class Fleet {
  readonly data: string;
  readonly machines: readonly string[];
  readonly #size: number;
  readonly #ids: readonly string[];
  readonly #layer: string;

  private constructor(parts: {
    readonly data: string;
    readonly machines: readonly string[];
    readonly size: number;
    readonly ids: readonly string[];
    readonly layer: string;
  }) {
    this.data = parts.data;
    this.machines = parts.machines;
    this.#size = parts.size;
    this.#ids = parts.ids;
    this.#layer = parts.layer;
  }

  /** Imports the vDisk and adds the machines, through the service. */
  static async create(folder: string, count: number, size: number): Promise<Fleet> {
    const data = join(folder, 'data');
    const image = join(folder, 'disk.raw');
    writeFileSync(image, '');
    truncateSync(image, size);
    const service = await startService(data);
    try {
      await run(PROGRAM, ['vdisk', 'import', image, '--name', VDISK, '--data', data]);
      const machines: string[] = [];
      const ids: string[] = [];
      for (let number = 0; number < count; number++) {
        const name = `m${number}`;
        const hex = number.toString(16).padStart(8, '0').match(/../g) ?? [];
        const mac = ['02', '5c', ...hex].join(':');
        const body = { name, mac, vdisk: VDISK, cacheMode: 'server-persistent' };
        const { id } = await post(service, data, '/machines', body);
        machines.push(name);
        ids.push(String(id));
      }
      // The name of the first overlay tells the layer that all of them stand on.
      const client = await connectNbd(`${service.nbd}/machine/m0`);
      await client.disconnect();
      const layer = readdirSync(join(data, 'repository'))
        .map((name) => /^overlay\.[^.]+\.1\.([^.]+)\.map\.volume$/.exec(name)?.[1])
        .find((id) => id !== undefined);
      if (layer === undefined) throw new Error('the first machine has no overlay');
      return new Fleet({ data, machines, size, ids, layer });
    } finally {
      await service.stop();
    }
  }

  #volume(machine: number, role: 'data' | 'map'): string {
    const id = `overlay.${this.#ids[machine]}.1.${this.#layer}.${role}`;
    return join(this.data, 'repository', `${id}.volume`);
  }

  removeOverlays(): void {
    for (let machine = 0; machine < this.#ids.length; machine++) {
      for (const role of ['data', 'map'] as const)
        rmSync(this.#volume(machine, role), { force: true });
    }
  }

  /**
   * Gives every machine an overlay.
   * @param distribution undefined: with nothing written
   * @returns pages of the map, summed over the machines, that hold something
   */
  async makeOverlays(distribution: Distribution | undefined, written: number): Promise<number> {
    this.removeOverlays();
    mkdirSync(join(this.data, 'repository'), { recursive: true });
    const { blocks, ownedPages, totalBytes, liveOffset, durableOffset } = mapGeometry(this.#size);
    let pages = 0;
    for (let machine = 0; machine < this.#ids.length; machine++) {
      for (const [role, bytes] of [
        ['data', this.#size],
        ['map', totalBytes],
      ] as const) {
        writeFileSync(this.#volume(machine, role), '');
        truncateSync(this.#volume(machine, role), bytes);
      }
      const map = await this.#openMap(machine);
      try {
        await formatOverlay(map, { size: this.#size, bootId: bootId() });
        if (distribution === undefined) continue;
        const owned = new Blocks(ownedPages * PAGE, blocks);
        distribution.fill(owned, Math.round(blocks * written), seededRandom(machine + 1));
        for (let at = 0; at < owned.bytes.length; at += PAGE) {
          const page = owned.bytes.subarray(at, at + PAGE);
          if (page.every((byte) => byte === 0)) continue;
          pages += 1;
          await map.write(page, liveOffset + at, PLAIN);
          await map.write(page, durableOffset + at, PLAIN);
        }
        // Opened once without the boot record: whatever else a map must say about its pages is
        // found out from them, as after a restart of the host.
        await map.write(Buffer.alloc(RECORD_BYTES), RECORD_OFFSET, PLAIN);
        await this.#recover(map, bootId());
      } finally {
        await map.close();
      }
    }
    return pages;
  }

  /** How long recoverOverlay takes for each machine, in ms. @param sameBoot false: as after a reboot */
  async recoverAll(count: number, sameBoot: boolean): Promise<number[]> {
    const times: number[] = [];
    for (let machine = 0; machine < Math.min(count, this.#ids.length); machine++) {
      const map = await this.#openMap(machine);
      const boot = sameBoot ? bootId() : 'another boot';
      const started = performance.now();
      await this.#recover(map, boot);
      times.push(performance.now() - started);
      await map.close();
    }
    return times;
  }

  /**
   * The least that opening costs here, in ms a machine, by a C program (bench/floor/open-floor.c).
   * @param program its path
   */
  async openFloor(program: string): Promise<number[]> {
    const { mapBytes, liveOffset } = mapGeometry(this.#size);
    const maps = this.#ids.map((_, machine) => this.#volume(machine, 'map'));
    const { stdout } = await run(program, [String(mapBytes), String(liveOffset), ...maps]);
    return stdout.trim().split('\n').map(Number);
  }

  #openMap(machine: number) {
    const path = this.#volume(machine, 'map');
    return volumes.open({ adapter: 'local', volume: path, address: { path } }, { write: true });
  }

  #recover(map: Awaited<ReturnType<LocalVolumeData['open']>>, boot: string) {
    const size = this.#size;
    return recoverOverlay({ map, size, bootId: boot, quotaBytes: undefined, workers: 1 });
  }
}
