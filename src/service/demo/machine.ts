/**
 * A QEMU machine on a bridge of a NetworkNamespace: network boot by the iPXE ROM (BIOS) or by OVMF
 * (UEFI), no disk of its own unless it is given one, two serial ports that can be read and typed at.
 */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BackgroundProcess, CHANNEL } from './background-process.ts';
import { findOvmf } from './machine-needs.ts';
import type { NetworkNamespace } from './namespace.ts';
import { SerialConsole } from './serial-console.ts';

/**
 * Arguments of a kernel in an emulated machine with a serial console. Its check of the timer counts ticks, which such a
 * machine loses on a busy host: it would panic. It need not be protected from its processor, nor zero memory twice; both
 * together are a sixth of the work of a boot.
 */
export const EMULATED_KERNEL_ARGUMENTS =
  'console=ttyS0 quiet no_timer_check mitigations=off init_on_alloc=0';

/** `uefi-secure`: Secure Boot is on, with Microsoft's keys; `uefi-http`: it boots by HTTP and not by PXE. */
export type Firmware = 'bios' | 'uefi' | 'uefi-secure' | 'uefi-http';

/** A raw image that it may boot from. It is written to only as a `disk`. */
export interface Drive {
  readonly path: string;
  readonly as: 'disk' | 'cdrom' | 'usb';
  /** Before the network, or after it. */
  readonly boots: 'first' | 'last';
}

export interface MachineOptions {
  /** The namespace whose bridge it is plugged into, or QEMU's own network with us at 10.0.2.2. */
  readonly network: NetworkNamespace | 'user';
  readonly firmware: Firmware;
  /** Six hex pairs with colons. */
  readonly mac: string;
  /** Folder for the machine's own files (UEFI variables). */
  readonly folder: string;
  readonly memoryMiB: number;
  /** Boot this kernel at once instead of asking the network. */
  readonly direct?: { readonly kernel: string; readonly initrd: string; readonly append: string };
  /** Raw files that are its local disks (virtio: vda, vdb …). */
  readonly disks?: readonly string[];
  readonly drive?: Drive;
  /** true: the firmware does not boot from the network, by no ROM and no driver. */
  readonly noNetworkBoot?: boolean;
}

export class Machine {
  /** Its first serial port, where firmware, boot loader, kernel and whoever else likes to say something. */
  readonly console: SerialConsole;
  /** Its second one: in the demo image a root shell (debian-recipe.ts), whose answers nobody talks into. */
  readonly shell: SerialConsole;
  readonly mac: string;
  readonly #child: BackgroundProcess;

  private constructor(mac: string, child: BackgroundProcess) {
    this.mac = mac;
    this.#child = child;
    const { stdin, stdout, stderr } = child.process;
    this.console = new SerialConsole(child.process, [stdout, stderr], stdin);
    this.shell = new SerialConsole(child.process, [child.channel], child.channel);
  }

  static async start(options: MachineOptions): Promise<Machine> {
    const { network } = options;
    const command: [string, ...string[]] = [
      'qemu-system-x86_64',
      ...(await firmwareArguments(options)),
      ...['-accel', 'tcg,thread=single', '-cpu', 'qemu64,-svm', '-smp', '1'],
      ...['-m', String(options.memoryMiB), '-nodefaults', '-nographic'],
      ...[
        '-serial',
        'stdio',
        '-chardev',
        `socket,id=shell,fd=${CHANNEL}`,
        '-serial',
        'chardev:shell',
      ],
      ...['-monitor', 'none', '-device', 'virtio-rng-pci,romfile='],
      ...['-netdev', network === 'user' ? 'user,id=boot' : await tapNetwork(network)],
      ...['-device', networkCard(options)],
      ...driveArguments(options.drive),
      ...bootArguments(options),
      ...(options.disks ?? []).flatMap((path) => ['-drive', `file=${path},format=raw,if=virtio`]),
    ];
    const how = { channel: true };
    const child =
      network === 'user' ? BackgroundProcess.start(command, how) : network.start(command, how);
    return new Machine(options.mac, child);
  }

  get running(): boolean {
    return this.#child.running;
  }

  /** Pulls the plug. */
  kill(): Promise<void> {
    return this.#child.kill();
  }

  /** Resolves when the machine has turned itself off. */
  async off(timeoutMs: number): Promise<void> {
    if (!this.running) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error('the machine is still on')), timeoutMs);
    this.#child.process.once('exit', () => resolve());
    await promise.finally(() => clearTimeout(timer));
  }
}

async function tapNetwork(namespace: NetworkNamespace): Promise<string> {
  return `tap,id=boot,ifname=${await namespace.addTap()},script=no,downscript=no`;
}

async function firmwareArguments(options: MachineOptions): Promise<string[]> {
  if (options.firmware === 'bios') return ['-machine', 'pc'];
  const isSecure = options.firmware === 'uefi-secure';
  const ovmf = findOvmf(isSecure);
  if (ovmf === undefined) throw new Error('OVMF is not installed (Debian package ovmf)');
  const variables = join(options.folder, `${options.mac.replaceAll(':', '')}-vars.fd`);
  await copyFile(ovmf.variables, variables);
  return [
    // The variables of Secure Boot are only safe where system management mode alone may write them.
    ...(isSecure ? ['-machine', 'q35,smm=on'] : ['-machine', 'q35']),
    ...(isSecure ? ['-global', 'driver=cfi.pflash01,property=secure,value=on'] : []),
    ...(isSecure ? ['-global', 'ICH9-LPC.disable_s3=1'] : []),
    ...['-drive', `if=pflash,format=raw,unit=0,readonly=on,file=${ovmf.code}`],
    ...['-drive', `if=pflash,format=raw,unit=1,file=${variables}`],
    // Without these OVMF spends minutes asking for IPv6 addresses and HTTP boot servers.
    ...['-fw_cfg', 'name=opt/org.tianocore/IPv6Support,string=n'],
    ...['-fw_cfg', 'name=opt/org.tianocore/IPv6PXESupport,string=n'],
    ...(options.firmware === 'uefi-http'
      ? ['-fw_cfg', 'name=opt/org.tianocore/IPv4PXESupport,string=n']
      : []),
  ];
}

function driveArguments(drive: Drive | undefined): string[] {
  if (drive === undefined) return [];
  const { path, as, boots } = drive;
  const order = `bootindex=${boots === 'first' ? 0 : 2}`;
  const image = `file=${path},format=raw,if=none,id=drive${as === 'disk' ? '' : ',readonly=on'}`;
  switch (as) {
    case 'disk':
      return ['-drive', image, '-device', `virtio-blk-pci,drive=drive,${order}`];
    case 'cdrom':
      return [
        ...['-drive', `${image},media=cdrom`, '-device', 'ahci,id=ahci'],
        ...['-device', `ide-cd,bus=ahci.0,drive=drive,${order}`],
      ];
    case 'usb':
      return [
        ...['-drive', image, '-device', 'qemu-xhci'],
        ...['-device', `usb-storage,drive=drive,${order}`],
      ];
  }
}

function networkCard(options: MachineOptions): string {
  const card = `virtio-net-pci,netdev=boot,mac=${options.mac}`;
  if (options.noNetworkBoot === true) return `${card},romfile=`;
  // BIOS boots by the card's own ROM, which is iPXE; OVMF has its own driver and needs none.
  if (options.direct === undefined && options.firmware === 'bios') return `${card},bootindex=1`;
  return options.direct === undefined ? `${card},romfile=,bootindex=1` : `${card},romfile=`;
}

function bootArguments(options: MachineOptions): string[] {
  const { direct } = options;
  if (direct === undefined) return [];
  return ['-kernel', direct.kernel, '-initrd', direct.initrd, '-append', direct.append];
}
