/** Limits that two sides of a contract have, which share no code. */
import { expect, test } from 'vitest';
import { MAX_CHUNK_REQUEST_BYTES, MAX_INVENTORY_BODY_BYTES } from '../../../../src/api/limits.ts';
import { BUNDLE_BEGINNING_BYTES, INVENTORY_FILE_BYTES_MAX } from '../../../../src/cli/limits.ts';
import { MAX_BUNDLE_VERSIONS, MAX_CONTENT_IDS } from '../../../../src/control/limits.ts';
import { CHUNK_REQUEST_BYTES_MAX } from '../../../../src/vdisk/bundle/index.ts';
import {
  BUNDLE_HEAD_BYTES_MAX,
  BUNDLE_VERSIONS_MAX,
  INVENTORY_CONTENT_IDS_MAX,
} from '../../../../src/vdisk/bundle/limits.ts';

test('the API takes the longest request for chunks, and no longer one', () => {
  expect(MAX_CHUNK_REQUEST_BYTES).toBe(CHUNK_REQUEST_BYTES_MAX);
});

test('the longest inventory fits into a body, and into a file of the CLI', () => {
  expect(MAX_CONTENT_IDS).toBe(INVENTORY_CONTENT_IDS_MAX);
  const contentIds = Array.from({ length: MAX_CONTENT_IDS }, () => 'ab'.repeat(32));
  expect(JSON.stringify({ contentIds }).length).toBeLessThan(MAX_INVENTORY_BODY_BYTES);
  const file = JSON.stringify({ contentIds }, null, 1);
  expect(file.length).toBeLessThan(INVENTORY_FILE_BYTES_MAX);
});

test('a bundle has as many versions as may be asked for', () => {
  expect(MAX_BUNDLE_VERSIONS).toBe(BUNDLE_VERSIONS_MAX);
});

test('the longest description of a bundle is in what the CLI shows the server', () => {
  expect(BUNDLE_BEGINNING_BYTES).toBeGreaterThan(12 + 5 + BUNDLE_HEAD_BYTES_MAX + 4);
});
