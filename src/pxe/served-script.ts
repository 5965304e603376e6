/** Names of scripts, the same for TFTP and HTTP: a machine's own by its loader, and what GRUB begins with. */
import { BOOT_PATH, GRUB_START_PATHS } from './boot-urls.ts';
import { parseMac } from './mac-address.ts';
import { parseStaticSuffix, type StaticNetwork } from './static-network.ts';

/** What a machine's script is written in. */
export type ScriptKind = 'ipxe' | 'grub';

export type ServedScript =
  | {
      readonly kind: 'machine';
      readonly mac: string;
      readonly language: ScriptKind;
      /** undefined: by DHCP. */
      readonly network?: StaticNetwork;
    }
  /** GRUB's first file, the same for all. */
  | { readonly kind: 'grub-start' };

const OF_MACHINE = /^([0-9A-Fa-f:-]{12,17})(\+[0-9.+none]{1,60})?\.(ipxe|grub)$/;

/** @param path with its leading slash; undefined: no script's */
export function servedScript(path: string): ServedScript | undefined {
  if (GRUB_START_PATHS.includes(path) || GRUB_START_PATHS.includes(withoutFolder(path))) {
    return { kind: 'grub-start' };
  }
  const [, address = '', suffix, loader] = OF_MACHINE.exec(withoutFolder(path).slice(1)) ?? [];
  const mac = parseMac(address);
  if (mac === undefined) return undefined;
  const wanted = { kind: 'machine', mac, language: loader === 'grub' ? 'grub' : 'ipxe' } as const;
  if (suffix === undefined) return wanted;
  const network = parseStaticSuffix(suffix);
  return network === undefined ? undefined : { ...wanted, network };
}

function withoutFolder(path: string): string {
  return path.startsWith(`${BOOT_PATH}/`) ? path.slice(BOOT_PATH.length) : path;
}
