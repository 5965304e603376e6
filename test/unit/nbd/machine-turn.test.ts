import { describe, expect, it } from 'vitest';
import { TURN_BYTES, TURN_REQUESTS } from '../../../src/nbd/limits.ts';
import { MachineTurns } from '../../../src/nbd/machine-turn.ts';

function turns() {
  const due: (() => void)[] = [];
  const all = new MachineTurns((action) => void due.push(action));
  const end = (): void => {
    for (const action of due.splice(0)) action();
  };
  return { all, end, due };
}

describe('the turn of a machine', () => {
  it('ends after so many requests, and begins anew in the next round', () => {
    const { all, end } = turns();
    const turn = all.join('machine/a');
    for (let index = 0; index < TURN_REQUESTS; index += 1) {
      expect(turn.admits(512)).toBe(true);
      turn.start(512);
    }
    expect(turn.admits(512)).toBe(false);
    end();
    expect(turn.admits(512)).toBe(true);
  });

  it('ends after so many bytes, but admits one request of any size', () => {
    const { all, end } = turns();
    const turn = all.join('machine/a');
    expect(turn.admits(64 * TURN_BYTES)).toBe(true);
    turn.start(64 * TURN_BYTES);
    expect(turn.admits(1)).toBe(false);
    end();
    turn.start(4096);
    expect(turn.admits(TURN_BYTES)).toBe(false);
    end(); // a refusal is enough to end a turn in which little was asked
    expect(turn.admits(TURN_BYTES)).toBe(true);
  });

  it('is shared by the connections of an export, and by nobody else', () => {
    const { all } = turns();
    const first = all.join('machine/a');
    expect(all.join('machine/a')).toBe(first);
    first.start(TURN_BYTES);
    expect(all.join('machine/b').admits(1)).toBe(true);
    all.leave('machine/a');
    expect(all.join('machine/a')).toBe(first);
    for (let left = 0; left < 2; left += 1) all.leave('machine/a');
    expect(all.join('machine/a')).not.toBe(first);
  });

  it('costs a machine that asks little no end of a turn', () => {
    const { all, due } = turns();
    const turn = all.join('machine/a');
    turn.start(4096);
    expect(due).toHaveLength(0);
  });
});
