/** An image that somebody sends becomes a vDisk: it is kept in a file, which is then imported as any other. */
import type { Control } from '../../control.ts';
import type { TaskView } from '../../schemas/activity.ts';
import type { UploadVdiskInput } from '../../schemas/transfer.ts';
import type { IncomingStream } from '../../transfer-port.ts';
import { parseImport, startImport } from '../import-vdisk.ts';
import { showTask } from '../tasks.ts';
import { endedTask } from './ended-task.ts';

/**
 * Settles when all of the image is here; the task that imports it has begun before, and has the name.
 * @throws Fault as parseImport, ALREADY_EXISTS, LIMIT_EXCEEDED, NO_SPACE, CANCELLED. The task fails with the
 *   same, or with what ImageStore.importImage throws.
 */
export async function uploadVdisk(
  control: Control,
  input: UploadVdiskInput,
  image: IncomingStream,
): Promise<TaskView> {
  const wanted = {
    ...parseImport(control, input),
    ...{ origin: 'an upload', kernel: undefined, initrd: undefined },
  };
  const arrival = Promise.withResolvers<void>();
  const task = startImport(control, wanted, async (report, signal) => {
    const progress = (bytesDone: number): void => {
      report(image.length === undefined ? 0 : (bytesDone * 100) / image.length, 'receiving');
    };
    const file = await control.transfers.spool(image, progress, signal);
    arrival.resolve();
    return file;
  });
  const ended = endedTask(control, task.id);
  ended.catch(() => undefined); // once the image is here, the task tells of it
  await Promise.race([arrival.promise, ended]);
  return showTask(control, task.id);
}
