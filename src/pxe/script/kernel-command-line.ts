/**
 * The kernel's command line: root over NBD, spelled for the initramfs that the image has, then the
 * arguments of the vDisk and the machine. Everything is checked here, for a name or an argument must
 * never become another word of the command line or another command of the script.
 */
import { Fault } from '../../errors/index.ts';
import type { MachineBootPlan } from '../boot-catalog.ts';
import { BOOT_PATH } from '../boot-urls.ts';
import { MAX_KERNEL_COMMAND_LINE_BYTES } from '../limits.ts';
import { hyphenated } from '../mac-address.ts';
import type { StaticNetwork } from '../static-network.ts';

/** Also the name of an NBD export and, for dracut and initramfs-tools, a word without `,` and `:`. */
const MACHINE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
/** One part of a path. */
export const LAYER_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const ROOT_PARTITION = /^(p[1-9][0-9]{0,2})?$/;
const FILESYSTEM = /^[a-z0-9]{1,16}$/;
/** One printable word that iPXE neither expands nor takes for the end of a command. */
const ARGUMENT = /^[!-~]+$/;
const IPXE_SPECIAL = /[$\\]|^(\|\||&&|;|#)$/;

/** What the initrd is called in memory; UEFI kernels look it up by this argument. */
export const INITRD_NAME = 'initrd.img';

export interface NbdServer {
  /** Dotted quad. */
  readonly address: string;
  readonly port: number;
}

export interface CommandLineContext {
  readonly mac: string;
  readonly nbd: NbdServer;
  /** Of the boot server, as in boot-urls.ts. */
  readonly baseUrl: string;
  /** What its boot medium has given it; absent: it asks DHCP. */
  readonly network?: StaticNetwork;
}

/** @throws Fault INVALID_INPUT naming the field, LIMIT_EXCEEDED for a line longer than the kernel's */
export function kernelCommandLine(plan: MachineBootPlan, context: CommandLineContext): string {
  const { mac, nbd, baseUrl, network } = context;
  checkPlan(plan);
  const words = [
    ...(plan.hasInitrd ? [`initrd=${INITRD_NAME}`] : []),
    ...rootWords(plan, nbd),
    ...diskWords(plan, nbd, baseUrl),
    // Only the card that booted is configured: with several, `ip=dhcp` alone tries them in turn.
    ...(network === undefined ? ['ip=dhcp'] : staticWords(plan, mac, network)),
    `BOOTIF=01-${hyphenated(mac)}`,
    ...plan.kernelArguments.flatMap(argumentWords),
  ];
  const line = words.join(' ');
  if (line.length > MAX_KERNEL_COMMAND_LINE_BYTES) {
    throw new Fault(
      'LIMIT_EXCEEDED',
      `the kernel command line has ${line.length} bytes, more than ${MAX_KERNEL_COMMAND_LINE_BYTES}`,
      { field: 'machine.kernelArguments' },
    );
  }
  return line;
}

/** Documentation/admin-guide/nfs/nfsroot.rst of the kernel, which both initramfses follow. */
function staticWords(
  { initramfs }: MachineBootPlan,
  mac: string,
  { address, netmask, router = '' }: StaticNetwork,
): readonly string[] {
  const given = `ip=${address}::${router}:${netmask}:`;
  switch (initramfs) {
    // Without a card's name all cards get the address: the names are not known here.
    case 'initramfs-tools':
      return [`${given}::off`];
    case 'dracut':
      return [`${given}:bootnet:off`, `ifname=bootnet:${mac}`];
  }
}

function rootWords(plan: MachineBootPlan, nbd: NbdServer): readonly string[] {
  const { address, port } = nbd;
  const name = `machine/${plan.machine}`;
  const device = `/dev/nbd0${plan.rootPartition}`;
  switch (plan.initramfs) {
    case 'initramfs-tools':
      // nbd-client's scripts/local-top/nbd: strips the partition for nbd-client by itself.
      return [
        `root=${device}`,
        `nbdroot=${address}:${port}/${name}`,
        ...(plan.rootFilesystem === undefined ? [] : [`rootfstype=${plan.rootFilesystem}`]),
      ];
    case 'dracut': {
      // 95nbd takes a name in place of the port and then cannot be told the port. But options come
      // last and go to nbd-client as they are, so the name travels as its option -N.
      const server = `nbd:${address}:${port}:${plan.rootFilesystem ?? ''}::-N,${name}`;
      return plan.rootPartition === ''
        ? [`root=${server}`, 'rd.neednet=1']
        : [`root=${device}`, `netroot=${server}`, 'rd.neednet=1'];
    }
  }
}

/** For an image with our own hooks (boot/lib), which take the disk in place of what `rootWords` asks for. */
function diskWords(plan: MachineBootPlan, nbd: NbdServer, baseUrl: string): readonly string[] {
  return [
    `rootcast.server=${nbd.address}:${nbd.port}`,
    `rootcast.export=machine/${plan.machine}`,
    `rootcast.url=${baseUrl}${BOOT_PATH}`,
  ];
}

function checkPlan(plan: MachineBootPlan): void {
  const { machine, layerId, rootPartition, rootFilesystem } = plan;
  if (!MACHINE_NAME.test(machine)) throw invalid('machine.name', machine, 'letters, digits, . _ -');
  if (!LAYER_ID.test(layerId)) throw invalid('layerId', layerId, 'letters, digits, . _ -');
  if (!ROOT_PARTITION.test(rootPartition)) {
    throw invalid('vdisk.rootPartition', rootPartition, 'p1 … p999, or nothing');
  }
  if (rootFilesystem !== undefined && !FILESYSTEM.test(rootFilesystem)) {
    throw invalid('vdisk.rootFilesystem', rootFilesystem, 'the name of a file system');
  }
}

function argumentWords(argument: string): readonly string[] {
  const words = argument.split(' ').filter((word) => word !== '');
  for (const word of words) {
    if (!ARGUMENT.test(word) || IPXE_SPECIAL.test(word)) {
      throw invalid('kernelArguments', word, 'printable ASCII without $, \\, and not || && ; #');
    }
  }
  return words;
}

function invalid(field: string, value: unknown, expected: string): Fault {
  return new Fault('INVALID_INPUT', `${field}: expected ${expected}`, { field, value, expected });
}
