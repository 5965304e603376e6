/**
 * What makes a machine the same at every boot, whatever becomes of its write cache: its name, its machine-id
 * and its SSH host keys. It travels over the boot network, where whoever asks has shown nothing but a MAC
 * address; so it is given out while the machine boots, to one address in a boot, and an event says to whom.
 */
import { createHash } from 'node:crypto';
import type { BootRecord, MachineRecord } from '../catalog/records.ts';
import type { Control, GivenIdentity } from '../control.ts';
import { IDENTITY_AFTER_END_MS, MAX_MACHINES } from '../limits.ts';
import { parseMac } from '../values/mac-address.ts';
import { quotedForShell } from '../values/personality.ts';
import {
  newSshHostKey,
  SSH_KEY_KINDS,
  type SshHostKey,
  sshHostKey,
  sshPublicKey,
} from '../values/ssh-host-keys.ts';

export type IdentityAnswer =
  /** Lines that a POSIX shell reads. */
  | { readonly kind: 'identity'; readonly text: string }
  /** Nobody has the address, or the machine is disabled. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'refused'; readonly why: string };

/** @param address who asks. @throws Fault INVALID_INPUT */
export function identityText(control: Control, macText: string, address: string): IdentityAnswer {
  const { catalog } = control;
  const machine = catalog.machines.byMac(parseMac(macText, 'mac'));
  if (machine?.enabled !== true) return { kind: 'unknown' };
  const boot = catalog.boots.last(machine.id);
  if (boot === undefined || !mayBoot(boot, control.clock.now())) {
    return refused(`${machine.name} does not boot now`);
  }
  const given = control.identities.get(machine.id);
  if (given?.bootId === boot.id && given.address !== address) {
    tellSecond(control, machine, given, address);
    return refused(`${given.address} was given it in this boot`);
  }
  const { sshHostKeys } = catalog.vdisks.bootPolicy(machine.vdiskId);
  const keys = sshHostKeys === 'kept' ? keptKeys(control, machine) : [];
  if (given?.bootId !== boot.id) {
    tellGiven(control, machine, boot, address, keys);
    control.identities.set(machine.id, { bootId: boot.id, address, toldOthers: false });
  }
  const lines: readonly (readonly [string, string])[] = [
    ['ROOTCAST_HOSTNAME', machine.name],
    ['ROOTCAST_MACHINE_ID', machineId(machine)],
    ['ROOTCAST_SSH_HOST_KEYS', sshHostKeys],
    ...keys.flatMap(({ kind, privateText, publicLine }) => [
      [`ROOTCAST_SSH_${kind}`, privateText] as const,
      [`ROOTCAST_SSH_${kind}_pub`, publicLine] as const,
    ]),
  ];
  const text = lines.map(([name, value]) => `${name}=${quotedForShell(value)}\n`).join('');
  return { kind: 'identity', text };
}

/** Whether it boots, or may still, though from the outside it seems over. */
function mayBoot({ ended, endedAt }: BootRecord, now: number): boolean {
  switch (ended) {
    case undefined:
      return true;
    case 'quiet':
    case 'disconnected':
      return now - (endedAt ?? 0) < IDENTITY_AFTER_END_MS;
    case 'ready':
    case 'abandoned':
    case 'superseded':
      return false;
  }
}

/** The lines of known_hosts, without names; empty before the first boot that was given them. */
export function sshHostKeyLines(control: Control, { id, name }: MachineRecord): readonly string[] {
  return publicKeys(control, id).map((key) => `${key} ${name}`);
}

/** Once made they never change; a list shows those of every machine, and reading a private key takes long. */
function publicKeys({ catalog, sshPublicKeys }: Control, machineId: string): readonly string[] {
  const known = sshPublicKeys.get(machineId);
  if (known !== undefined) return known;
  const kept = catalog.secrets.of(machineId);
  const keys = SSH_KEY_KINDS.flatMap((kind) => {
    const pem = kept[fieldOf(kind)];
    return pem === undefined ? [] : [sshPublicKey(kind, pem)];
  });
  // More than there are machines: of some whose addition was undone after it had been shown.
  if (sshPublicKeys.size >= MAX_MACHINES) sshPublicKeys.clear();
  sshPublicKeys.set(machineId, keys);
  return keys;
}

/** machine-id(5): 32 hexadecimal digits. From an id that nobody is told and that never changes. */
function machineId({ id }: MachineRecord): string {
  return createHash('sha256').update(`rootcast machine-id ${id}`).digest('hex').slice(0, 32);
}

function keptKeys(control: Control, { id, name }: MachineRecord): readonly SshHostKey[] {
  const { catalog, sshPublicKeys } = control;
  const keys = catalog.transaction(() => {
    const kept = catalog.secrets.of(id);
    return SSH_KEY_KINDS.map((kind) => {
      const pem = kept[fieldOf(kind)] ?? newSshHostKey(kind);
      if (kept[fieldOf(kind)] === undefined) catalog.secrets.save(id, fieldOf(kind), pem);
      return sshHostKey(kind, pem, name);
    });
  });
  sshPublicKeys.delete(id); // there were none until now, perhaps
  return keys;
}

function fieldOf(kind: string): string {
  return `ssh-host-key.${kind}`;
}

function refused(why: string): IdentityAnswer {
  return { kind: 'refused', why };
}

function tellGiven(
  control: Control,
  { name }: MachineRecord,
  boot: BootRecord,
  address: string,
  keys: readonly SshHostKey[],
): void {
  const what = keys.length === 0 ? 'identity' : 'identity and its SSH host keys';
  control.change((record) =>
    record({
      kind: 'machine.identity-given',
      subject: `machine/${name}`,
      message: `${address} was given the ${what} of ${name}, which boots`,
      data: { address, bootId: boot.id, sshHostKeys: keys.length },
    }),
  );
}

/** Once in a boot, however often somebody asks. */
function tellSecond(
  control: Control,
  { id, name }: MachineRecord,
  given: GivenIdentity,
  address: string,
): void {
  if (given.toldOthers) return;
  control.identities.set(id, { ...given, toldOthers: true });
  control.change((record) =>
    record({
      kind: 'machine.identity-refused',
      subject: `machine/${name}`,
      message: `${address} asked for the identity of ${name}, which ${given.address} was given in this boot: one of them is not ${name}`,
      data: { address, givenTo: given.address },
    }),
  );
}
