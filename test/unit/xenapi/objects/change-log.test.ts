import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChangeLog } from '../../../../src/xenapi/objects/change-log.ts';
import { MAX_DELETIONS, SPARE_CHANGES } from '../../../../src/xenapi/objects/limits.ts';

describe('the change log', () => {
  it('tells of each object once, as it was last', () => {
    const log = new ChangeLog(10);
    const [from] = [log.generation];
    log.note('VDI', 'a', false);
    log.note('VDI', 'b', false);
    log.note('VDI', 'a', false);
    expect([...log.since(from)].map(({ ref }) => ref)).toEqual(['b', 'a']);
    const [, a] = [...log.since(from)];
    expect(a).toMatchObject({ created: 11, generation: 13, deleted: false });
  });

  it('knows when an object was made, for whoever has not seen it before it went', () => {
    const log = new ChangeLog(10);
    log.note('VDI', 'a', false);
    const seen = log.generation;
    log.note('VDI', 'a', true);
    const [gone] = [...log.since(seen)];
    expect(gone).toMatchObject({ deleted: true, created: 11 });
    log.note('VDI', 'a', false); // the same ref once more
    expect([...log.since(seen)][0]).toMatchObject({ deleted: false, created: 13 });
  });

  it('has lost what a run before it knew, and nothing for whoever begins', () => {
    const log = new ChangeLog(10);
    expect(log.isLost(9)).toBe(true);
    expect(log.isLost(11)).toBe(true);
    expect(log.isLost(10)).toBe(false);
    expect(log.isLost(0)).toBe(false);
  });

  it('forgets the oldest deletions, and says so', () => {
    const log = new ChangeLog(10);
    const begin = log.generation;
    for (let index = 0; index < 2 * MAX_DELETIONS + SPARE_CHANGES; index++) {
      log.note('VDI', `${index}`, false);
      log.note('VDI', `${index}`, true);
    }
    expect(log.isLost(begin)).toBe(true);
    expect(log.isLost(log.generation)).toBe(false);
    const kept = [...log.since(0)];
    expect(kept.length).toBeLessThan(MAX_DELETIONS + SPARE_CHANGES + 2);
    expect(kept.at(-1)).toMatchObject({ generation: log.generation, deleted: true });
  });

  it('never misses a change, whatever happens in between', () => {
    const step = fc.record({ ref: fc.nat({ max: 20 }), deleted: fc.boolean(), ask: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const log = new ChangeLog(1000);
        const live = new Set<string>();
        const known = new Set<string>();
        let token = log.generation;
        for (const { ref, deleted, ask } of steps) {
          const name = `r${ref}`;
          if (deleted && !live.has(name)) continue;
          log.note('VDI', name, deleted);
          if (deleted) live.delete(name);
          else live.add(name);
          if (!ask) continue;
          for (const change of log.since(token)) {
            if (change.deleted) known.delete(change.ref);
            else known.add(change.ref);
          }
          token = log.generation;
          expect([...known].sort()).toEqual([...live].sort());
        }
      }),
    );
  });
});
