/** What the script of a boot is written in: iPXE's commands or GRUB's. */
import type { MachineBootPlan } from '../boot-catalog.ts';
import type { CommandLineContext } from './kernel-command-line.ts';

export type ScriptContext = CommandLineContext;

/** Of a machine that waits until others have booted. */
export interface QueuePlace {
  readonly place: number;
  readonly waiting: number;
  readonly askAgainSeconds: number;
}

export function queuedText({ place, waiting }: QueuePlace): string {
  return `Rootcast: other machines boot now, and this one is number ${place} of ${waiting} that wait`;
}

/**
 * Every path through a script ends in a booted system or comes back to the server after a pause: a machine
 * in a rack has nobody who presses a key.
 */
export interface ScriptLanguage {
  /** @throws Fault INVALID_INPUT or LIMIT_EXCEEDED for a plan that cannot be put on a command line */
  boot(plan: MachineBootPlan, context: ScriptContext): string;
  /** Says its place, and asks again: no boot yet. */
  queued(place: QueuePlace, context: ScriptContext): string;
  localDisk(reason: string, context: ScriptContext): string;
  /** Says so, and asks again. */
  error(message: string, context: ScriptContext): string;
}
