/** The entry point of a thread that opens the maps of write caches. */
import { parentPort, workerData } from 'node:worker_threads';
import { LocalVolumeData } from '../../adapters/local/index.ts';
import { createLog } from '../log.ts';
import { portAnswer } from '../workers/port-answer.ts';
import type { RecoverAnswer, RecoverRequest, RecoveryStart } from './messages.ts';
import { recoverMap } from './recover-map.ts';

if (parentPort === null) throw new Error('recovery-worker.ts runs as a worker thread');
const port = parentPort;
const { logLevel } = workerData as RecoveryStart;
const volumes = new LocalVolumeData({ log: createLog(logLevel, 'recovery') });

port.on('message', ({ request, map, opening }: RecoverRequest) => {
  void portAnswer(request, () => recoverMap(volumes, map, opening)).then(({ answer }) =>
    port.postMessage({ request, answer } satisfies RecoverAnswer),
  );
});
