/**
 * Several clients, each with a picture of its own that it keeps by event.from alone, poll and wait at random while
 * objects come, change and go (and come back under the same ref). A picture is what the database was at the client's
 * token, at every answer: nothing is missed, nothing stays that is gone.
 */
import { describe, expect, it } from 'vitest';
import type { EventBatch } from '../../../../src/xenapi/events/events.ts';
import { EVENT_BATCH_MS } from '../../../../src/xenapi/events/limits.ts';
import { SEED, seededRandom } from '../../../support/seed.ts';
import { EventsRig, refOf } from './events-rig.ts';

const CLASSES = [['*'], ['shelf', 'Book'], ['Book'], ['task'], ['Shelf/OpaqueRef:s1', 'task']];
const NAMES = 6;
const STEPS = 400;

type Picture = Map<string, unknown>;

class Client {
  readonly #rig: EventsRig;
  readonly #classes: readonly string[];
  readonly #picture: Picture = new Map();
  #token = '';
  /** A call is under way. */
  isWaiting = false;
  /** What went wrong in one that was waited for by nobody. */
  error: unknown;
  answers = 0;

  constructor(rig: EventsRig, classes: readonly string[]) {
    this.#rig = rig;
    this.#classes = classes;
  }

  /** Its picture is compared at once when it is answered, before anything else happens. */
  async ask(timeout: number): Promise<void> {
    this.isWaiting = true;
    try {
      this.#take(await this.#rig.from(this.#classes, this.#token, timeout));
    } catch (error) {
      this.error = error;
    }
    this.isWaiting = false;
  }

  #take({ events, token, valid_ref_counts }: EventBatch): void {
    this.answers++;
    this.#token = token;
    for (const event of events) {
      const key = `${event.class}/${event.ref}`;
      if (event.operation === 'del') this.#picture.delete(key);
      else this.#picture.set(key, event.snapshot?.value);
    }
    for (const name of ['Shelf', 'Book', 'task']) {
      expect(valid_ref_counts.get(name.toLowerCase())).toBe(this.#rig.objects.count(name));
    }
    expect(this.#picture).toEqual(truth(this.#rig, this.#classes));
  }
}

/** What a client of those classes should see now, made anew from all there is. */
function truth(rig: EventsRig, classes: readonly string[]): Picture {
  const wanted = classes.map((name) => name.toLowerCase());
  const picture: Picture = new Map();
  for (const name of ['Shelf', 'Book', 'task']) {
    const lower = name.toLowerCase();
    for (const [ref, record] of rig.objects.allAny(name)) {
      const key = `${lower}/${ref}`;
      const isWanted = ['*', lower, key.toLowerCase()].some((text) => wanted.includes(text));
      if (isWanted) picture.set(key, record);
    }
  }
  return picture;
}

describe('pictures kept by event.from', () => {
  it.each(Array.from({ length: 20 }, (_, run) => run))('are the database (run %i)', async (run) => {
    const random = seededRandom(SEED + run);
    const pick = (count: number): number => Math.floor(random() * count);
    const rig = new EventsRig();
    const clients = Array.from(
      { length: 6 },
      (_, index) => new Client(rig, CLASSES[index % CLASSES.length] ?? []),
    );

    const change = (): void => {
      const name = String(pick(NAMES));
      switch (pick(7)) {
        case 0:
        case 1:
          rig.shelf(`s${name}`, `label ${pick(3)}`);
          break;
        case 2:
          rig.book(`b${name}`, refOf(`s${pick(NAMES)}`), pick(3));
          break;
        case 3:
          rig.task(`t${name}`, pick(3));
          break;
        case 4:
          rig.remove('Shelf', `s${name}`);
          break;
        case 5:
          rig.remove('Book', `b${name}`);
          break;
        case 6:
          rig.remove('task', `t${name}`);
      }
    };

    for (let step = 0; step < STEPS; step++) {
      const client = clients[pick(clients.length)] as Client;
      const what = random();
      if (what < 0.6) change();
      else if (what < 0.9 && !client.isWaiting) void client.ask(what < 0.7 ? 0 : 1 + pick(3));
      else await rig.later(pick(2) === 0 ? EVENT_BATCH_MS : 700);
      await answersTaken();
    }
    await rig.later(5000);
    for (const client of clients) {
      await client.ask(0);
      expect(client.error).toBeUndefined();
      expect(client.answers).toBeGreaterThan(1);
    }
  });
});

/** Whoever is answered has looked at it; nothing that waits for a later turn has begun. */
async function answersTaken(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}
