/**
 * One image for CD, DVD and USB, for BIOS and UEFI, with Secure Boot or without, put together the way Debian's
 * own installer images are: ISOLINUX with a hybrid boot sector for BIOS, a FAT file system for UEFI.
 *
 *   /isolinux/           ISOLINUX, which loads iPXE (its own drivers of network cards) and its script
 *   /efi.img             FAT: EFI/BOOT/ with shim and GRUB as Debian and Microsoft have signed them
 *   /grub/grub.cfg       what GRUB runs, also in efi.img: from a CD its prefix is here, from USB there
 */
import { copyFile, mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from '../../base/index.ts';
import { Fault } from '../../errors/index.ts';
import {
  ISOLINUX_CONFIG,
  type MediumOptions,
  mediumGrubConfig,
  mediumIpxeScript,
} from '../../pxe/index.ts';
import { EFI_IMAGE_BYTES, MEDIUM_TOOL_MS, MEDIUM_TOOL_OUTPUT_BYTES } from './limits.ts';
import {
  MEDIUM_PROGRAMS,
  type MediumFile,
  type MediumProgram,
  mediumFiles,
  missingPackages,
} from './medium-parts.ts';

type Run = (program: MediumProgram, ...args: readonly string[]) => Promise<void>;
type Files = Readonly<Record<MediumFile, string>>;

/**
 * @param take reads the finished image, which is removed when it returns
 * @throws Fault TOOL_MISSING, CANCELLED, INTERNAL
 */
export async function buildMedium<T>(
  options: MediumOptions,
  signal: AbortSignal,
  take: (path: string) => Promise<T>,
): Promise<T> {
  const files = await mediumFiles();
  const folder = await mkdtemp(join(tmpdir(), 'rootcast-medium-'));
  try {
    const run = runner(signal);
    const tree = join(folder, 'tree');
    await biosPart(tree, files, options);
    await efiPart({ tree, folder, run }, files, options);
    const image = join(folder, 'boot.iso');
    await writeImage(image, tree, files, run);
    return await take(image);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function biosPart(tree: string, files: Files, options: MediumOptions): Promise<void> {
  const folder = join(tree, 'isolinux');
  await mkdir(folder, { recursive: true });
  await copyFile(files.isolinux, join(folder, 'isolinux.bin'));
  await copyFile(files.ldlinux, join(folder, 'ldlinux.c32'));
  await copyFile(files.ipxe, join(folder, 'ipxe.krn'));
  await writeFile(join(folder, 'isolinux.cfg'), ISOLINUX_CONFIG);
  await writeFile(join(folder, 'boot.ipx'), mediumIpxeScript(options));
}

async function efiPart(
  { tree, folder, run }: { readonly tree: string; readonly folder: string; readonly run: Run },
  files: Files,
  options: MediumOptions,
): Promise<void> {
  await mkdir(join(tree, 'grub'), { recursive: true });
  const config = join(tree, 'grub', 'grub.cfg');
  await writeFile(config, mediumGrubConfig(options));
  const image = join(folder, 'efi.img');
  await using file = await open(image, 'wx');
  await file.truncate(EFI_IMAGE_BYTES);
  await run('mkfs.vfat', '-n', 'ROOTCAST', image);
  await run('mmd', '-i', image, '::/EFI', '::/EFI/BOOT', '::/grub');
  await run('mcopy', '-i', image, files.shim, '::/EFI/BOOT/BOOTX64.EFI');
  await run('mcopy', '-i', image, files.grub, '::/EFI/BOOT/grubx64.efi');
  await run('mcopy', '-i', image, config, '::/grub/grub.cfg');
  await copyFile(image, join(tree, 'efi.img'));
}

async function writeImage(image: string, tree: string, files: Files, run: Run): Promise<void> {
  await run(
    'xorriso',
    ...['-as', 'mkisofs', '-quiet', '-V', 'ROOTCAST', '-o', image],
    ...[
      '-isohybrid-mbr',
      files.hybridMbr,
      '-c',
      'isolinux/boot.cat',
      '-b',
      'isolinux/isolinux.bin',
    ],
    ...['-no-emul-boot', '-boot-load-size', '4', '-boot-info-table'],
    ...['-eltorito-alt-boot', '-e', 'efi.img', '-no-emul-boot', '-isohybrid-gpt-basdat'],
    tree,
  );
}

function runner(signal: AbortSignal): Run {
  return async (program, ...args) => {
    const end = await runProgram(program, args, {
      timeoutMs: MEDIUM_TOOL_MS,
      outputBytes: MEDIUM_TOOL_OUTPUT_BYTES,
      // mkfs.vfat is in sbin, where not every user's PATH leads.
      env: { LC_ALL: 'C', PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
      signal,
    });
    switch (end.outcome) {
      case 'missing':
        throw missingPackages([MEDIUM_PROGRAMS[program]]);
      case 'killed':
        if (end.why === 'aborted') throw new Fault('CANCELLED', 'nobody waits for the medium');
        throw new Fault('INTERNAL', `${program} was killed (${end.why}): ${end.stderr}`);
      case 'exited':
        if (end.code !== 0) throw new Fault('INTERNAL', `${program} failed: ${end.stderr}`);
    }
  };
}
