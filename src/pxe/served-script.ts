/** Names of scripts, the same for TFTP and HTTP: a machine's own by its loader, and what GRUB begins with. */
import { BOOT_PATH, GRUB_START_PATHS } from './boot-urls.ts';
import { parseMac } from './mac-address.ts';

/** What a machine's script is written in. */
export type ScriptKind = 'ipxe' | 'grub';

export type ServedScript =
  | { readonly kind: 'machine'; readonly mac: string; readonly language: ScriptKind }
  /** GRUB's first file, the same for all. */
  | { readonly kind: 'grub-start' };

const OF_MACHINE = /^([0-9A-Fa-f:-]{12,17})\.(ipxe|grub)$/;

/** @param path with its leading slash; undefined: no script's */
export function servedScript(path: string): ServedScript | undefined {
  if (GRUB_START_PATHS.includes(path) || GRUB_START_PATHS.includes(withoutFolder(path))) {
    return { kind: 'grub-start' };
  }
  const match = OF_MACHINE.exec(withoutFolder(path).slice(1));
  const mac = match?.[1] === undefined ? undefined : parseMac(match[1]);
  if (mac === undefined) return undefined;
  return { kind: 'machine', mac, language: match?.[2] === 'grub' ? 'grub' : 'ipxe' };
}

function withoutFolder(path: string): string {
  return path.startsWith(`${BOOT_PATH}/`) ? path.slice(BOOT_PATH.length) : path;
}
