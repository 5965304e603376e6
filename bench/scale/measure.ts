/** The figures of one distribution: start, memory, opening, the death of the service and what follows. */
import { connectNbd, type NbdClient } from '../../src/nbd/client/index.ts';
import type { Distribution, DistributionId } from './distributions.ts';
import type { Fleet } from './fleet.ts';
import { CONNECTS_AT_ONCE, FULL_SCANS } from './limits.ts';
import { type ServiceRun, startService } from './service-run.ts';
import { type Quantiles, quantiles } from './statistics.ts';

export interface Figures {
  readonly distribution: DistributionId | 'empty';
  /** Map pages that hold something, of each machine. */
  readonly pagesPerMachine: number;
  /** From the start of the program until it is ready; all overlays are open then. */
  readonly readyMs: number;
  /** Resident memory of the service when it is ready, in bytes. */
  readonly readyBytes: number;
  /** The same when every machine is connected. */
  readonly connectedBytes: number;
  /** Connecting and NBD_OPT_GO of one machine after the other, in ms. */
  readonly connectMs: Quantiles;
  /** recoverOverlay alone, in ms, of each map, in this process. */
  readonly recoverMs: Quantiles;
  /** The same, as after a restart of the host: nothing but the durable map is believed. */
  readonly rebootedRecoverMs: Quantiles;
  /** The least that reading such maps and touching the memory for them costs in C, in ms a machine; undefined: there is no compiler. */
  readonly floorMs: Quantiles | undefined;
  /** From kill -9 until the service is ready again, in ms … */
  readonly restartMs: number;
  /** … and until all machines are connected again. */
  readonly reconnectedMs: number;
}

const uriOf = (service: ServiceRun, machine: string): string => `${service.nbd}/machine/${machine}`;

/** Resident memory of a service whose machines have no overlays at all, in bytes. */
export async function bareBytes(fleet: Fleet): Promise<number> {
  fleet.removeOverlays();
  const service = await startService(fleet.data);
  const bytes = service.residentBytes();
  await service.kill();
  return bytes;
}

/**
 * @param distribution undefined: overlays with nothing in them
 * @param floor the path of open-floor, where it could be compiled
 */
export async function measure(
  fleet: Fleet,
  distribution: Distribution | undefined,
  written: number,
  floor: string | undefined,
): Promise<Figures> {
  const pages = await fleet.makeOverlays(distribution, written);
  let service = await startService(fleet.data);
  const readyBytes = service.residentBytes();
  const { readyMs } = service;
  let clients: NbdClient[] = [];
  const connectTimes: number[] = [];
  try {
    for (const machine of fleet.machines) {
      const started = performance.now();
      clients.push(await connectNbd(uriOf(service, machine)));
      connectTimes.push(performance.now() - started);
    }
    const connectedBytes = service.residentBytes();
    const killed = performance.now();
    await service.kill();
    for (const client of clients) client.destroy();
    service = await startService(fleet.data);
    const restartMs = performance.now() - killed;
    clients = await connectAll(fleet, service);
    const reconnectedMs = performance.now() - killed;
    await service.kill();
    return {
      distribution: distribution?.id ?? 'empty',
      pagesPerMachine: pages / fleet.machines.length,
      readyMs,
      readyBytes,
      connectedBytes,
      connectMs: quantiles(connectTimes),
      recoverMs: quantiles(await fleet.recoverAll(fleet.machines.length, true)),
      rebootedRecoverMs: quantiles(await fleet.recoverAll(FULL_SCANS, false)),
      floorMs: floor === undefined ? undefined : quantiles(await fleet.openFloor(floor)),
      restartMs,
      reconnectedMs,
    };
  } finally {
    await service.kill();
    for (const client of clients) client.destroy();
  }
}

async function connectAll(fleet: Fleet, service: ServiceRun): Promise<NbdClient[]> {
  const waiting = [...fleet.machines];
  const clients: NbdClient[] = [];
  const lane = async (): Promise<void> => {
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
      clients.push(await connectNbd(uriOf(service, name)));
    }
  };
  await Promise.all(Array.from({ length: CONNECTS_AT_ONCE }, lane));
  return clients;
}
