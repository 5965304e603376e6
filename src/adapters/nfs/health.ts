/** How a folder on an NFS server is doing. */
import { ArrayError } from '../../errors/index.ts';
import type { ArrayHealth, HealthState } from '../../repositories/index.ts';
import { arrayErrorOf } from './array-error-of.ts';
import type { NfsShare } from './share/share.ts';
import { ACCESS_DELETE, ACCESS_EXTEND, ACCESS_MODIFY, ACCESS_READ } from './wire/nfs3.ts';

/** What we need of the folder. */
export const NEEDED_ACCESS = ACCESS_READ | ACCESS_MODIFY | ACCESS_EXTEND;
const WANTED_ACCESS = NEEDED_ACCESS | ACCESS_DELETE;

/** Of the whole: with less free, somebody should know. */
const LOW_SPACE = 0.05;

/** @param checkOwner fails when the repository is not ours any more */
export async function folderHealth(
  share: NfsShare,
  server: string,
  checkOwner: () => Promise<void>,
): Promise<ArrayHealth> {
  const messages: string[] = [];
  let state: HealthState = 'good';
  try {
    const granted = await share.access(WANTED_ACCESS);
    if ((granted & NEEDED_ACCESS) !== NEEDED_ACCESS) {
      state = 'failed';
      messages.push('The server does not let us write to the folder.');
    }
    await checkOwner();
    const { total, free } = await share.space();
    if (free < total * LOW_SPACE) {
      state = state === 'good' ? 'degraded' : state;
      messages.push(`${free} of ${total} bytes are free.`);
    }
    return { state, messages, paths: [{ name: server, up: true }] };
  } catch (error) {
    const failure = arrayErrorOf(error, 'looking at the server', false);
    const down = failure.code === 'UNREACHABLE' || failure.code === 'TIMEOUT';
    messages.unshift(failure instanceof ArrayError ? failure.message : String(error));
    return { state: 'failed', messages, paths: [{ name: server, up: !down }] };
  }
}
