/** A deadline, and an answer that came while the thread stood still. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deadline, monotonicMs } from '../../../src/base/index.ts';

const DEADLINE_MS = 5;

describe('a deadline', () => {
  const server = createServer();
  let ours: Socket;
  let theirs: Socket;

  beforeEach(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepted = once(server, 'connection');
    ours = connect((server.address() as AddressInfo).port, '127.0.0.1');
    [theirs] = (await accepted) as [Socket];
    // Read from now on, so that nothing is left to be done when the answer comes.
    ours.on('data', () => undefined);
    theirs.write('hello');
    await once(ours, 'data');
  });
  afterEach(async () => {
    ours.destroy();
    theirs.destroy();
    server.close();
    await once(server, 'close');
  });

  function standStill(): void {
    for (const end = monotonicMs() + 4 * DEADLINE_MS; monotonicMs() < end; );
  }

  it('is over only after what came before it was seen was read', async () => {
    const seen: string[] = [];
    const answered = once(ours, 'data').then(() => seen.push('answer'));
    const over = new Promise<void>((resolve) => {
      deadline(DEADLINE_MS, () => {
        seen.push('deadline');
        resolve();
      });
    });
    theirs.write('answer');
    standStill();
    await Promise.all([answered, over]);
    expect(seen).toEqual(['answer', 'deadline']);
  });

  it('that is cancelled by what was read then is not over', async () => {
    let over = false;
    const { timer, cancel } = deadline(DEADLINE_MS, () => {
      over = true;
    });
    ours.once('data', cancel);
    theirs.write('answer');
    standStill();
    await once(ours, 'data');
    expect(timer.hasRef()).toBe(true);
    // Everything that was due in this turn of the event loop and in the next has had its turn.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(over).toBe(false);
  });
});
