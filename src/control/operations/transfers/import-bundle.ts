/** Bundles that come in a request, lie in a file of this server, or are fetched from another one. */
import { Fault } from '../../../errors/index.ts';
import type { Control } from '../../control.ts';
import type { TaskView } from '../../schemas/activity.ts';
import type {
  BundleView,
  ImportBundleInput,
  PullBundleInput,
  ReceiveBundleInput,
} from '../../schemas/transfer.ts';
import type { BundleHead, BundleOrigin } from '../../transfer-port.ts';
import { planBundle } from './bundle-plan.ts';
import { contentsHere } from './chunks.ts';
import { endedTask } from './ended-task.ts';
import { startReception } from './receive-bundle.ts';

/** What a bundle holds. @throws Fault IMAGE_INVALID, IMAGE_UNSUPPORTED, NOT_FOUND, CANCELLED */
export async function showBundle(
  control: Control,
  origin: Exclude<BundleOrigin, { kind: 'server' }>,
  signal: AbortSignal,
): Promise<BundleView> {
  const { head } = await control.transfers.bundleHead(origin, signal);
  return bundleView(head, contentsHere(control));
}

/**
 * Receives what comes with a request; settles when all of it is here, and kept. Meanwhile there is a task,
 * by which it can be watched and cancelled.
 * @throws Fault as planBundle and Transfers.receiveBundle
 */
export async function receiveBundle(
  control: Control,
  input: ReceiveBundleInput,
  pieces: AsyncIterable<Buffer>,
  signal: AbortSignal,
): Promise<TaskView> {
  const { name, update = false } = input;
  const { head, origin } = await control.transfers.bundleHead({ kind: 'stream', pieces }, signal);
  planBundle(control, head, { name, update });
  const task = startReception(control, {
    ...{ kind: 'bundle.import', origin, told: 'an upload' },
    ...{ name: name ?? head.name, update },
  });
  return endedTask(control, task.id);
}

/** @throws Fault as planBundle and Transfers.bundleHead; the task fails with what receiveBundle throws */
export async function importBundle(
  control: Control,
  { path, name, update = false }: ImportBundleInput,
  signal: AbortSignal,
): Promise<TaskView> {
  const { head, origin } = await control.transfers.bundleHead({ kind: 'file', path }, signal);
  planBundle(control, head, { name, update });
  return startReception(control, {
    ...{ kind: 'bundle.import', origin, told: path },
    ...{ name: name ?? head.name, update },
  });
}

/**
 * Fetches from another server what is lacking here.
 * @throws Fault INVALID_INPUT, ALREADY_EXISTS, IN_USE; the task fails with what receiveBundle throws
 */
export function pullBundle(control: Control, input: PullBundleInput): TaskView {
  const { token, vdisk, versions, update = false } = input;
  const name = input.name ?? vdisk;
  const url = parseServer(input.from);
  if (!update && control.catalog.vdisks.byName(name) !== undefined) {
    throw new Fault('ALREADY_EXISTS', `a vDisk ${name} is there already`, {
      field: 'vdisk.name',
      value: name,
      expected: 'a name that no other vDisk has, or update to add versions to this one',
    });
  }
  const has = contentsHere(control, name);
  return startReception(control, {
    kind: 'bundle.pull',
    origin: { kind: 'server', url, token, vdisk, versions, has },
    told: `vDisk ${vdisk} of ${url}`,
    ...{ name, update },
  });
}

/** Without what could be secret in it. @throws Fault INVALID_INPUT */
function parseServer(from: string): string {
  const url = URL.parse(from);
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (url !== null && isHttp && url.username === '' && url.password === '') {
    return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
  }
  throw new Fault('INVALID_INPUT', 'from is not the URL of a server', {
    field: 'from',
    // A URL that has a password in it is not shown again.
    ...(url === null || url.password === '' ? { value: from } : {}),
    expected: 'a URL without user and password, as https://server:8480',
  });
}

function bundleView(head: BundleHead, here: ReadonlySet<string>): BundleView {
  const { name, description, chunks, versions } = head;
  return {
    ...{ name, description, chunks },
    versions: versions.map((version) => ({
      number: version.number,
      state: version.state,
      contentId: version.contentId,
      size: version.size,
      parent: version.parentNumber ?? null,
      sent: version.sent,
      here: here.has(version.contentId),
      format: version.format ?? null,
      description: version.description ?? null,
      createdAt: version.createdAt ?? null,
      kernel: version.bootFiles?.kernelVersion ?? null,
    })),
  };
}
