/** Hosts that volumes can be mapped to. Mappings that there are know them by name, and stay as they are. */
import { isIP } from 'node:net';
import { Fault } from '../../../errors/index.ts';
import type { HostRecord } from '../../catalog/storage/records.ts';
import type { Control } from '../../control.ts';
import { MAX_HOSTS } from '../../limits.ts';
import type { AddHostInput, HostView, UpdateHostInput } from '../../schemas/host.ts';
import { parseName } from '../../values/name.ts';
import { iso } from '../time-view.ts';
import { toldChanges } from '../told-changes.ts';
import { findHost, refuseBeyond, refuseTaken } from './find-storage.ts';

/** By name. */
export function listHosts({ catalog }: Control): readonly HostView[] {
  return catalog.hosts.all().map(hostView);
}

/** @throws Fault NOT_FOUND */
export function showHost({ catalog }: Control, name: string): HostView {
  return hostView(findHost(catalog, name));
}

/** @throws Fault INVALID_INPUT, ALREADY_EXISTS, LIMIT_EXCEEDED */
export function addHost(control: Control, input: AddHostInput): HostView {
  const { hosts } = control.catalog;
  const { name, description = '', iqns = [], addresses = [] } = input;
  return control.change((record) => {
    refuseTaken(hosts.byName(parseName(name, 'host.name')), 'host', name, 'host.name');
    refuseBeyond(hosts.all().length, MAX_HOSTS, 'hosts');
    const createdAt = control.clock.now();
    const host = { id: control.newId(), name, description, iqns, addresses, createdAt };
    checkPorts(host);
    hosts.insert(host);
    record({
      kind: 'host.added',
      subject: `host/${name}`,
      message: `host ${name} added`,
      data: { ...input },
    });
    return hostView(host);
  });
}

/** @throws Fault NOT_FOUND, INVALID_INPUT, ALREADY_EXISTS */
export function updateHost(control: Control, name: string, input: UpdateHostInput): HostView {
  const { hosts } = control.catalog;
  return control.change((record) => {
    const before = findHost(control.catalog, name);
    const after: HostRecord = {
      ...before,
      name: input.name ?? before.name,
      description: input.description ?? before.description,
      iqns: input.iqns ?? before.iqns,
      addresses: input.addresses ?? before.addresses,
    };
    if (after.name !== name) {
      const taken = hosts.byName(parseName(after.name, 'host.name'));
      refuseTaken(taken, 'host', after.name, 'host.name');
    }
    checkPorts(after);
    hosts.update(after);
    record({
      kind: 'host.changed',
      subject: `host/${after.name}`,
      message: `host ${name}: ${toldChanges(input)}`,
      data: { ...input, before: name },
    });
    return hostView(after);
  });
}

/** Volumes that are mapped to it stay so, and are unmapped by its name. @throws Fault NOT_FOUND */
export function deleteHost(control: Control, name: string): void {
  control.change((record) => {
    const { id } = findHost(control.catalog, name);
    control.catalog.hosts.delete(id);
    record({ kind: 'host.deleted', subject: `host/${name}`, message: `host ${name} deleted` });
  });
}

function checkPorts({ name, iqns, addresses }: HostRecord): void {
  if (iqns.length + addresses.length === 0) {
    throw new Fault('INVALID_INPUT', `nothing says which host ${name} is`, {
      field: 'host.iqns',
      value: [],
      expected: 'at least one initiator name or address',
    });
  }
  for (const address of addresses) checkAddress(address);
}

/** An address, or a network as 192.0.2.0/24. */
function checkAddress(value: string): void {
  const [address = '', bits, more] = value.split('/');
  const kind = isIP(address);
  const most = kind === 4 ? 32 : 128;
  const isNetwork = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most);
  if (kind !== 0 && isNetwork && more === undefined) return;
  throw new Fault('INVALID_INPUT', `${value} is not an address`, {
    field: 'host.addresses',
    value,
    expected: 'an IP address such as 192.0.2.7, or a network such as 192.0.2.0/24',
  });
}

function hostView({ id, name, description, iqns, addresses, createdAt }: HostRecord): HostView {
  return {
    id,
    name,
    description,
    iqns: [...iqns],
    addresses: [...addresses],
    createdAt: iso(createdAt),
  };
}
