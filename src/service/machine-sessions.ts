/**
 * Who may use a machine's disk, when a new connection takes the place of an old one.
 *
 * A machine that gives up a connection sends what was not answered once more, on a new one. What it had sent on the
 * old one may still be under way, in a network that is half dead, and would be executed after what comes on
 * the new one: an old write would undo a newer one. TCP cannot prevent that, since it is two connections.
 * So a connection may say whose it is, in the name that it asks for: `machine/NAME@RUN.N`. RUN is one life of
 * the machine, N counts its connections; several with the same N belong together. The first of a higher N,
 * or of another RUN, is let in when every other connection to that disk has ended and what it had accepted
 * is done; a lower N is refused from then on, and so is a RUN that another has taken over from. Without N, every
 * connection takes over from the one before it: for a client that has one at a time and always asks for the
 * same name.
 *
 * Connections without a session are let in as ever, and are ended like all others.
 */
import { Fault } from '../errors/index.ts';
import { MACHINE } from './export-names.ts';
import { PAST_RUNS } from './limits.ts';

export interface MachineSession {
  readonly run: string;
  /** Undefined: each connection is a session of its own. */
  readonly number: number | undefined;
}

interface Current extends MachineSession {
  /** Runs that were taken over from, the last one last. */
  readonly past: readonly string[];
  /** Settles when no older connection is left. */
  readonly fence: Promise<void>;
}

/** What one connection was let in with. */
export interface SessionTicket {
  /** Another session has begun since. */
  isStale(): boolean;
}

const SESSION = /^([A-Za-z0-9][A-Za-z0-9-]{0,63})(?:\.([1-9][0-9]{0,14}))?$/;
const ANY_TIME: SessionTicket = { isStale: () => false };

/**
 * @param asked begins with `machine/`
 * @throws Fault INVALID_INPUT for what is no session after the `@`
 */
export function machineExport(asked: string): {
  readonly name: string;
  readonly session: MachineSession | undefined;
} {
  const at = asked.indexOf('@');
  if (!asked.startsWith(MACHINE) || at === -1) return { name: asked, session: undefined };
  const value = asked.slice(at + 1);
  const [, run, number] = SESSION.exec(value) ?? [];
  if (run === undefined) {
    const expected = 'RUN or RUN.N: letters, digits and -, and a number from 1';
    throw new Fault('INVALID_INPUT', `the session of an export: expected ${expected}`, {
      ...{ field: 'export', value, expected },
    });
  }
  return {
    name: asked.slice(0, at),
    session: { run, number: number === undefined ? undefined : Number(number) },
  };
}

/** The sessions since the service started; before that, no connection of it can be left. */
export class MachineSessions {
  readonly #endOthers: (ownerId: string) => Promise<void>;
  readonly #current = new Map<string, Current>();

  /** @param endOthers settles when nobody has the owner's overlay open, and what was accepted is done */
  constructor(endOthers: (ownerId: string) => Promise<void>) {
    this.#endOthers = endOthers;
  }

  /**
   * @returns what has to be asked once more when the disk is open
   * @throws Fault PERMISSION_DENIED: a newer session has the disk; UNAVAILABLE: an older one does not end
   */
  async enter(
    machine: { readonly machineId: string; readonly ownerId: string; readonly name: string },
    session: MachineSession | undefined,
  ): Promise<SessionTicket> {
    if (session === undefined) return ANY_TIME;
    const { machineId, ownerId, name } = machine;
    const before = this.#current.get(machineId);
    const entered = this.#admit(name, before, session) ?? {
      ...session,
      past: pastOf(before, session),
      fence: this.#fence(ownerId, before),
    };
    this.#current.set(machineId, entered);
    await entered.fence;
    return { isStale: () => this.#current.get(machineId) !== entered };
  }

  /** The machine is no more. */
  forget(machineId: string): void {
    this.#current.delete(machineId);
  }

  /** @returns the session that it belongs to; undefined: it begins one */
  #admit(
    name: string,
    current: Current | undefined,
    { run, number }: MachineSession,
  ): Current | undefined {
    if (current === undefined) return undefined;
    if (current.past.includes(run)) throw takenOver(name, run, 'another start of the machine');
    if (current.run !== run || current.number === undefined || number === undefined) {
      return undefined;
    }
    if (number < current.number) throw takenOver(name, `${run}.${number}`, 'a newer connection');
    return number === current.number ? current : undefined;
  }

  async #fence(ownerId: string, before: Current | undefined): Promise<void> {
    // One that failed let nobody in, and this one has to see to the same connections.
    await before?.fence.catch(() => undefined);
    await this.#endOthers(ownerId);
  }
}

function pastOf(before: Current | undefined, { run }: MachineSession): readonly string[] {
  if (before === undefined) return [];
  return before.run === run ? before.past : [...before.past, before.run].slice(-PAST_RUNS);
}

function takenOver(name: string, value: string, by: string): Fault {
  return new Fault('PERMISSION_DENIED', `${by} has taken ${name} over from ${value}`, {
    field: 'export',
    value,
    expected: 'the newest session of the machine',
  });
}
