/**
 * The figures that clients draw (xen-api metrics.md, xcp-rrdd): of the host, and of each SR as sources of the host whose
 * names end in the first eight digits of the SR's uuid; of VDIs besides, apart from them (vdi-figures.ts). They are kept
 * in memory, and begin anew with the service.
 */
import { loadavg } from 'node:os';
import type { RecordOf, Ref, ValueOf } from '../datamodel/description.ts';
import { HOST } from '../datamodel/host.ts';
import type { DATA_SOURCE } from '../datamodel/host-messages.ts';
import { refOf } from '../objects/refs.ts';
import type { HostFacts } from '../projections/host-facts.ts';
import { HOST_REF } from '../projections/site-records.ts';
import type { Xen } from '../xen.ts';
import { xenError } from '../xen-error.ts';
import type { Column } from './export-rows.ts';
import { MAX_RRD_SOURCES, RRD_SAMPLE_SECONDS } from './limits.ts';
import { difference, RATES, type Span } from './rates.ts';
import { Series } from './series.ts';
import type { ThroughputPort, Transferred } from './throughput-port.ts';
import { VdiFigures } from './vdi-figures.ts';

export type DataSource = ValueOf<typeof DATA_SOURCE>;

export interface FiguresOptions {
  readonly xen: Xen;
  readonly host: HostFacts;
  readonly throughput: ThroughputPort;
  /** The SR that vDisks are in; undefined: there is none. */
  readonly vdiskSr: () => Ref | undefined;
}

/** One column of what is exported. */
export interface Source {
  readonly name: string;
  readonly description: string;
  readonly units: string;
  /** Of the SR whose figure it is; undefined: the host's. */
  readonly sr: Ref | undefined;
  readonly series: Series;
  last: number;
}

interface SrCounters {
  before: Transferred | undefined;
}

const KIBIBYTE = 1024;

export class Figures {
  readonly #options: FiguresOptions;
  readonly #sources = new Map<string, Source>();
  readonly #counters = new Map<Ref, SrCounters>();
  readonly #vdis: VdiFigures;
  /** The number of the last sample: its time by RRD_SAMPLE_SECONDS; undefined: there is none. */
  #sample: number | undefined;
  #sampledAt = 0;

  constructor(options: FiguresOptions) {
    this.#options = options;
    this.#vdis = new VdiFigures(options.xen);
  }

  /** Of the last sample; undefined: nothing was recorded yet. */
  get sample(): number | undefined {
    return this.#sample;
  }

  get hostUuid(): string {
    const host: RecordOf<typeof HOST> = this.#options.xen.objects.require(HOST, HOST_REF);
    return host.uuid;
  }

  /** To be called about once a second. @param now milliseconds since the epoch */
  observe(now: number): void {
    const sample = Math.floor(now / 1000 / RRD_SAMPLE_SECONDS);
    const before = this.#sample;
    if (before !== undefined && sample <= before) return;
    const seconds = (now - this.#sampledAt) / 1000;
    const from = before ?? sample - 1;
    this.#sample = sample;
    this.#sampledAt = now;
    const span = { from, to: sample, seconds: before === undefined ? undefined : seconds };
    this.#sampleHost(span);
    this.#sampleSrs(span);
    this.#vdis.observe(span, this.#options.throughput.ofDisks());
  }

  /** Of the host, those of its SRs among them. */
  hostSources(): readonly DataSource[] {
    return [...this.#sources.values()].map(dataSource);
  }

  /** @throws XenError INVALID_VALUE: there is none of that name */
  hostSource(name: string): DataSource {
    const source = this.#sources.get(name);
    if (source === undefined) throw xenError('INVALID_VALUE', 'data_source', name);
    return dataSource(source);
  }

  srSources(sr: Ref): readonly DataSource[] {
    return this.sources(sr).map(dataSource);
  }

  /** What was recorded of it. It is recorded anew. @throws XenError INVALID_VALUE */
  forget(name: string): void {
    this.hostSource(name);
    this.#sources.delete(name);
  }

  /** @param sr of that SR alone */
  sources(sr?: Ref): readonly Source[] {
    const all = [...this.#sources.values()];
    return sr === undefined ? all : all.filter((source) => source.sr === sr);
  }

  /**
   * Of VDIs, as they are told of in `/rrd_updates`: `vdi:UUID:NAME`.
   * @param uuids undefined: of all of which something is recorded
   */
  vdiColumns(uuids?: ReadonlySet<string>): readonly Column[] {
    return this.#vdis.columns(uuids);
  }

  #sampleHost(span: Span): void {
    const { host } = this.#options;
    const [load = 0] = loadavg();
    this.#push('loadavg', 'Load of the host', '', span, load);
    const total = host.totalMemory() / KIBIBYTE;
    this.#push('memory_total_kib', 'Memory of the host', 'KiB', span, total);
    const free = host.freeMemory() / KIBIBYTE;
    this.#push('memory_free_kib', 'Free memory of the host', 'KiB', span, free);
  }

  #sampleSrs(span: Span): void {
    const transferred = this.#transferred();
    for (const [sr, now] of transferred) {
      const counters = this.#counters.get(sr) ?? { before: undefined };
      this.#counters.set(sr, counters);
      this.#pushSr(sr, span, counters.before, now);
      counters.before = now;
    }
    for (const sr of this.#counters.keys()) {
      if (!transferred.has(sr)) this.#silent(sr, span);
    }
  }

  #pushSr(sr: Ref, span: Span, before: Transferred | undefined, now: Transferred): void {
    const suffix = this.#suffixOf(sr);
    if (suffix === undefined) return;
    const passed = before && span.seconds !== undefined ? difference(before, now) : undefined;
    for (const { name, units, what, of } of RATES) {
      const value = passed === undefined ? Number.NaN : of(passed, span.seconds ?? 1);
      this.#push(`${name}_${suffix}`, `${units} ${what} SR ${suffix}`, units, span, value, sr);
    }
  }

  /** Nothing is known of an SR now: it is not attached, or it is gone. */
  #silent(sr: Ref, span: Span): void {
    const isThere = this.#suffixOf(sr) !== undefined;
    for (const source of this.sources(sr)) {
      if (isThere) source.series.push(span.from, span.to, Number.NaN);
      else this.#sources.delete(source.name);
    }
    if (isThere) this.#counters.set(sr, { before: undefined });
    else this.#counters.delete(sr);
  }

  #suffixOf(sr: Ref): string | undefined {
    const { objects } = this.#options.xen;
    const uuid = objects.has('SR') ? objects.find('SR', sr)?.['uuid'] : undefined;
    return typeof uuid === 'string' ? uuid.slice(0, 8) : undefined;
  }

  #push(
    name: string,
    description: string,
    units: string,
    { from, to }: Span,
    value: number,
    sr?: Ref,
  ): void {
    const known = this.#sources.get(name);
    if (known === undefined && this.#sources.size >= MAX_RRD_SOURCES) return;
    const source = known ?? { name, description, units, sr, series: new Series(), last: value };
    this.#sources.set(name, source);
    source.last = value;
    source.series.push(from, to, value);
  }

  #transferred(): ReadonlyMap<Ref, Transferred> {
    const { throughput, vdiskSr } = this.#options;
    const bySr = new Map<Ref, Transferred>();
    for (const [id, figures] of throughput.ofRepositories()) bySr.set(refOf('SR', id), figures);
    const library = vdiskSr();
    if (library !== undefined) bySr.set(library, this.#ofVdisks());
    return bySr;
  }

  /** What machines have read and written of vDisks and of their write caches, and everybody else of vDisks. */
  #ofVdisks(): Transferred {
    const { catalog, dataPlane } = this.#options.xen.control;
    const sum = { ...this.#options.throughput.ofLayers() };
    for (const { id } of catalog.machines.all()) {
      const live = dataPlane.machineLive(id);
      sum.bytesRead += live.bytesRead;
      sum.bytesWritten += live.bytesWritten;
      sum.readRequests += live.readRequests;
      sum.writeRequests += live.writeRequests;
    }
    return sum;
  }
}

function dataSource({ name, description, units, last }: Source): DataSource {
  return {
    ...{ name_label: name, name_description: description, enabled: true, standard: true, units },
    ...{ min: 0, max: Number.POSITIVE_INFINITY, value: Number.isNaN(last) ? 0 : last },
  };
}
