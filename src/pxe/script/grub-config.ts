/**
 * What GRUB runs, for machines with Secure Boot: the one file that it begins with, and a machine's own, in
 * the place of an iPXE script. Pure.
 *
 * - GRUB reads `$prefix/grub.cfg`, its prefix being `(tftp,SERVER)/grub` or `(http,SERVER)/grub`: the
 *   device that it came from itself. That is also `$root`, so names without a device stay on it, and a
 *   GRUB without HTTP (Debian 12's signed one) fetches everything by TFTP.
 * - The first file does the trying again, so that a machine's own only has to end.
 * - `exit` would tell the firmware that all went well, and it would show its menu instead of going on
 *   with its boot order; so the local disk's own loader is looked for here.
 */
import type { MachineBootPlan } from '../boot-catalog.ts';
import { filePath, grubConfigPath } from '../boot-urls.ts';
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

/**
 * On the EFI system partition, in the order they are tried: those of installed systems, then the one for
 * removable media, which systems write as their spare.
 */
const LOCAL_LOADERS = [
  '/EFI/Microsoft/Boot/bootmgfw.efi',
  ...['debian', 'ubuntu', 'redhat', 'fedora', 'centos', 'rocky', 'almalinux', 'opensuse'].map(
    (system) => `/EFI/${system}/shimx64.efi`,
  ),
  '/EFI/BOOT/BOOTX64.EFI',
  '/EFI/BOOT/BOOTAA64.EFI',
] as const;

/** The same for every machine: fetches the machine's own, which is a boot, for ever. */
export const GRUB_START = config([
  'set pager=0',
  'while true; do',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: GRUB expands it
  `  source ${grubConfigPath('${net_default_mac}')}`,
  `  echo ${quoted(RETRY_TEXT)}`,
  `  sleep ${SCRIPT_RETRY_SECONDS}`,
  'done',
]);

export const GRUB_CONFIG: ScriptLanguage = {
  boot(plan: MachineBootPlan, context: ScriptContext): string {
    const { mac } = context;
    const { layerId } = plan;
    const kernel = filePath({ mac, layerId, role: 'kernel' });
    const initrd = filePath({ mac, layerId, role: 'initrd' });
    // GRUB hands the initrd over by itself; the kernel would look for a file of that name, and stop.
    const words = kernelCommandLine(plan, context)
      .split(' ')
      .filter((word) => word !== `initrd=${INITRD_NAME}`)
      .map(quoted);
    return config([
      `echo ${quoted(bootText(plan))}`,
      `if linux ${[kernel, ...words].join(' ')}; then`,
      ...(plan.hasInitrd ? [`  if initrd ${initrd}; then`, '    boot', '  fi'] : ['  boot']),
      'fi',
      `echo ${quoted(BOOT_FAILED_TEXT)}`,
    ]);
  },

  queued(queued: QueuePlace): string {
    // The first file waits too, before it asks again.
    const seconds = Math.max(0, queued.askAgainSeconds - SCRIPT_RETRY_SECONDS);
    return config([`echo ${quoted(queuedText(queued))}`, `sleep ${seconds}`]);
  },

  localDisk(reason: string, context: ScriptContext): string {
    return config([
      `echo ${quoted(reasonText(reason, context))}`,
      `echo ${quoted(LOCAL_DISK_TEXT)}`,
      'set server=$root',
      // With another root the loader would be told that it came from the network, and look there for its own.
      ...LOCAL_LOADERS.flatMap((loader) => [
        `if search --no-floppy --file --set=root ${loader}; then`,
        `  if chainloader ${loader}; then`,
        '    boot',
        '  fi',
        'fi',
      ]),
      'set root=$server',
      `echo ${quoted(NO_LOCAL_DISK_TEXT)}`,
    ]);
  },

  error(message: string, context: ScriptContext): string {
    return config([`echo ${quoted(errorText(message, context))}`]);
  },
};

/** One word, whatever is in it: between single quotes GRUB's shell, like any, takes everything as it is. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

function config(lines: readonly string[]): string {
  return `${lines.join('\n')}\n`;
}
