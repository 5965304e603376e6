/** What the script of a boot is written in: iPXE's commands or GRUB's. */
import type { MachineBootPlan } from '../boot-catalog.ts';
import type { CommandLineContext } from './kernel-command-line.ts';

export type ScriptContext = CommandLineContext;

/**
 * Every path through a script ends in a booted system or comes back to the server after a pause: a machine
 * in a rack has nobody who presses a key.
 */
export interface ScriptLanguage {
  /** @throws Fault INVALID_INPUT or LIMIT_EXCEEDED for a plan that cannot be put on a command line */
  boot(plan: MachineBootPlan, context: ScriptContext): string;
  localDisk(reason: string, context: ScriptContext): string;
  /** Says so, and asks again. */
  error(message: string, context: ScriptContext): string;
}
