import { describe, expect, it } from 'vitest';
import { within } from '../../../../src/adapters/ceph/differences.ts';
import {
  checkName,
  isVolumeName,
  MARKER,
  objectName,
  partName,
  tagSuffix,
} from '../../../../src/adapters/ceph/names.ts';
import { questionOf } from '../../../../src/adapters/ceph/questions.ts';
import { stateOf } from '../../../../src/adapters/ceph/replication.ts';
import { readSettings } from '../../../../src/adapters/ceph/settings.ts';
import { ArrayError, BlockError } from '../../../../src/errors/index.ts';

describe('a difference', () => {
  const extents = [
    { offset: 0, length: 100, kind: 'data' },
    { offset: 200, length: 50, kind: 'hole' },
    { offset: 300, length: 10, kind: 'data' },
  ] as const;

  it('is cut to the range that was asked for', () => {
    expect(within(extents, { offset: 50, length: 175, limit: 9 })).toEqual([
      { offset: 50, length: 50, kind: 'data' },
      { offset: 200, length: 25, kind: 'hole' },
    ]);
    expect(within(extents, { offset: 100, length: 100, limit: 9 })).toEqual([]);
    expect(within(extents, { offset: 0, length: 1000, limit: 2 })).toHaveLength(2);
    expect(within([], { offset: 0, length: 1000, limit: 2 })).toEqual([]);
  });
});

describe('a name in the pool', () => {
  it('tells its tag, and whether it is finished', () => {
    const name = objectName('win10', 'tag-1');
    expect(name.endsWith(tagSuffix('tag-1'))).toBe(true);
    expect(isVolumeName(name)).toBe(true);
    expect(isVolumeName(partName(name))).toBe(false);
    expect(isVolumeName(MARKER)).toBe(false);
    expect(isVolumeName('somebody.part')).toBe(true);
    expect(partName(objectName('n'.repeat(70), 'tag')).length).toBeLessThanOrEqual(96);
  });

  it('is refused when it could mean something else', () => {
    for (const name of ['', '-x', 'a@b', 'a/b', 'a b', '../x', 'n'.repeat(71)]) {
      expect(() => checkName(name)).toThrow(ArrayError);
    }
  });
});

describe('the state of a mirrored image', () => {
  it.each([
    ['up+replaying', 'replaying, {"replay_state":"idle"}', true, 'idle-consistent'],
    ['up+replaying', 'replaying, {"replay_state":"syncing"}', true, 'syncing'],
    ['up+stopped', 'local image is primary', true, 'failed-over'],
    ['up+error', 'split-brain', false, 'split-brain'],
    ['up+unknown', 'remote image demoted', false, 'demoted'],
    ['down+unknown', 'status not found', true, 'unknown'],
    ['down+stopped', 'stopped', false, 'broken'],
    ['up+something-new', '', true, 'unknown'],
  ] as const)('%s, %s: primary %s is %s', (copying, description, primary, state) => {
    expect(stateOf(copying, description, primary)).toBe(state);
  });
});

describe('the settings of a Ceph repository', () => {
  const read = (settings: Record<string, string | number | readonly string[]>, secrets = {}) =>
    readSettings({ settings, secrets });

  it('take what ceph.conf takes for monitors', () => {
    const monHosts = ['[v2:10.0.0.1:3300,v1:10.0.0.1:6789]', '10.0.0.2'];
    expect(read({ monHosts, pool: 'rbd' }).monHosts).toEqual(monHosts);
    expect(read({ monHosts: '10.0.0.1, 10.0.0.2' }).monHosts).toEqual(['10.0.0.1', '10.0.0.2']);
  });

  it('refuse what could break out of a file or an argument, and never show a key', () => {
    expect(() => read({ pool: '-x' })).toThrow(ArrayError);
    expect(() => read({ pool: 'a/b' })).toThrow(ArrayError);
    expect(() => read({ user: 'x]\n[global' })).toThrow(ArrayError);
    expect(() => read({ monHosts: ['10.0.0.1\nkeyring=x'] })).toThrow(ArrayError);
    expect(() => read({ cloneDepth: 16 })).toThrow(ArrayError);
    const key = 'not a key, but a secret';
    try {
      read({}, { key });
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(ArrayError);
      expect(
        JSON.stringify([(error as ArrayError).message, (error as ArrayError).details]),
      ).not.toContain(key);
    }
  });

  it('make a keyring of a key', () => {
    const key = 'AQBvaBlnAAAAABAAKbVl4YJnZkZ0Y2hpbmc9PQ==';
    expect(read({ user: 'backup' }, { key }).keyring).toBe(`[client.backup]\n\tkey = ${key}\n`);
  });
});

describe('a question of a data port', () => {
  it('is one that is known', () => {
    expect(questionOf({ ask: 'open', image: 'abc', snapshot: 4 })).toMatchObject({ snapshot: 4 });
    expect(questionOf({ ask: 'release', server: 1 })).toEqual({ ask: 'release', server: 1 });
    for (const odd of [undefined, null, 1, {}, { ask: 'open' }, { ask: 'again', server: 1 }]) {
      expect(() => questionOf(odd)).toThrow(BlockError);
    }
  });
});
