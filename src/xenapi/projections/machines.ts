/**
 * vDisks and the machines that boot from them, as XenAPI tells of Citrix Provisioning: one site, one server, a proxy for
 * each machine. Which machines are on lies in no row: it is looked at from time to time.
 */
import type { MachineRecord } from '../../control/index.ts';
import type { ClassDescription, RecordOf, Ref } from '../datamodel/description.ts';
import { PVS_CACHE_STORAGE } from '../datamodel/pvs-cache-storage.ts';
import { PVS_PROXY } from '../datamodel/pvs-proxy.ts';
import { PVS_SERVER } from '../datamodel/pvs-server.ts';
import { PVS_SITE } from '../datamodel/pvs-site.ts';
import { emptyRecord } from '../objects/defaults.ts';
import type { AnyRecord } from '../objects/objects.ts';
import type { FollowedTable, Projection } from '../objects/projector.ts';
import { NULL_REF, refOf, uuidOf } from '../objects/refs.ts';
import type { Xen } from '../xen.ts';
import { type HostFacts, interfaceOf, THIS_HOST } from './host-facts.ts';
import { MACHINES_EVERY_MS } from './limits.ts';
import { ownUuid } from './own-uuid.ts';
import { HOST_REF, THIS } from './site-records.ts';

const SITE_REF = refOf(PVS_SITE.name, THIS);
const SERVER_REF = refOf(PVS_SERVER.name, THIS);

/** Of write caches in the server's own folder, which is no repository. */
const OWN_FOLDER = 'own';

type ProxyStatus = RecordOf<typeof PVS_PROXY>['status'];

export class MachinesProjection implements Projection {
  readonly tables = [
    'machines',
    'vdisks',
    'repositories',
  ] as const satisfies readonly FollowedTable[];
  readonly classes = [PVS_SITE.name];
  readonly #xen: Xen;
  readonly #host: HostFacts;
  #seenAt = Number.NEGATIVE_INFINITY;

  constructor(xen: Xen, host: HostFacts = THIS_HOST) {
    this.#xen = xen;
    this.#host = host;
  }

  load(): void {
    this.#putSite();
    this.#putServer();
    this.#putCacheStorages();
    this.#putMachines();
  }

  changed(table: FollowedTable, id: string): void {
    if (table !== 'machines') {
      this.#putCacheStorages();
      return;
    }
    const machine = this.#xen.control.catalog.machines.byId(id);
    if (machine === undefined) this.#xen.objects.delete(PVS_PROXY.name, refOf(PVS_PROXY.name, id));
    else this.#putMachine(machine, this.#isBooting(id), this.#isRefused(id));
  }

  keptChanged(_className: string, id: string): void {
    if (id === THIS) this.#putSite();
  }

  /** To be called about once a second. */
  observe(now: number): void {
    if (now - this.#seenAt < MACHINES_EVERY_MS) return;
    this.#seenAt = now;
    this.#putServer();
    this.#putMachines();
  }

  #putSite(): void {
    const { kept, control } = this.#xen;
    const uuid = ownUuid(this.#xen, PVS_SITE, THIS);
    this.#put(PVS_SITE, SITE_REF, THIS, 'host', {
      ...{ name_label: control.serverName, ...kept.get(PVS_SITE, THIS)?.fields },
      ...{ uuid, PVS_uuid: uuid },
    });
  }

  #putServer(): void {
    const { address, nbd } = this.#xen.settings;
    const own = interfaceOf(this.#host, address);
    const addresses = own?.ipv4 === undefined ? [address] : [own.ipv4.address];
    const record: Partial<RecordOf<typeof PVS_SERVER>> = {
      uuid: ownUuid(this.#xen, PVS_SERVER, THIS),
      ...{ addresses, first_port: nbd.port, last_port: nbd.port, site: SITE_REF },
    };
    this.#put(PVS_SERVER, SERVER_REF, THIS, 'host', record);
  }

  /** One for each place in which a vDisk has write caches made. */
  #putCacheStorages(): void {
    const { control, objects } = this.#xen;
    const places = new Set(
      control.catalog.vdisks
        .all()
        .map(({ overlayRepositoryId }) => overlayRepositoryId ?? OWN_FOLDER),
    );
    const { name } = PVS_CACHE_STORAGE;
    for (const ref of objects.refs(name)) {
      if (!places.has(objects.origin(name, ref).id)) objects.delete(name, ref);
    }
    for (const place of places) {
      const record: Partial<RecordOf<typeof PVS_CACHE_STORAGE>> = {
        uuid: uuidOf(name, `${ownUuid(this.#xen, PVS_SITE, THIS)}/${place}`),
        ...{ host: HOST_REF, site: SITE_REF, VDI: NULL_REF },
        SR: place === OWN_FOLDER ? NULL_REF : refOf('SR', place),
        size: control.spaces.get(place)?.total ?? 0,
      };
      this.#put(PVS_CACHE_STORAGE, refOf(name, place), place, 'own', record);
    }
  }

  #putMachines(): void {
    const { catalog } = this.#xen.control;
    const booting = new Set(catalog.boots.underWay().map(({ machineId }) => machineId));
    const refused = new Set(
      catalog.machineCaches
        .all()
        .filter(({ state }) => state === 'refused')
        .map(({ machineId }) => machineId),
    );
    for (const machine of catalog.machines.all()) {
      this.#putMachine(machine, booting.has(machine.id), refused.has(machine.id));
    }
  }

  #isBooting(machineId: string): boolean {
    const boot = this.#xen.control.catalog.boots.last(machineId);
    return boot !== undefined && boot.ended === undefined;
  }

  /** Its last boot found no way to have the write cache that it is to have. */
  #isRefused(machineId: string): boolean {
    return this.#xen.control.catalog.machineCaches.of(machineId)?.state === 'refused';
  }

  #putMachine({ id }: MachineRecord, isBooting: boolean, isRefused: boolean): void {
    const { control } = this.#xen;
    const { connections } = control.dataPlane.machineLive(id);
    const isOn = connections.length > 0 || isBooting;
    const running: ProxyStatus = connections.length > 0 ? 'caching' : 'initialised';
    const off: ProxyStatus = isRefused ? 'incompatible_write_cache_mode' : 'stopped';
    const record: Partial<RecordOf<typeof PVS_PROXY>> = {
      ...{ uuid: id, site: SITE_REF, VIF: NULL_REF, currently_attached: isOn },
      status: isOn ? running : off,
    };
    this.#put(PVS_PROXY, refOf(PVS_PROXY.name, id), id, 'machine', record);
  }

  #put(
    description: ClassDescription,
    ref: Ref,
    id: string,
    kind: 'host' | 'own' | 'machine',
    record: AnyRecord,
  ): void {
    const whole = { ...emptyRecord(description), ...record };
    this.#xen.objects.put(description.name, ref, whole, { kind, id });
  }
}
