/**
 * What a receiver says to a sender that cannot ask it: JSON in UTF-8, `{"contentIds": ["…", …]}`, the content
 * ids of the versions and layers that it holds.
 */
import { Fault } from '../../errors/index.ts';
import { isViolation } from './bundle-record.ts';
import { readJson } from './json-fields.ts';
import { INVENTORY_CONTENT_IDS_MAX } from './limits.ts';

/** Bytes of the longest inventory file. */
export const INVENTORY_FILE_BYTES_MAX = 1024 + INVENTORY_CONTENT_IDS_MAX * 100;

export function encodeInventory(contentIds: Iterable<string>): Buffer {
  const sorted = [...new Set(contentIds)].sort().slice(0, INVENTORY_CONTENT_IDS_MAX);
  return Buffer.from(`${JSON.stringify({ contentIds: sorted }, undefined, 1)}\n`, 'utf8');
}

/** @throws Fault INVALID_INPUT */
export function decodeInventory(file: Buffer): ReadonlySet<string> {
  if (file.length > INVENTORY_FILE_BYTES_MAX) {
    throw new Fault('INVALID_INPUT', `the inventory has ${file.length} bytes`, {
      field: 'inventory',
      value: file.length,
      expected: `at most ${INVENTORY_FILE_BYTES_MAX} bytes`,
    });
  }
  const decoded = readJson(file, (json) => ({
    kind: 'inventory',
    contentIds: new Set(json.sha256List('contentIds', INVENTORY_CONTENT_IDS_MAX)),
  }));
  if (!isViolation(decoded)) return decoded.contentIds;
  const { field, value, expected } = decoded;
  const message = `the inventory: ${field} is ${value}: expected ${expected}`;
  throw new Fault('INVALID_INPUT', message, { field, value, expected });
}
