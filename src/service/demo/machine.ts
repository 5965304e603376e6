/**
 * A QEMU machine on a bridge of a NetworkNamespace: network boot by the iPXE ROM (BIOS) or by OVMF
 * (UEFI), no disk of its own, a serial console that can be read and typed at.
 */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BackgroundProcess } from './background-process.ts';
import { findOvmf } from './machine-needs.ts';
import type { NetworkNamespace } from './namespace.ts';
import { SerialConsole } from './serial-console.ts';

export type Firmware = 'bios' | 'uefi';

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
}

export class Machine {
  readonly console: SerialConsole;
  readonly mac: string;
  readonly #child: BackgroundProcess;

  private constructor(mac: string, child: BackgroundProcess) {
    this.mac = mac;
    this.#child = child;
    this.console = new SerialConsole(child.process);
  }

  static async start(options: MachineOptions): Promise<Machine> {
    const { network } = options;
    const command: [string, ...string[]] = [
      'qemu-system-x86_64',
      ...(await firmwareArguments(options)),
      ...['-accel', 'tcg,thread=single', '-cpu', 'qemu64,-svm', '-smp', '1'],
      ...['-m', String(options.memoryMiB), '-nodefaults', '-nographic'],
      ...['-serial', 'stdio', '-monitor', 'none', '-device', 'virtio-rng-pci,romfile='],
      ...['-netdev', network === 'user' ? 'user,id=boot' : await tapNetwork(network)],
      ...['-device', networkCard(options)],
      ...bootArguments(options),
      ...(options.disks ?? []).flatMap((path) => ['-drive', `file=${path},format=raw,if=virtio`]),
    ];
    const child = network === 'user' ? BackgroundProcess.start(command) : network.start(command);
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
  const ovmf = findOvmf();
  if (ovmf === undefined) throw new Error('OVMF is not installed (Debian package ovmf)');
  const variables = join(options.folder, `${options.mac.replaceAll(':', '')}-vars.fd`);
  await copyFile(ovmf.variables, variables);
  return [
    ...['-machine', 'q35'],
    ...['-drive', `if=pflash,format=raw,unit=0,readonly=on,file=${ovmf.code}`],
    ...['-drive', `if=pflash,format=raw,unit=1,file=${variables}`],
    // Without these OVMF spends minutes asking for IPv6 addresses and HTTP boot servers.
    ...['-fw_cfg', 'name=opt/org.tianocore/IPv6Support,string=n'],
    ...['-fw_cfg', 'name=opt/org.tianocore/IPv6PXESupport,string=n'],
  ];
}

function networkCard(options: MachineOptions): string {
  const card = `virtio-net-pci,netdev=boot,mac=${options.mac}`;
  // BIOS boots by the card's own ROM, which is iPXE; OVMF has its own driver and needs none.
  if (options.direct === undefined && options.firmware === 'bios') return `${card},bootindex=1`;
  return options.direct === undefined ? `${card},romfile=,bootindex=1` : `${card},romfile=`;
}

function bootArguments(options: MachineOptions): string[] {
  const { direct } = options;
  if (direct === undefined) return [];
  return ['-kernel', direct.kernel, '-initrd', direct.initrd, '-append', direct.append];
}
