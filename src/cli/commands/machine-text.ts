import type { Boot, DeviceCache, Machine } from '../answers.ts';
import { bytes, duration, facts, table, time } from '../format.ts';
import { settingWord } from './setting-options.ts';

export function machineListText(machines: readonly Machine[]): string {
  return table(
    [
      ...['name', 'state', 'mac', 'vdisk', 'version', 'class', 'collection', 'cache', 'fill'],
      ...['read', 'written', 'last boot'],
    ],
    machines.map((machine) => [
      machine.name,
      machine.enabled ? machine.state : `${machine.state} (disabled)`,
      machine.mac,
      machine.vdisk,
      version(machine),
      machine.class,
      machine.collection ?? '-',
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
    ['class', machine.class],
    ['collection', collectionText(machine)],
    ['next boot', nextText(machine)],
    ...(machine.maintains === null
      ? []
      : [['writes', `version ${machine.maintains}, in maintenance`] as const]),
    ['boot loader', machine.settings.bootLoader.value],
    ['server', machine.server ?? '-'],
    ['export', machine.export],
    ['write cache', `${machine.cacheMode}, ${fill(machine)}`],
    ...(machine.deviceCache === null
      ? []
      : [['it says', deviceCacheText(machine.deviceCache)] as const]),
    ...machine.sshHostKeys.map((line) => ['SSH host key', line] as const),
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
  const timeline = lastBoot.timeline.map(({ stage, afterMs }) => [
    stage,
    afterMs < 0 ? `-${duration(-afterMs)}` : `+${duration(afterMs)}`,
  ]);
  return `${head}\n${table(['stage', 'after'], timeline)}`;
}

/** With what comes next, where that is another. */
function version({ version, next }: Machine): string {
  const other = next.version !== null && next.version !== version;
  return other ? `${version ?? '-'} (next ${next.version})` : String(version ?? '-');
}

/** With what it takes from there. */
function collectionText({ collection, settings }: Machine): string {
  if (collection === null) return '-';
  const taken = Object.entries(settings)
    .filter(([, { from }]) => from === 'collection')
    .map(([name]) => settingWord(name));
  return taken.length === 0 ? collection : `${collection}, which gives ${taken.join(', ')}`;
}

function nextText({ next, holds }: Machine): string {
  if (next.version === null) return `none: ${next.reason ?? 'unknown'}`;
  const rule = `version ${next.version} (${next.because})`;
  return holds === null
    ? rule
    : `version ${holds}, on which its write cache stands; else ${rule}: rootcast machine reset`;
}

/** What the machine says of the cache on itself. */
function deviceCacheText(cache: DeviceCache): string {
  const { asked, got, state, reason, sizeBytes, usedBytes, percent } = cache;
  if (state === 'refused') return `no ${asked} cache, it does not boot: ${reason}`;
  if (got === null) return `nothing yet (${asked} was asked for)`;
  const why = got === asked ? '' : ` instead of ${asked} (${reason})`;
  if (got === 'server') return `${got}${why}`;
  const full = state === 'full' || state === 'failed' ? `, ${state.toUpperCase()}` : '';
  return `${got}${why}, ${bytes(usedBytes)} of ${bytes(sizeBytes)} (${percent ?? 0} %${full}) at ${time(cache.reportedAt)}`;
}

function fill({ cache, deviceCache }: Machine): string {
  if (deviceCache !== null && deviceCache.got !== 'server') {
    const { percent, state } = deviceCache;
    return percent === null ? `-, ${state}` : `${percent} % of the machine's own, ${state}`;
  }
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
