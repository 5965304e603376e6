/** XenAPI as a part of the service: its listener, its tick, and how NBD finds its disks. */
import type { Control, EventRecord } from '../../control/index.ts';
import type { XenSettings } from '../../xenapi/index.ts';
import { type Config, splitHostPort, xenapiListen } from '../config/index.ts';
import { closeHttp, listenHttp } from '../listen-http.ts';
import type { Log } from '../log.ts';
import type { OpenStorage } from '../storage/index.ts';
import { TICK_MS, Ticker, tellLog } from '../ticker.ts';
import { tlsFiles, xenapiTls } from '../tls-files.ts';
import { xenapiAddress } from '../xenapi-address.ts';
import type { ServiceDisks } from './disk-port.ts';
import type { DiskResolver } from './nbd-disks.ts';

export interface XenApiParts {
  readonly control: Control;
  readonly dataPlane: { resolveWith(resolver: DiskResolver): void };
  readonly disks: ServiceDisks;
  readonly traffic: Pick<OpenStorage['traffic'], 'ofRepositories' | 'ofLayers' | 'ofDisks'>;
  /** A folder for what is only on its way. */
  readonly uploads: string;
  readonly nbdPort: number;
  readonly log: Log;
}

export interface RunningXenApi {
  /** Where it listens, e.g. `http://127.0.0.1:8482`. */
  readonly url: string;
  readonly note: (event: EventRecord) => void;
}

/** Events of the control plane, which begins before XenAPI does. */
export class XenEvents {
  #running: RunningXenApi | undefined;

  follow(running: RunningXenApi | undefined): void {
    this.#running = running;
  }

  note(event: EventRecord): void {
    this.#running?.note(event);
  }
}

/**
 * @param add of what is closed at the end, last first
 * @returns undefined: it is off
 * @throws Fault that names the setting
 */
export async function startXenApi(
  config: Config,
  parts: XenApiParts,
  add: (name: string, close: () => unknown) => void,
): Promise<RunningXenApi | undefined> {
  const listen = xenapiListen(config);
  if (listen === undefined) return undefined;
  const { control, disks, log, uploads } = parts;
  const tls = xenapiTls(config.xenapi.tls);
  // Three hundred files that a service without it need not read.
  const { openXenApi } = await import('../../xenapi/index.ts');
  const api = openXenApi({
    ...{ control, disks, temporaryFolder: uploads, settings: settingsOf(config, parts.nbdPort) },
    throughput: parts.traffic,
    logger: log.child(
      { name: 'xenapi' },
      { level: config.log.level === 'debug' ? 'debug' : 'warn' },
    ),
    ...(tls === undefined ? {} : { tls: { cert: tls.certificate, key: tls.key } }),
  });
  parts.dataPlane.resolveWith((asked) => api.diskOf(asked));
  const url = await listenHttp(api.app, listen, 'xenapi.listen');
  const failed = tellLog(log, () => control.clock.now());
  const ticker = new Ticker([{ name: 'XenAPI', observe: (now) => api.observe(now) }], failed);
  const timer = setInterval(() => ticker.tick(control.clock.now()), TICK_MS);
  add('XenAPI', async () => {
    clearInterval(timer);
    await closeHttp(api.app, () => api.close());
  });
  return { url, note: (event) => api.note(event) };
}

function settingsOf(config: Config, port: number): XenSettings {
  const { mode, certificate } = tlsFiles(config.nbd.tls);
  const { host } = splitHostPort(config.nbd.listen, 'nbd.listen');
  return { address: xenapiAddress(config), nbd: { host, port, tls: mode, certificate } };
}
