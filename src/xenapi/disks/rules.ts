/**
 * What can be done with a VDI now, and if not, why (xapi_vdi.ml, check_operation_error): asked by every message
 * before it does something, and shown as allowed_operations, so that the two never differ.
 *
 * What no record says is not known here: whether somebody reads it by NBD, whether its storage answers. The operation
 * finds out.
 */
import type { Ref } from '../datamodel/description.ts';
import type { ErrorCode, ErrorParameters } from '../datamodel/errors.ts';
import type { VdiOperation } from '../datamodel/vdi.ts';
import { isNullRef } from '../objects/refs.ts';
import type { VdiRecord } from './disk.ts';

/** Why not, as an error says it. No error: thousands are asked for when records are listed, and thrown by nobody. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly parameters: readonly string[];
}

const refusal = <C extends ErrorCode>(code: C, ...parameters: ErrorParameters<C>): Refusal => ({
  code,
  parameters,
});

/** In sm_config of a replica: its replication writes it, nobody else. */
export const ROLE_KEY = 'rootcast-role';
export const REPLICA = 'replica';

export interface VdiSituation {
  readonly ref: Ref;
  readonly record: Pick<
    VdiRecord,
    | 'SR'
    | 'type'
    | 'sharable'
    | 'on_boot'
    | 'is_a_snapshot'
    | 'snapshot_of'
    | 'cbt_enabled'
    | 'sm_config'
  >;
  /** A vDisk or a version of one: XenAPI changes nothing of them. */
  readonly isOfVdisk: boolean;
  /** Operations under way, by task. */
  readonly running: ReadonlyMap<Ref, string>;
  /** Modes of the plugged VBDs. */
  readonly attached: readonly string[];
  /** Operations of its VBDs under way, by task. */
  readonly plugging: ReadonlyMap<Ref, string>;
}

/** In the order in which they are told. What only xapi's own processes do is not among them. */
const TOLD: readonly VdiOperation[] = [
  ...(['clone', 'copy', 'resize', 'resize_online', 'snapshot', 'destroy', 'forget'] as const),
  ...(['update', 'generate_config', 'enable_cbt', 'disable_cbt', 'data_destroy'] as const),
  ...(['list_changed_blocks', 'revert_to'] as const),
];

const ALSO_WHILE_ATTACHED: ReadonlySet<VdiOperation> = new Set<VdiOperation>([
  ...(['snapshot', 'resize_online', 'clone', 'revert_to', 'enable_cbt', 'disable_cbt'] as const),
  'data_destroy',
]);

const OF_CBT_METADATA: ReadonlySet<VdiOperation> = new Set<VdiOperation>([
  ...(['data_destroy', 'destroy', 'list_changed_blocks', 'forget', 'generate_config'] as const),
  'update',
]);

const OF_VDISKS: ReadonlySet<VdiOperation> = new Set<VdiOperation>([
  ...(['copy', 'update', 'generate_config'] as const),
]);

const OF_REPLICAS: ReadonlySet<VdiOperation> = new Set<VdiOperation>([
  ...(['destroy', 'forget', 'update', 'generate_config'] as const),
]);

export function allowedOperations(at: VdiSituation): readonly VdiOperation[] {
  return TOLD.filter((operation) => refusalOf(operation, at) === undefined);
}

/** @returns why not; undefined: it may be tried */
export function refusalOf(operation: VdiOperation, at: VdiSituation): Refusal | undefined {
  return (
    busy(operation, at) ??
    inUse(operation, at) ??
    unsupported(operation, at) ??
    unfit(operation, at)
  );
}

/** A copy is long, and others need not wait for it; everything else is alone. */
export const mayShareVdi = (running: string): boolean => running === 'copy';

function busy(operation: VdiOperation, { ref, running }: VdiSituation): Refusal | undefined {
  for (const [task, other] of running) {
    if (mayShareVdi(other)) {
      // A copy reads it, as a read-only device of dom0 would.
      const isReader = operation === 'copy' || ALSO_WHILE_ATTACHED.has(operation);
      if (isReader || operation === 'update' || operation === 'list_changed_blocks') continue;
      return refusal('VDI_IN_USE', ref, operation);
    }
    return refusal('OTHER_OPERATION_IN_PROGRESS', 'VDI', ref, other, task);
  }
  return undefined;
}

function inUse(
  operation: VdiOperation,
  { ref, attached, plugging }: VdiSituation,
): Refusal | undefined {
  const isBlocked = ALSO_WHILE_ATTACHED.has(operation)
    ? false
    : operation === 'copy'
      ? attached.includes('RW')
      : attached.length > 0;
  if (isBlocked) return refusal('VDI_IN_USE', ref, operation);
  if (operation === 'data_destroy') return undefined; // it waits for them
  for (const [task, other] of plugging) {
    return refusal('OTHER_OPERATION_IN_PROGRESS', 'VDI', ref, other, task);
  }
  return undefined;
}

function unsupported(
  operation: VdiOperation,
  { ref, record, isOfVdisk }: VdiSituation,
): Refusal | undefined {
  if (isOfVdisk && !OF_VDISKS.has(operation)) {
    return refusal('SR_OPERATION_NOT_SUPPORTED', record.SR);
  }
  if (operation === 'mirror') return refusal('SR_OPERATION_NOT_SUPPORTED', record.SR);
  if (record.type === 'cbt_metadata' && !OF_CBT_METADATA.has(operation)) {
    return refusal('VDI_INCOMPATIBLE_TYPE', ref, record.type);
  }
  if (record.sm_config.get(ROLE_KEY) === REPLICA && !OF_REPLICAS.has(operation)) {
    return refusal(
      'OPERATION_NOT_ALLOWED',
      'VDI is a replica: only its replication writes it, and its snapshots are whole',
    );
  }
  if (operation === 'set_on_boot' && record.cbt_enabled) return refusal('VDI_CBT_ENABLED', ref);
  return undefined;
}

function unfit(
  operation: VdiOperation,
  { ref, record, running }: VdiSituation,
): Refusal | undefined {
  const isSnapshot = record.is_a_snapshot;
  switch (operation) {
    case 'resize':
    case 'resize_online':
      return isSnapshot ? refusal('VDI_READONLY', ref) : undefined;
    case 'snapshot':
      if (record.sharable) return refusal('VDI_IS_SHARABLE', ref);
      if (isSnapshot) return snapshotItself(ref);
      return running.size > 0
        ? refusal('OPERATION_NOT_ALLOWED', 'Snapshot operation not allowed during copy.')
        : undefined;
    case 'destroy':
    case 'forget':
      return record.type === 'rrd' ? refusal('VDI_HAS_RRDS', ref) : undefined;
    case 'data_destroy':
      if (!isSnapshot) {
        return refusal('OPERATION_NOT_ALLOWED', `VDI is not a snapshot: ${ref}`);
      }
      return record.cbt_enabled ? undefined : refusal('VDI_NO_CBT_METADATA', ref);
    case 'enable_cbt':
    case 'disable_cbt':
      if (isSnapshot) return snapshotItself(ref);
      return record.type === 'user' || record.type === 'system'
        ? undefined
        : refusal('VDI_INCOMPATIBLE_TYPE', ref, record.type);
    case 'revert_to':
      if (!isSnapshot) return refusal('ONLY_REVERT_SNAPSHOT');
      return isNullRef(record.snapshot_of)
        ? refusal('OPERATION_NOT_ALLOWED', `what the VDI is a snapshot of is gone: ${ref}`)
        : undefined;
    case 'clone':
    case 'copy':
    case 'update':
    case 'generate_config':
    case 'list_changed_blocks':
    case 'set_on_boot':
    case 'revert_from':
    case 'force_unlock':
    case 'blocked':
    case 'mirror':
      return undefined;
  }
}

function snapshotItself(ref: Ref): Refusal {
  return refusal('OPERATION_NOT_ALLOWED', `VDI is a snapshot: ${ref}`);
}
