/** References: `OpaqueRef:` and a UUID (xen-api ref.ml). */
import { createHash, randomUUID } from 'node:crypto';
import type { Ref } from '../datamodel/description.ts';

const PREFIX = 'OpaqueRef:';
export const NULL_REF: Ref = `${PREFIX}NULL`;

/**
 * Of the object of a class that stands for `id`: the same after every restart, so that nothing has to be kept
 * for an object that only mirrors one of the control plane.
 */
export function refOf(className: string, id: string): Ref {
  return PREFIX + uuidOf(className, id);
}

/** Of what stands for nothing that lasts. Of a secure source: nobody guesses one. */
export function newRef(): Ref {
  return PREFIX + randomUUID();
}

/** A UUID (version 8: RFC 9562, section 5.8) of a name. */
export function uuidOf(className: string, id: string): string {
  const bytes = createHash('sha256').update(`${className}\0${id}`).digest();
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex', 0, 16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-');
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** In small letters, as ours are and as the control plane's ids. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}

export function isNullRef(ref: Ref): boolean {
  return ref === NULL_REF || ref === '';
}
