/**
 * iPXE scripts, as text. Pure. Every path through them ends in a booted system or comes back to the
 * server after a pause: a machine in a rack has nobody who presses a key.
 *
 * `chain --replace` takes the place of the running script, so that trying for days nests nothing.
 */

import type { MachineBootPlan } from '../boot-catalog.ts';
import { fileUrl, scriptUrl } from '../boot-urls.ts';
import { SCRIPT_RETRY_SECONDS } from '../limits.ts';
import { INITRD_NAME, kernelCommandLine } from './kernel-command-line.ts';
import { screenText } from './screen-text.ts';
import {
  type QueuePlace,
  queuedText,
  type ScriptContext,
  type ScriptLanguage,
} from './script-language.ts';

export const IPXE_SCRIPT: ScriptLanguage = {
  boot: machineScript,
  queued: queuedScript,
  localDisk: localDiskScript,
  error: errorScript,
};

/** @throws Fault INVALID_INPUT or LIMIT_EXCEEDED for a plan that cannot be put on a command line */
export function machineScript(plan: MachineBootPlan, context: ScriptContext): string {
  const { baseUrl, mac } = context;
  const { layerId } = plan;
  const commandLine = kernelCommandLine(plan, context);
  const kernel = fileUrl(baseUrl, { mac, layerId, role: 'kernel' });
  const initrd = fileUrl(baseUrl, { mac, layerId, role: 'initrd' });
  return script([
    `echo ${screenText(`Rootcast: ${plan.machine} boots ${plan.vdisk}, version ${plan.version}`)}`,
    'imgfree',
    `kernel --name kernel ${kernel} ${commandLine} || goto failed`,
    ...(plan.hasInitrd ? [`initrd --name ${INITRD_NAME} ${initrd} || goto failed`] : []),
    'boot || goto failed',
    ':failed',
    'echo Rootcast: the boot failed, see the message above',
    ...tryAgain(context),
  ]);
}

/**
 * BIOS: the first disk, through its boot sector. UEFI: back to the firmware, which goes on with its
 * boot order; with success it would show its menu instead (UEFI 2.10 §3.1.1), hence the 1.
 */
export function localDiskScript(reason: string, context: ScriptContext): string {
  return script([
    `echo ${screenText(`Rootcast: ${context.mac}: ${reason}`)}`,
    'echo Rootcast: booting from the local disk',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: iPXE expands it
    'iseq ${platform} efi && goto efi ||',
    'sanboot --no-describe --drive 0x80 || goto failed',
    ':failed',
    'echo Rootcast: there is no local disk that boots',
    ...tryAgain(context),
    ':efi',
    'sleep 3',
    'exit 1',
  ]);
}

/** `text` goes on the screen; nothing of the machine's state changes until it is let boot. */
export function queuedScript(queued: QueuePlace, { baseUrl, mac, network }: ScriptContext): string {
  return script([
    `echo ${screenText(queuedText(queued))}`,
    ':wait',
    `sleep ${queued.askAgainSeconds}`,
    // A server that does not answer for a moment is asked again, as long as the place is kept and longer.
    `chain --replace --autofree ${scriptUrl(baseUrl, mac, network)} || goto wait`,
  ]);
}

export function errorScript(message: string, context: ScriptContext): string {
  return script([
    ':failed',
    `echo ${screenText(`Rootcast: ${context.mac} cannot boot: ${message}`)}`,
    ...tryAgain(context),
  ]);
}

function tryAgain({ baseUrl, mac, network }: ScriptContext): readonly string[] {
  return [
    `echo Rootcast: trying again in ${SCRIPT_RETRY_SECONDS} seconds`,
    `sleep ${SCRIPT_RETRY_SECONDS}`,
    `chain --replace --autofree ${scriptUrl(baseUrl, mac, network)} || goto failed`,
  ];
}

function script(lines: readonly string[]): string {
  return `${['#!ipxe', ...lines].join('\n')}\n`;
}
