/** Who asks: our load generator, or fio. What the runner needs of either. */
import { runFio } from './fio.ts';
import type { LoadJob, LoadResult, TlsFiles } from './load/job.ts';
import { type JobHooks, LoadSession } from './load/session.ts';
import { treeCpuMicros } from './procfs.ts';
import type { ClientKind } from './result.ts';

export interface Client {
  readonly kind: ClientKind;
  ask(job: LoadJob, hooks: JobHooks): Promise<LoadResult>;
  /** What the process that asks has used so far, in µs; 0 when it is counted with this one's children. */
  cpuMicros(): number;
  close(): Promise<void>;
}

/** Remembers what it wrote from one job to the next: one for each start of a server. */
export function rootcastClient(tls: TlsFiles, signal?: AbortSignal): Client {
  const session = new LoadSession(tls, signal);
  return {
    kind: 'rootcast',
    ask: (job, hooks) => session.run(job, hooks),
    cpuMicros: () => (session.pid === undefined ? 0 : treeCpuMicros(session.pid)),
    close: () => session.close(),
  };
}

export function fioClient(program: string, signal?: AbortSignal): Client {
  return {
    kind: 'fio',
    async ask(job, hooks) {
      hooks.begin?.();
      const result = await runFio(program, job, signal);
      hooks.end?.();
      return result;
    },
    cpuMicros: () => 0,
    close: async () => undefined,
  };
}
