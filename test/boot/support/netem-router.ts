/**
 * A Linux machine as the only way between us and a server, on which packets are late and get lost: netem is in its kernel,
 * which this host's may not have. It is a router on a stick: both networks are on the one bridge, hosts of one do not know
 * the other. What goes to either has a queue of its own.
 */
import {
  ensureDebianImage,
  type Machine,
  NetworkNamespace,
} from '../../../src/service/demo/index.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { startKernelGuest } from './kernel-guest.ts';
import { FAR_ADDRESS, FAR_NETWORK, NEAR_ADDRESS, NEAR_NETWORK } from './routed-networks.ts';

const STEP_MS = 30_000;
const NETEM = ['sch_netem', 'ifb', 'sch_ingress', 'act_mirred', 'cls_u32'];
/** The queue of what goes to the server, and of what comes from it. */
const QUEUES = ['ifb0', 'ifb1'] as const;

export class NetemRouter {
  /** The client's side; the server's hangs on the same bridge. */
  readonly namespace: NetworkNamespace;
  readonly #machine: Machine;
  readonly #stop: () => Promise<void>;

  private constructor(namespace: NetworkNamespace, machine: Machine, stop: () => Promise<void>) {
    this.namespace = namespace;
    this.#machine = machine;
    this.#stop = stop;
  }

  /** @param segments `single`: as on a line, so that each can be lost; `joined`: faster, where packets are only late */
  static async start(segments: 'single' | 'joined' = 'single'): Promise<NetemRouter> {
    const { path, remove } = await temporaryFolder('netem');
    const stops: (() => Promise<void>)[] = [remove];
    const stop = async (): Promise<void> => {
      for (const one of stops.splice(0).reverse()) await one();
    };
    try {
      const namespace = await NetworkNamespace.create();
      stops.push(() => namespace.close());
      // (The guest joins what comes together: a loss may be of a few in a row.)
      if (segments === 'single') {
        await namespace.run(['ip', 'link', 'set', 'boot0', 'gso_max_segs', '1']);
      }
      const machine = await startKernelGuest(await ensureDebianImage(), path, {
        programs: ['tc'],
        modules: NETEM,
        network: { namespace, address: NEAR_ADDRESS },
      });
      stops.push(() => machine.kill());
      const router = new NetemRouter(namespace, machine, stop);
      await router.#setUp();
      return router;
    } catch (error) {
      await stop();
      throw error;
    }
  }

  stop(): Promise<void> {
    return this.#stop();
  }

  /** Both ways. @param netem as tc-netem(8) takes it */
  async disturb(netem: string): Promise<void> {
    const set = QUEUES.map((queue) => `tc qdisc replace dev ${queue} root netem ${netem}`);
    await this.#shell(set.join(' && '));
  }

  /** What netem let through and threw away so far. */
  async counts(): Promise<{ readonly sent: number; readonly dropped: number }[]> {
    const counts = [];
    for (const queue of QUEUES) {
      const said = await this.#shell(`tc -s qdisc show dev ${queue} root`);
      const [, sent, dropped] = /(\d+) pkt \(dropped (\d+)/.exec(said) ?? [];
      counts.push({ sent: Number(sent ?? 0), dropped: Number(dropped ?? 0) });
    }
    return counts;
  }

  #shell(command: string): Promise<string> {
    return this.#machine.shell.run(command, STEP_MS);
  }

  async #setUp(): Promise<void> {
    const redirect = (network: string, queue: string): string =>
      `tc filter add dev eth0 parent ffff: protocol ip u32 match ip dst ${network} action mirred egress redirect dev ${queue}`;
    const ipv4 = '/proc/sys/net/ipv4';
    await this.#shell(
      [
        `ifconfig eth0:1 ${FAR_ADDRESS} netmask 255.255.255.252 up`,
        // It would tell them that they reach each other without it.
        `echo 0 > ${ipv4}/conf/all/send_redirects && echo 0 > ${ipv4}/conf/eth0/send_redirects`,
        `echo 1 > ${ipv4}/ip_forward`,
        'modprobe -r ifb && modprobe ifb numifbs=2 && ifconfig ifb0 up && ifconfig ifb1 up',
        'tc qdisc add dev eth0 handle ffff: ingress',
        redirect(FAR_NETWORK, QUEUES[0]),
        redirect(NEAR_NETWORK, QUEUES[1]),
      ].join(' && '),
    );
  }
}
