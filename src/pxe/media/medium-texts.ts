/**
 * What is on a boot medium in words: the script of iPXE (BIOS), the config of GRUB (UEFI, signed or not).
 * Pure. Both look for a card that reaches one of the servers and fetch the script of the machine that has
 * its address; from there on a boot is as by PXE. They never end: a machine in a rack has nobody who
 * presses a key.
 */
import { grubConfigPath, scriptUrl } from '../boot-urls.ts';
import { MEDIUM_CARDS, SCRIPT_RETRY_SECONDS } from '../limits.ts';
import { RETRY_TEXT } from '../script/script-language.ts';
import { type StaticNetwork, staticSuffix } from '../static-network.ts';

export interface MediumServer {
  /** Dotted quad. */
  readonly host: string;
  /** Of the boot HTTP server; GRUB comes by TFTP, whose port no client asks for. */
  readonly port: number;
}

export interface MediumOptions {
  /** One at least; tried in order. */
  readonly servers: readonly MediumServer[];
  /** undefined: by DHCP, which may say nothing of booting. */
  readonly network: StaticNetwork | undefined;
}

// biome-ignore lint/suspicious/noTemplateCurlyInString: iPXE expands it
const CARD = 'net${card}';

export function mediumIpxeScript({ servers, network }: MediumOptions): string {
  const fetch = servers.map(({ host, port }) => {
    const url = scriptUrl(`http://${host}:${port}`, `\${${CARD}/mac:hexhyp}`, network);
    return `chain --replace --autofree ${url} ||`;
  });
  return lines([
    '#!ipxe',
    ':again',
    'set card:int32 0',
    ':next',
    `isset \${${CARD}/mac} || goto none`,
    ...(network === undefined
      ? [`ifconf --configurator dhcp ${CARD} || goto skip`]
      : [
          `set ${CARD}/ip ${network.address}`,
          `set ${CARD}/netmask ${network.netmask}`,
          ...(network.router === undefined ? [] : [`set ${CARD}/gateway ${network.router}`]),
          `ifopen ${CARD} || goto skip`,
        ]),
    ...fetch,
    ':skip',
    `ifclose ${CARD} ||`,
    'inc card',
    'goto next',
    ':none',
    `echo Rootcast: no card of this machine reaches ${named(servers)}`,
    `echo ${RETRY_TEXT}`,
    `sleep ${SCRIPT_RETRY_SECONDS}`,
    'goto again',
  ]);
}

/** GRUB's shell cannot put a variable into a variable's name: every card has its own lines. */
export function mediumGrubConfig(options: MediumOptions): string {
  const cards = Array.from({ length: MEDIUM_CARDS }, (_, index) => `efinet${index}`);
  return lines([
    'set pager=0',
    'while true; do',
    ...cards.flatMap((card) => grubCard(card, options)),
    `  echo 'Rootcast: no card of this machine reaches ${named(options.servers)}'`,
    `  echo '${RETRY_TEXT}'`,
    `  sleep ${SCRIPT_RETRY_SECONDS}`,
    'done',
  ]);
}

function grubCard(card: string, { servers, network }: MediumOptions): readonly string[] {
  const suffix = staticSuffix(network);
  // `net_dhcp` names what it has configured `<card>:dhcp`, some builds `<card>:dhcp0`; variables have no colons,
  // and one that there is not is nothing.
  const mac =
    network === undefined
      ? `\${net_${card}_dhcp_mac}\${net_${card}_dhcp0_mac}`
      : `\${net_${card}s_mac}`;
  return [
    ...(network === undefined
      ? [`  if net_dhcp ${card}; then`]
      : [`  if net_add_addr ${card}s ${card} ${network.address}; then`]),
    ...(network === undefined ? [] : grubRoutes(card, network)),
    ...servers.flatMap(({ host }) => [
      `    set root=tftp,${host}`,
      `    source ${grubConfigPath(`${mac}${suffix}`)}`,
    ]),
    ...(network === undefined ? [] : [`    net_del_addr ${card}s`]),
    '  fi',
  ];
}

function grubRoutes(card: string, { address, netmask, router }: StaticNetwork): readonly string[] {
  return [
    `    net_add_route ${card}l ${address}/${bitsOf(netmask)} ${card}s`,
    ...(router === undefined ? [] : [`    net_add_route ${card}r 0.0.0.0/0 gw ${router}`]),
  ];
}

function bitsOf(netmask: string): number {
  const bits = netmask
    .split('.')
    .map((part) => Number(part).toString(2).replaceAll('0', '').length);
  return bits.reduce((sum, part) => sum + part, 0);
}

/** ISOLINUX loads iPXE, and the script as its initrd. Its file names are of the 8.3 kind. */
export const ISOLINUX_CONFIG = lines([
  'DEFAULT rootcast',
  'PROMPT 0',
  'TIMEOUT 0',
  'LABEL rootcast',
  '  KERNEL ipxe.krn',
  '  INITRD boot.ipx',
]);

function named(servers: readonly MediumServer[]): string {
  return servers.map(({ host, port }) => `${host}:${port}`).join(', ');
}

function lines(all: readonly string[]): string {
  return `${all.join('\n')}\n`;
}
