/** What the script of a boot is written in, iPXE's commands or GRUB's, and what both say on the screen. */
import type { MachineBootPlan } from '../boot-catalog.ts';
import { SCRIPT_RETRY_SECONDS } from '../limits.ts';
import type { CommandLineContext } from './kernel-command-line.ts';
import { screenText } from './screen-text.ts';

export type ScriptContext = CommandLineContext;

/** Of a machine that waits until others have booted. */
export interface QueuePlace {
  readonly place: number;
  readonly waiting: number;
  readonly askAgainSeconds: number;
}

export const BOOT_FAILED_TEXT = 'Rootcast: the boot failed, see the message above';
export const LOCAL_DISK_TEXT = 'Rootcast: booting from the local disk';
export const NO_LOCAL_DISK_TEXT = 'Rootcast: there is no local disk that boots';
export const RETRY_TEXT = `Rootcast: trying again in ${SCRIPT_RETRY_SECONDS} seconds`;

export function bootText({ machine, vdisk, version }: MachineBootPlan): string {
  return screenText(`Rootcast: ${machine} boots ${vdisk}, version ${version}`);
}

export function queuedText({ place, waiting }: QueuePlace): string {
  return screenText(
    `Rootcast: other machines boot now, and this one is number ${place} of ${waiting} that wait`,
  );
}

/** Why it does not boot from here. */
export function reasonText(reason: string, { mac }: Pick<ScriptContext, 'mac'>): string {
  return screenText(`Rootcast: ${mac}: ${reason}`);
}

export function errorText(message: string, { mac }: Pick<ScriptContext, 'mac'>): string {
  return screenText(`Rootcast: ${mac} cannot boot: ${message}`);
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
