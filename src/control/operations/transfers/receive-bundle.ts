/** The tasks that receive bundles: what they have in common, wherever the bundle comes from. */
import { Fault } from '../../../errors/index.ts';
import { type Control, recordEvent } from '../../control.ts';
import type { TaskView } from '../../schemas/activity.ts';
import type { ReceivedBundleView } from '../../schemas/transfer.ts';
import type { ReportProgress } from '../../tasks/task-runner.ts';
import type { BundleOrigin } from '../../transfer-port.ts';
import { parseName } from '../../values/name.ts';
import { collectLayers } from '../../versions/collect-layers.ts';
import { taskView } from '../task-view.ts';
import { progressOf } from '../versions/progress-of.ts';
import { planBundle, type ReceiveOptions } from './bundle-plan.ts';
import { keepBundle } from './keep-bundle.ts';

const KINDS = ['bundle.import', 'bundle.pull'] as const;

export interface Reception {
  readonly kind: (typeof KINDS)[number];
  readonly origin: BundleOrigin;
  /** The same for people. Without secrets. */
  readonly told: string;
  /** What the vDisk is called here. */
  readonly name: string;
  readonly update: boolean;
}

/**
 * Starts the task. All of the bundle is there when it has succeeded, and nothing when it has not.
 * @throws Fault INVALID_INPUT, IN_USE, LIMIT_EXCEEDED
 */
export function startReception(control: Control, reception: Reception): TaskView {
  const { kind, told } = reception;
  const name = parseName(reception.name, 'vdisk.name');
  const subject = `vdisk/${name}`;
  if (KINDS.some((one) => control.tasks.isRunning(one, subject))) {
    throw new Fault('IN_USE', `another bundle for vDisk ${name} is being received`, {
      field: 'vdisk.name',
      value: name,
      expected: 'that it has come (rootcast task list)',
    });
  }
  const task = control.tasks.start(kind, subject, (report, signal) =>
    run(control, { ...reception, name }, report, signal),
  );
  try {
    recordEvent(control, {
      kind: `${kind}-started`,
      subject,
      message: `a bundle for vDisk ${name} is being received from ${told}`,
      data: { from: told, taskId: task.id },
    });
  } catch (error) {
    control.tasks.cancel(task.id); // whoever asked is told of an error, so nothing may go on
    throw error;
  }
  return taskView(task);
}

async function run(
  control: Control,
  reception: Reception,
  report: ReportProgress,
  signal: AbortSignal,
): Promise<ReceivedBundleView> {
  const { origin, told, name, update } = reception;
  const options: ReceiveOptions = { name, update };
  try {
    signal.throwIfAborted();
    const view = await control.transfers.receiveBundle(
      {
        origin,
        accept: (head) => void planBundle(control, head, options),
        keep: (received) => keepBundle(control, received, options, told),
      },
      progressOf(report, 'receiving'),
      signal,
    );
    // A layer that came for a version that is here after all, or was merged while others came.
    await collectLayers(control);
    return view;
  } catch (error) {
    tellFailure(control, reception, signal.aborted ? signal.reason : error);
    throw error;
  }
}

function tellFailure(control: Control, { kind, name }: Reception, reason: unknown): void {
  const cancelled = reason instanceof Fault && reason.code === 'CANCELLED';
  const message = reason instanceof Error ? reason.message : String(reason);
  try {
    recordEvent(control, {
      kind: `${kind}-${cancelled ? 'cancelled' : 'failed'}`,
      subject: `vdisk/${name}`,
      message: `a bundle for vDisk ${name} was ${cancelled ? 'cancelled' : 'not received'}: ${message}`,
      data: reason instanceof Fault ? { code: reason.code } : {},
    });
  } catch {
    // The catalog cannot be written; the task still carries the first error, which matters more.
  }
}
