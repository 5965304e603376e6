/**
 * The server itself: a pool of one host, the network that it is reached on. Their uuids are made when it starts for the
 * first time, and kept, with what clients set.
 */
import type { ClassDescription, Ref } from '../datamodel/description.ts';
import { HOST } from '../datamodel/host.ts';
import { HOST_METRICS } from '../datamodel/host-metrics.ts';
import { NETWORK } from '../datamodel/network.ts';
import { PIF } from '../datamodel/pif.ts';
import { POOL } from '../datamodel/pool.ts';
import type { AnyRecord, Objects } from '../objects/objects.ts';
import type { FollowedTable, Projection } from '../objects/projector.ts';
import { isNullRef, NULL_REF, refOf } from '../objects/refs.ts';
import type { Xen } from '../xen.ts';
import { type HostFacts, interfaceOf, THIS_HOST } from './host-facts.ts';
import { HOST_EVERY_MS } from './limits.ts';
import { ownUuid } from './own-uuid.ts';
import {
  hostRecord,
  interfaceRecord,
  type Kept,
  metricsRecord,
  networkRecord,
  POOL_REF,
  poolRecord,
  type ServerFacts,
  THIS,
} from './site-records.ts';

export class SiteProjection implements Projection {
  /** The default SR may be among them. */
  readonly tables = ['repositories'] as const satisfies readonly FollowedTable[];
  readonly classes: readonly string[];
  readonly #xen: Xen;
  readonly #server: ServerFacts;
  readonly #makers: ReadonlyMap<ClassDescription, (kept: Kept) => AnyRecord>;
  #seenAt = Number.NEGATIVE_INFINITY;

  constructor(xen: Xen, host: HostFacts = THIS_HOST) {
    const { control, settings } = xen;
    const { serverName: name, version, startedAt } = control;
    const server = { name, version, startedAt, host, settings };
    this.#xen = xen;
    this.#server = server;
    const own = () => interfaceOf(host, settings.address);
    this.#makers = new Map<ClassDescription, (kept: Kept) => AnyRecord>([
      [POOL, (kept) => poolRecord(kept, server)],
      [HOST, (kept) => hostRecord(kept, server)],
      [HOST_METRICS, (kept) => metricsRecord(kept, host, control.clock.now())],
      [NETWORK, (kept) => networkRecord(kept, settings, own())],
      [PIF, (kept) => interfaceRecord(kept, own())],
    ]);
    this.classes = [...this.#makers.keys()].map((description) => description.name);
  }

  load(): void {
    const { objects } = this.#xen;
    objects.completeWith(POOL.name, (_ref, record) => withLivingSrs(objects, record));
    for (const description of this.#makers.keys()) this.#put(description);
    this.#seenAt = this.#server.startedAt;
  }

  changed(): void {
    this.#xen.objects.touch(POOL.name, POOL_REF);
  }

  keptChanged(className: string, id: string): void {
    if (id !== THIS) return;
    for (const description of this.#makers.keys()) {
      if (description.name === className) this.#put(description);
    }
  }

  /** To be called about once a second: looks at memory and addresses once a minute. */
  observe(now: number): void {
    if (now - this.#seenAt < HOST_EVERY_MS) return;
    this.#seenAt = now;
    for (const description of [HOST_METRICS, NETWORK, PIF]) this.#put(description);
  }

  #put(description: ClassDescription): void {
    const { kept, objects } = this.#xen;
    const uuid = ownUuid(this.#xen, description, THIS);
    const fields = kept.get(description, THIS)?.fields ?? {};
    const make = this.#makers.get(description);
    if (make === undefined) return;
    const ref = refOf(description.name, THIS);
    objects.put(description.name, ref, make({ uuid, fields }), { kind: 'host', id: THIS });
  }
}

/** SRs that are gone are none; and a default there is as long as there is a repository. */
function withLivingSrs(objects: Objects, record: AnyRecord): AnyRecord {
  const living = (field: string): Ref => {
    const ref = record[field] as Ref;
    return !isNullRef(ref) && objects.classOf(ref) === 'SR' ? ref : NULL_REF;
  };
  const chosen = living('default_SR');
  return {
    ...record,
    default_SR: isNullRef(chosen) ? firstSr(objects) : chosen,
    suspend_image_SR: living('suspend_image_SR'),
    crash_dump_SR: living('crash_dump_SR'),
  };
}

function firstSr(objects: Objects): Ref {
  if (!objects.has('SR')) return NULL_REF;
  const isRepository = (ref: Ref): boolean => objects.origin('SR', ref).kind === 'repository';
  return objects.refs('SR').find(isRepository) ?? NULL_REF;
}
