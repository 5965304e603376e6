/** What the service does by itself, about once a second. */
import {
  ChangeLogObserver,
  type Control,
  observeBoots,
  observeCaches,
  observeSchedules,
  ReplicationObserver,
  RepositoryObserver,
  Scrub,
  VdiskReplicaObserver,
  VersionObserver,
  WarmStart,
} from '../control/index.ts';
import type { Config } from './config/index.ts';
import type { Log } from './log.ts';
import { type Observer, TICK_MS, Ticker, tellLog } from './ticker.ts';

/** @param add of what is closed at the end, last first */
export function startTicker(
  control: Control,
  config: Pick<Config, 'scrub'>,
  add: (name: string, close: () => unknown) => void,
  log: Log,
): void {
  const failed = tellLog(log, () => control.clock.now());
  const versions = new VersionObserver(control, (err) => failed('versions', err));
  const replications = new ReplicationObserver(control, (err) => failed('replications', err));
  const replicas = new VdiskReplicaObserver(control, (err) => failed('replicas of vDisks', err));
  const { days, rate: bytesPerSecond } = config.scrub;
  const scrub = new Scrub(control, { days, bytesPerSecond });
  const warmStart = new WarmStart(control);
  const repositories = new RepositoryObserver(control);
  const changeLogs = new ChangeLogObserver(control, (err) => failed('changed blocks', err));
  const ticker = new Ticker(
    [
      { name: 'boots', observe: (now) => observeBoots(control, now) },
      { name: 'the warm start', observe: (now) => warmStart.observe(now) },
      { name: 'write caches', observe: () => observeCaches(control) },
      observerOf('replications', replications),
      observerOf('repositories', repositories),
      { name: 'snapshot schedules', observe: (now) => observeSchedules(control, now) },
      observerOf('changed blocks', changeLogs),
      observerOf('replicas of vDisks', replicas),
      {
        name: 'layers',
        observe: (now) => scrub.observe(now, (err) => failed('layers', err)),
        close: () => scrub.close(),
      },
      observerOf('versions', versions),
    ],
    failed,
  );
  repositories.observe(control.clock.now()); // attached in the background: nobody waits for an array
  const timer = setInterval(() => ticker.tick(control.clock.now()), TICK_MS);
  add('ticker', () => {
    clearInterval(timer);
    return ticker.close();
  });
}

function observerOf(
  name: string,
  of: { observe(now: number): void; close(): Promise<void> },
): Observer {
  return { name, observe: (now) => of.observe(now), close: () => of.close() };
}
