/** tgtd with one LUN, for those who compare initiators: on ports and in a folder of its own. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram } from './programs.ts';
import { findFreePort, HOST, startServerOnPort } from './server-process.ts';

const run = promisify(execFile);

export interface IscsiOrigin {
  readonly pid: number;
  /** `HOST:PORT`. */
  readonly portal: string;
  readonly iqn: string;
  readonly lun: number;
  stop(): Promise<void>;
}

const IQN = 'iqn.2026-01.dev.rootcast.bench:image';
const LUN = 1;
/** Of two tgtd on one machine each has its own; it takes no more than this. */
const CONTROL_PORTS = 32_000;

/** @param scratch an empty folder for its socket */
export async function startTgtd(image: string, scratch: string): Promise<IscsiOrigin> {
  const port = await findFreePort();
  const control = String(1 + (port % CONTROL_PORTS));
  const environment = { TGT_IPC_SOCKET: join(scratch, 'tgtd') };
  const args = ['-f', '-C', control, '--iscsi', `portal=${HOST}:${port}`];
  const server = await startServerOnPort(findProgram('tgtd') ?? 'tgtd', args, port, {
    environment,
  });
  const admin = (...rest: readonly string[]): Promise<unknown> =>
    run(findProgram('tgtadm') ?? 'tgtadm', ['-C', control, '--lld', 'iscsi', ...rest], {
      env: { ...process.env, ...environment },
    });
  try {
    const target = ['--mode', 'target', '--tid', '1'];
    await admin('--op', 'new', ...target, '--targetname', IQN);
    const unit = ['--mode', 'logicalunit', '--tid', '1', '--lun', String(LUN)];
    await admin('--op', 'new', ...unit, '--backing-store', image, '--bstype', 'rdwr');
    await admin('--op', 'bind', ...target, '--initiator-address', 'ALL');
  } catch (error) {
    await server.stop();
    throw error;
  }
  return {
    pid: server.pid,
    portal: `${HOST}:${port}`,
    iqn: IQN,
    lun: LUN,
    stop: async () => {
      // It ignores SIGTERM while it has a target.
      await admin('--op', 'delete', '--mode', 'target', '--tid', '1', '--force').catch(() => {});
      await server.stop();
    },
  };
}
