/** A service that is asked for long work over its API and killed in the middle of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { SEED } from '../../support/seed.ts';
import { ServiceProcess } from '../../support/service-process.ts';
import { DiskWatch } from './moments.ts';

const POLL_MS = 10;
const ARGUMENTS = ['--workers', '2'];

interface Task {
  readonly id: string;
  readonly state: string;
  readonly result: unknown;
}

/** Work that is acknowledged when it settles with what came of it; undefined: the service died first. */
export type Work = (service: KilledService) => Promise<unknown>;

export class KilledService {
  #service: ServiceProcess;

  private constructor(service: ServiceProcess) {
    this.#service = service;
  }

  static async start(): Promise<KilledService> {
    return new KilledService(await ServiceProcess.start({ arguments: ARGUMENTS }));
  }

  get data(): string {
    return this.#service.data;
  }

  uri(exportName: string): string {
    return this.#service.uri(exportName);
  }

  remove(): Promise<void> {
    return this.#service.remove();
  }

  /** @returns the answer; undefined: the service died before it gave one @throws Error for a refusal */
  async call<T>(method: string, path: string, body?: object): Promise<T | undefined> {
    const { http, token } = this.#service;
    let status: number;
    let answer: unknown;
    try {
      const response = await fetch(`${http}/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      status = response.status;
      answer = status === 204 ? {} : await response.json();
    } catch {
      return undefined;
    }
    if (status < 300) return answer as T;
    throw new Error(`seed ${SEED}: ${method} ${path}: ${JSON.stringify(answer)}`);
  }

  /** The same of a service that lives. */
  async ask<T>(method: string, path: string, body?: object): Promise<T> {
    const answer = await this.call<T>(method, path, body);
    if (answer === undefined) throw new Error(`seed ${SEED}: the service is gone`);
    return answer;
  }

  /** Starts a task and waits for it. @returns as `call` */
  async task(method: string, path: string, body?: object): Promise<unknown> {
    let task = await this.call<Task>(method, path, body);
    while (task?.state === 'running') {
      await sleep(POLL_MS);
      task = await this.call<Task>('GET', `/tasks/${task.id}`);
    }
    if (task === undefined) return undefined;
    if (task.state === 'succeeded') return task.result;
    throw new Error(`seed ${SEED}: ${path}: ${JSON.stringify(task)}`);
  }

  /** @returns how long the work took, in milliseconds */
  async measure(work: Work): Promise<number> {
    const start = performance.now();
    if ((await work(this)) === undefined) throw new Error(`seed ${SEED}: the service is gone`);
    return performance.now() - start;
  }

  /**
   * Begins the work, kills the service at the moment, and starts it again on the same folder.
   * @returns whether the work had been acknowledged
   */
  async kill(work: Work, moment: (watch: DiskWatch) => Promise<boolean>): Promise<boolean> {
    const watch = new DiskWatch(this.data);
    const answer = work(this);
    answer.catch(() => undefined); // awaited below; until then nobody else looks at it
    await moment(watch);
    await this.#service.kill();
    const acknowledged = (await answer) !== undefined;
    const { data } = this.#service;
    this.#service = await ServiceProcess.start({ data, arguments: ARGUMENTS });
    return acknowledged;
  }
}
