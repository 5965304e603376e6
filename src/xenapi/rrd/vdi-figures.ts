/**
 * Figures of VDIs: of those that are read and written. They are made when a VDI first moves, and dropped when it is gone
 * or has rested for long. xapi has none; they are told of as its VMs' and SRs' are, of an owner `vdi`. What is read of a
 * layer of vDisks is of the VDIs of all sealed versions that are that layer: mostly of one.
 */
import { VDI } from '../datamodel/vdi.ts';
import { refOf } from '../objects/refs.ts';
import type { Xen } from '../xen.ts';
import type { Column } from './export-rows.ts';
import { MAX_RRD_VDIS, RRD_SAMPLE_SECONDS, RRD_VDI_IDLE_SECONDS } from './limits.ts';
import { difference, RATES, type Span } from './rates.ts';
import { Series, VDI_ARCHIVES } from './series.ts';
import type { Transferred } from './throughput-port.ts';

interface Recorded {
  uuid: string;
  /** What it moves by: the id of a volume, a snapshot or a layer. */
  counter: string;
  /** As in RATES. */
  readonly series: readonly Series[];
  /** The number of the sample in which it moved last. */
  movedAt: number;
}

const NOTHING: Transferred = { bytesRead: 0, bytesWritten: 0, readRequests: 0, writeRequests: 0 };

export class VdiFigures {
  readonly #xen: Xen;
  /** By the control plane's id of a volume, a snapshot or a version; the one that moved first of them first. */
  readonly #recorded = new Map<string, Recorded>();
  /** All counters, as they were in the last sample. */
  #before: ReadonlyMap<string, Transferred> = new Map();

  constructor(xen: Xen) {
    this.#xen = xen;
  }

  /** @param now counters of all disks that have moved since the start */
  observe(span: Span, now: ReadonlyMap<string, Transferred>): void {
    const passed = (id: string): Transferred | undefined => {
      const counters = now.get(id);
      if (counters === undefined || span.seconds === undefined) return undefined;
      return difference(this.#before.get(id) ?? NOTHING, counters);
    };
    // Those that are known first: none of them gives way to another while it moves itself.
    for (const [id, recorded] of [...this.#recorded]) {
      this.#go(id, recorded, span, passed(recorded.counter));
    }
    for (const counter of now.keys()) {
      if (this.#recorded.has(counter)) continue;
      const moved = passed(counter);
      if (moved === undefined || !isMoving(moved)) continue;
      for (const id of this.#disksOf(counter)) this.#begin(id, counter, span, moved);
    }
    this.#before = now;
  }

  /** @param uuids undefined: of all */
  columns(uuids?: ReadonlySet<string>): readonly Column[] {
    const wanted = [...this.#recorded.values()].filter(({ uuid }) => uuids?.has(uuid) ?? true);
    return wanted.flatMap(({ uuid, series }) =>
      RATES.flatMap(({ name }, index) => {
        const one = series[index];
        return one === undefined ? [] : [{ name: `vdi:${uuid}:${name}`, series: one }];
      }),
    );
  }

  #go(id: string, recorded: Recorded, span: Span, passed: Transferred | undefined): void {
    if (passed !== undefined && isMoving(passed)) {
      recorded.movedAt = span.to;
      this.#recorded.delete(id);
      this.#recorded.set(id, recorded);
    }
    const uuid = this.#uuidOf(id);
    const rested = (span.to - recorded.movedAt) * RRD_SAMPLE_SECONDS;
    if (uuid === undefined || rested >= RRD_VDI_IDLE_SECONDS) {
      this.#recorded.delete(id);
      return;
    }
    recorded.uuid = uuid;
    push(recorded, span, passed);
  }

  #begin(id: string, counter: string, span: Span, passed: Transferred): void {
    const known = this.#recorded.get(id);
    if (known !== undefined) {
      // The version is of another layer by now; what moved in that is seen from the next sample on.
      known.counter = counter;
      return;
    }
    const uuid = this.#uuidOf(id);
    if (uuid === undefined) return;
    if (this.#recorded.size >= MAX_RRD_VDIS) {
      const [oldest] = this.#recorded;
      if (oldest === undefined || oldest[1].movedAt === span.to) return;
      this.#recorded.delete(oldest[0]);
    }
    const series = RATES.map(() => new Series(VDI_ARCHIVES));
    const recorded = { uuid, counter, series, movedAt: span.to };
    this.#recorded.set(id, recorded);
    push(recorded, span, passed);
  }

  #disksOf(counter: string): readonly string[] {
    if (this.#uuidOf(counter) !== undefined) return [counter];
    return this.#xen.control.catalog.versions.ofLayer(counter).map(({ id }) => id);
  }

  #uuidOf(id: string): string | undefined {
    const { objects } = this.#xen;
    const uuid = objects.has(VDI.name)
      ? objects.find(VDI.name, refOf(VDI.name, id))?.['uuid']
      : undefined;
    return typeof uuid === 'string' ? uuid : undefined;
  }
}

const isMoving = ({ readRequests, writeRequests }: Transferred): boolean =>
  readRequests + writeRequests > 0;

function push({ series }: Recorded, span: Span, passed: Transferred | undefined): void {
  for (const [index, { of }] of RATES.entries()) {
    const value = passed === undefined ? Number.NaN : of(passed, span.seconds ?? 1);
    series[index]?.push(span.from, span.to, value);
  }
}
