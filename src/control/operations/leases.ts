import type { LeaseRecord } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import type { LeaseView } from '../schemas/activity.ts';
import { iso } from './time-view.ts';

/** By address. */
export function listLeases(control: Control): readonly LeaseView[] {
  const names = new Map(control.catalog.machines.names().map(({ mac, name }) => [mac, name]));
  return control.catalog.leases.all().map(({ ip, mac, state, expiresAt }) => ({
    ip,
    mac,
    machine: names.get(mac) ?? null,
    state,
    expiresAt: iso(expiresAt),
  }));
}

export function loadLeases(control: Control): readonly LeaseRecord[] {
  return control.catalog.leases.all();
}

/** Durable when it returns. Replaces the lease of that address. */
export function saveLease(control: Control, lease: LeaseRecord): void {
  control.catalog.transaction(() => control.catalog.leases.save(lease));
}

export function deleteLease(control: Control, ip: string): void {
  control.catalog.transaction(() => control.catalog.leases.delete(ip));
}
