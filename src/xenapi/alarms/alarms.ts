/**
 * Events of the control plane that an operator must hear of become messages (docs/XENAPI.md lists them): with XenAPI's
 * own priorities (xen-api api_messages.ml), about the object that it happened to.
 */
import type { EventRecord } from '../../control/index.ts';
import type { Ref } from '../datamodel/description.ts';
import { refOf } from '../objects/refs.ts';
import { HOST_REF, POOL_REF } from '../projections/site-records.ts';
import type { Xen } from '../xen.ts';
import type { MessageBook, XenMessage } from './message-book.ts';

/** 1: data may be lost; 2: a service fails; 3: a service suffers; 4: something is well again. */
type Priority = 1 | 2 | 3 | 4;

interface Alarm {
  readonly name: string;
  readonly priority: Priority;
  /** It is told only when the last that was told of the object is this one. */
  readonly ends?: string;
}

/** By the kind of the event. */
export const ALARMS: ReadonlyMap<string, Alarm> = new Map<string, Alarm>([
  ['repository.unreachable', { name: 'SR_UNREACHABLE', priority: 2 }],
  ['repository.attached', { name: 'SR_ATTACHED', priority: 4, ends: 'SR_UNREACHABLE' }],
  ['repository.space-normal', { name: 'SR_SPACE_NORMAL', priority: 4 }],
  ['repository.space-warning', { name: 'SR_SPACE_WARNING', priority: 3 }],
  ['repository.space-critical', { name: 'SR_SPACE_CRITICAL', priority: 2 }],
  ['repository.shrunk', { name: 'SR_SHRUNK', priority: 1 }],
  ['version.damaged', { name: 'VDI_DAMAGED', priority: 1 }],
  ['vdisk.served-from-replica', { name: 'VDISK_SERVED_FROM_REPLICA', priority: 3 }],
  ['vdisk.served-from-home', { name: 'VDISK_SERVED_FROM_HOME', priority: 4 }],
  ['replication.failed', { name: 'REPLICATION_FAILED', priority: 3 }],
  ['replication.rpo-missed', { name: 'REPLICATION_LATE', priority: 3 }],
  ['replication.rpo-met', { name: 'REPLICATION_IN_TIME', priority: 4 }],
  ['replication.diverged', { name: 'REPLICATION_DIVERGED', priority: 1 }],
  ['replication.damaged', { name: 'REPLICATION_DAMAGED', priority: 1 }],
  ['replication.not-fenced', { name: 'REPLICATION_NOT_FENCED', priority: 1 }],
  ['machine.cache-full', { name: 'MACHINE_CACHE_FULL', priority: 2 }],
  ['machine.cache-failed', { name: 'MACHINE_CACHE_FAILED', priority: 2 }],
  ['service.journal-damaged', { name: 'JOURNAL_DAMAGED', priority: 1 }],
]);

type About = Pick<XenMessage, 'cls' | 'obj_uuid'>;

export class Alarms {
  readonly #xen: Xen;
  readonly #book: MessageBook;

  constructor(xen: Xen, book: MessageBook) {
    this.#xen = xen;
    this.#book = book;
  }

  /** To be told of every event once it is kept. Never throws: what happened has happened. */
  note(event: EventRecord): void {
    const alarm = ALARMS.get(event.kind);
    if (alarm === undefined) return;
    try {
      const about = this.#about(event.subject);
      const { name, priority, ends } = alarm;
      if (ends !== undefined && this.#last([name, ends], about) !== ends) return;
      this.#book.write({ name, priority, ...about, body: event.message });
    } catch (error) {
      this.#xen.log(`a message of ${event.kind} could not be written`, error);
    }
  }

  #last(names: readonly string[], about: About): string | undefined {
    const told = this.#book.since(
      0,
      ({ name, obj_uuid }) => obj_uuid === about.obj_uuid && names.includes(name),
    );
    return [...told.values()].at(-1)?.name;
  }

  /** `repository/NAME`, `vdisk/NAME/VERSION`, `machine/NAME` …; of what is no object (any more): the pool. */
  #about(subject: string): About {
    return (
      this.#objectOf(subject) ??
      this.#object('Pool', 'pool', POOL_REF) ?? { cls: 'Pool', obj_uuid: '' }
    );
  }

  #objectOf(subject: string): About | undefined {
    const [kind = '', name = '', number = ''] = subject.split('/');
    const { catalog } = this.#xen.control;
    const ofId = (className: 'SR' | 'VDI' | 'PVS_proxy', id: string | undefined) =>
      id === undefined ? undefined : this.#object(className, className, refOf(className, id));
    switch (kind) {
      case 'repository':
        return ofId('SR', catalog.repositories.byName(name)?.id);
      case 'vdisk': {
        const vdisk = catalog.vdisks.byName(name);
        return ofId('VDI', vdisk && catalog.versions.byNumber(vdisk.id, Number(number))?.id);
      }
      case 'machine':
        return ofId('PVS_proxy', catalog.machines.byName(name)?.id);
      case 'service':
        return this.#object('Host', 'host', HOST_REF);
      default:
        return undefined;
    }
  }

  #object(cls: About['cls'], className: string, ref: Ref): About | undefined {
    const { objects } = this.#xen;
    if (!objects.has(className)) return undefined;
    const uuid = objects.find(className, ref)?.['uuid'];
    return typeof uuid === 'string' ? { cls, obj_uuid: uuid } : undefined;
  }
}
