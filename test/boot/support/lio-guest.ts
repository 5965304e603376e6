/**
 * LIO, the Linux kernel's own iSCSI target, in a machine of its own: fileio disks on a tmpfs, told what to do through
 * configfs (Linux: Documentation/target/scripts.rst). It is in a network of its own, where delay and loss are netem's, in the
 * machine's kernel, for what it sends and for what it receives; we reach it from outside through a relay.
 */
import { join } from 'node:path';
import {
  ensureDebianImage,
  type Machine,
  NetworkNamespace,
} from '../../../src/service/demo/index.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { startKernelGuest } from './kernel-guest.ts';

const STEP_MS = 60_000;
const TARGET = '/sys/kernel/config/target';
const PORT = 3260;
const LOAD = ['target_core_file', 'iscsi_target_mod'];
const NETEM = ['sch_netem', 'ifb', 'sch_ingress', 'act_mirred', 'cls_matchall'];

export interface LioSecrets {
  readonly user: string;
  readonly password: string;
  readonly incoming?: { readonly user: string; readonly password: string };
}

const ADDRESS = '10.77.0.2';

export class LioGuest {
  /** Where it listens, in its network. */
  readonly portals: readonly string[] = [`${ADDRESS}:${PORT}`, `${ADDRESS}:${PORT + 1}`];
  readonly namespace: NetworkNamespace;
  /** The first portal, from outside. */
  readonly outside: TcpProxy;
  readonly #machine: Machine;
  readonly #stop: () => Promise<void>;
  #disks = 0;

  private constructor(
    namespace: NetworkNamespace,
    machine: Machine,
    outside: TcpProxy,
    stop: () => Promise<void>,
  ) {
    this.namespace = namespace;
    this.outside = outside;
    this.#machine = machine;
    this.#stop = stop;
  }

  static async start(): Promise<LioGuest> {
    const stops: (() => Promise<void>)[] = [];
    const stop = async (): Promise<void> => {
      const ended = [];
      for (const one of stops.splice(0).reverse())
        ended.push(...(await Promise.allSettled([one()])));
      for (const end of ended) if (end.status === 'rejected') throw end.reason;
    };
    try {
      const { path, remove } = await temporaryFolder('lio');
      stops.push(remove);
      const namespace = await NetworkNamespace.create();
      stops.push(() => namespace.close());
      const machine = await startKernelGuest(await ensureDebianImage(), path, {
        programs: ['tc'],
        modules: [...LOAD, ...NETEM],
        network: { namespace, address: ADDRESS },
        memoryMiB: 1024,
      });
      stops.push(() => machine.kill());
      const socket = join(path, 'portal');
      await namespace.relay(socket, ADDRESS, PORT);
      const outside = await TcpProxy.start({ path: socket });
      stops.push(() => outside.stop());
      const guest = new LioGuest(namespace, machine, outside, stop);
      await guest.shell(`mount -t configfs none /sys/kernel/config && mkdir -p ${TARGET}/iscsi`);
      await guest.shell('mkdir /luns && mount -t tmpfs -o size=768m none /luns');
      return guest;
    } catch (error) {
      await stop();
      throw error;
    }
  }

  stop(): Promise<void> {
    return this.#stop();
  }

  shell(command: string): Promise<string> {
    return this.#machine.shell.run(command, STEP_MS);
  }

  /** Thin: takes UNMAP, and WRITE SAME with UNMAP. @returns its folder in configfs */
  async disk(name: string, size: number, blockSize = 512): Promise<string> {
    const at = `${TARGET}/core/fileio_${this.#disks}/${name}`;
    this.#disks += 1;
    // LIO makes the WWID of the hexadecimal digits in it.
    const serial = Buffer.from(name).toString('hex');
    const control = `fd_dev_name=/luns/${name},fd_dev_size=${size},fd_buffered_io=1`;
    await this.shell(
      [
        `truncate -s ${size} /luns/${name} && mkdir -p ${at} && cd ${at}`,
        `echo ${control} > control && echo ${serial} > wwn/vpd_unit_serial && echo 1 > enable`,
        `echo ${blockSize} > attrib/block_size`,
        'for flag in emulate_tpu emulate_tpws unmap_zeroes_data; do echo 1 > attrib/$flag; done',
        'cd /',
      ].join(' && '),
    );
    return at;
  }

  /** Lets every initiator in that knows the secrets. @returns its folder in configfs */
  async target(iqn: string, disks: readonly string[], secrets?: LioSecrets): Promise<string> {
    const at = `${TARGET}/iscsi/${iqn}/tpgt_1`;
    const flags = { generate_node_acls: 1, cache_dynamic_acls: 1, demo_mode_write_protect: 0 };
    const lines = [`mkdir -p ${at} && cd ${at}`, `mkdir np/0.0.0.0:${PORT} np/0.0.0.0:${PORT + 1}`];
    for (const [flag, value] of Object.entries(flags)) lines.push(`echo ${value} > attrib/${flag}`);
    lines.push(`echo ${secrets === undefined ? 0 : 1} > attrib/authentication`);
    const auth = {
      userid: secrets?.user,
      password: secrets?.password,
      userid_mutual: secrets?.incoming?.user,
      password_mutual: secrets?.incoming?.password,
    };
    for (const [name, value] of Object.entries(auth)) {
      if (value !== undefined) lines.push(`echo -n ${value} > auth/${name}`);
    }
    lines.push('echo 1 > enable', 'cd /');
    await this.shell(lines.join(' && '));
    for (const [number, disk] of disks.entries()) await this.addLun(at, number, disk);
    return at;
  }

  async addLun(target: string, number: number, disk: string): Promise<void> {
    const lun = `${target}/lun/lun_${number}`;
    await this.shell(`mkdir -p ${lun} && ln -s ${disk} ${lun}/disk`);
  }

  async removeLun(target: string, number: number): Promise<void> {
    const lun = `${target}/lun/lun_${number}`;
    await this.shell(`rm ${lun}/disk && rmdir ${lun}`);
  }

  /** Both ways; `undefined` takes it away. @param netem as tc-netem(8) takes it */
  async disturb(netem: string | undefined): Promise<void> {
    if (netem === undefined) {
      await this.shell('tc qdisc del dev eth0 root && tc qdisc del dev eth0 ingress');
      return;
    }
    await this.shell(
      [
        'modprobe -r ifb && modprobe ifb numifbs=1 && ifconfig ifb0 up && tc qdisc add dev eth0 handle ffff: ingress',
        'tc filter add dev eth0 parent ffff: matchall action mirred egress redirect dev ifb0',
        `tc qdisc replace dev ifb0 root netem ${netem}`,
        `tc qdisc replace dev eth0 root netem ${netem}`,
      ].join(' && '),
    );
  }

  /** What netem threw away so far, on the way in and on the way out. */
  async dropped(): Promise<readonly [inward: number, outward: number]> {
    const of = async (device: string): Promise<number> => {
      const [, count] =
        /dropped (\d+)/.exec(await this.shell(`tc -s qdisc show dev ${device} root`)) ?? [];
      return Number(count ?? 0);
    };
    return [await of('ifb0'), await of('eth0')];
  }
}
