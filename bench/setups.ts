/** Which workloads share a start of a server, and what it then serves. */
import type { ClientKind } from './result.ts';
import { type Access, replaysTrace, type Workload } from './workloads.ts';

/** One start of one server. */
export interface Setup {
  readonly access: Access;
  readonly machines: number;
  /** Which of the two images. */
  readonly image: 'full' | 'trace';
  /** In order. */
  readonly questions: readonly Question[];
}

export interface Question {
  readonly workload: Workload;
  readonly client: ClientKind;
}

/**
 * Reads leave nothing behind, so both clients ask the same start of a server. What a client wrote does
 * stay, so where there are writes each client gets a start of its own.
 */
function keyOf({ workload, client }: Question): string {
  const image = replaysTrace(workload) ? 'trace' : 'full';
  // Replays, floods and flushes change the server too: one of them a start.
  const alone = replaysTrace(workload) || workload.pattern === 'write-flush' ? workload.id : '';
  const whose = workload.access === 'image' ? '' : client;
  return [workload.access, workload.machines, image, alone, whose].join(' ');
}

export function setupsOf(
  workloads: readonly Workload[],
  clients: readonly ClientKind[],
  fioFor: (workload: Workload) => boolean,
): Setup[] {
  const setups = new Map<string, Question[]>();
  for (const workload of workloads) {
    for (const client of clients) {
      if (client === 'fio' && !fioFor(workload)) continue;
      const question = { workload, client };
      const key = keyOf(question);
      const group = setups.get(key);
      if (group === undefined) setups.set(key, [question]);
      else group.push(question);
    }
  }
  return [...setups.values()].flatMap((questions) => {
    const [first] = questions;
    if (first === undefined) return [];
    const { access, machines } = first.workload;
    const image = replaysTrace(first.workload) ? 'trace' : 'full';
    return [{ access, machines, image, questions }];
  });
}

/** `write-4k-again` alone would be a first touch. */
export function withPrerequisites(
  chosen: readonly Workload[],
  all: readonly Workload[],
): Workload[] {
  const again = chosen.some(({ id }) => id === 'write-4k-again');
  return all.filter(
    ({ id }) => chosen.some((workload) => workload.id === id) || (again && id === 'write-4k-first'),
  );
}
