import type { Boot, Machine } from '../answers.ts';
import { bytes, duration, facts, table, time } from '../format.ts';

export function machineListText(machines: readonly Machine[]): string {
  return table(
    ['name', 'state', 'mac', 'vdisk', 'version', 'cache', 'fill', 'read', 'written', 'last boot'],
    machines.map((machine) => [
      machine.name,
      machine.enabled ? machine.state : `${machine.state} (disabled)`,
      machine.mac,
      machine.vdisk,
      String(machine.version ?? '-'),
      machine.cacheMode,
      fill(machine),
      bytes(machine.bytesRead),
      bytes(machine.bytesWritten),
      duration(machine.lastBoot?.durationMs ?? null),
    ]),
  );
}

/** A machine's page of truth. */
export function machineText(machine: Machine): string {
  const { lastBoot, connections } = machine;
  const head = facts([
    ['name', machine.name],
    ['state', machine.enabled ? machine.state : `${machine.state} (disabled)`],
    ['mac', machine.mac],
    ['vdisk', `${machine.vdisk}, version ${machine.version ?? '-'}`],
    ['server', machine.server ?? '-'],
    ['export', machine.export],
    ['write cache', `${machine.cacheMode}, ${fill(machine)}`],
    ['read', bytes(machine.bytesRead)],
    ['written', bytes(machine.bytesWritten)],
    ['last request', time(machine.lastRequestAt)],
    ['kernel arguments', machine.kernelArguments || '-'],
    ['enrolment', machine.enrolment],
    ['last boot', lastBoot === null ? '-' : bootText(lastBoot)],
    ...connections.map(({ address, connectedAt, tls }): readonly [string, string] => [
      'connection',
      `${address} since ${time(connectedAt)}${tls ? ', TLS' : ''}`,
    ]),
  ]);
  if (lastBoot === null || lastBoot.timeline.length === 0) return head;
  const timeline = lastBoot.timeline.map(({ stage, afterMs }) => [stage, `+${duration(afterMs)}`]);
  return `${head}\n${table(['stage', 'after'], timeline)}`;
}

function fill({ cache }: Machine): string {
  const full = cache.full ? ', FULL' : '';
  if (cache.quotaBytes === null) return `${bytes(cache.usedBytes)}${full}`;
  return `${bytes(cache.usedBytes)} of ${bytes(cache.quotaBytes)} (${cache.percent ?? 0} %${full})`;
}

function bootText(boot: Boot): string {
  const what = `${time(boot.startedAt)}, ${boot.vdisk} version ${boot.version}`;
  return boot.ended === null
    ? `${what}, under way`
    : `${what}, took ${duration(boot.durationMs)} (${boot.ended})`;
}
