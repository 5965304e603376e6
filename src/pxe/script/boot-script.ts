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
import {
  BOOT_FAILED_TEXT,
  bootText,
  errorText,
  LOCAL_DISK_TEXT,
  NO_LOCAL_DISK_TEXT,
  type QueuePlace,
  queuedText,
  RETRY_TEXT,
  reasonText,
  type ScriptContext,
  type ScriptLanguage,
} from './script-language.ts';

export const IPXE_SCRIPT: ScriptLanguage = {
  boot(plan: MachineBootPlan, context: ScriptContext): string {
    const { baseUrl, mac } = context;
    const { layerId } = plan;
    const commandLine = kernelCommandLine(plan, context);
    const kernel = fileUrl(baseUrl, { mac, layerId, role: 'kernel' });
    const initrd = fileUrl(baseUrl, { mac, layerId, role: 'initrd' });
    return script([
      `echo ${bootText(plan)}`,
      'imgfree',
      `kernel --name kernel ${kernel} ${commandLine} || goto failed`,
      ...(plan.hasInitrd ? [`initrd --name ${INITRD_NAME} ${initrd} || goto failed`] : []),
      'boot || goto failed',
      ':failed',
      `echo ${BOOT_FAILED_TEXT}`,
      ...tryAgain(context),
    ]);
  },

  queued(queued: QueuePlace, { baseUrl, mac, network }: ScriptContext): string {
    return script([
      `echo ${queuedText(queued)}`,
      ':wait',
      `sleep ${queued.askAgainSeconds}`,
      // A server that does not answer for a moment is asked again, as long as the place is kept and longer.
      `chain --replace --autofree ${scriptUrl(baseUrl, mac, network)} || goto wait`,
    ]);
  },

  /**
   * BIOS: the first disk, through its boot sector. UEFI: back to the firmware, which goes on with its
   * boot order; with success it would show its menu instead (UEFI 2.10 §3.1.1), hence the 1.
   */
  localDisk(reason: string, context: ScriptContext): string {
    return script([
      `echo ${reasonText(reason, context)}`,
      `echo ${LOCAL_DISK_TEXT}`,
      // biome-ignore lint/suspicious/noTemplateCurlyInString: iPXE expands it
      'iseq ${platform} efi && goto efi ||',
      'sanboot --no-describe --drive 0x80 || goto failed',
      ':failed',
      `echo ${NO_LOCAL_DISK_TEXT}`,
      ...tryAgain(context),
      ':efi',
      'sleep 3',
      'exit 1',
    ]);
  },

  error(message: string, context: ScriptContext): string {
    return script([':failed', `echo ${errorText(message, context)}`, ...tryAgain(context)]);
  },
};

function tryAgain({ baseUrl, mac, network }: ScriptContext): readonly string[] {
  return [
    `echo ${RETRY_TEXT}`,
    `sleep ${SCRIPT_RETRY_SECONDS}`,
    `chain --replace --autofree ${scriptUrl(baseUrl, mac, network)} || goto failed`,
  ];
}

function script(lines: readonly string[]): string {
  return `${['#!ipxe', ...lines].join('\n')}\n`;
}
