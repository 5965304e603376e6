/**
 * PUT /import_raw_vdi. The head of the answer leaves before the body is read: whether it went well is in the task only.
 *
 * Xen Orchestra sends an empty body first, without a task, to learn whether it is asked to go elsewhere: nothing is
 * opened before the first byte has come, so that the disk is free for what follows at once.
 */
import { Fault } from '../../errors/index.ts';
import type { Caller } from '../call.ts';
import { type ImageFormat, imageFormatOf, importImage } from '../images/index.ts';
import type { OpenDisk } from '../ports.ts';
import { xenError } from '../xen-error.ts';
import { type ImageRouteOptions, Refusal, type Transfer, withTransfer } from './admission.ts';
import type { Exchange } from './exchange.ts';
import type { ImageVdi, SrName } from './image-port.ts';
import { TRANSFER_IDLE_MS } from './limits.ts';
import { RequestBody } from './request-body.ts';
import type { RequestParameters } from './request-parameters.ts';

const ACTION = {
  realm: 'VDI.import',
  permission: 'http/put_import_raw_vdi',
  label: 'Importing raw VDI',
};
const NEW_LABEL = 'Imported VDI';

interface ImportPlan {
  readonly format: ImageFormat;
  readonly isChunked: boolean;
  /** Bytes of the body; undefined: none was announced. */
  readonly length: number | undefined;
}

export async function importVdi(exchange: Exchange, options: ImageRouteOptions): Promise<void> {
  const hasTask = exchange.parameters.cookieFirst('task_id') !== undefined;
  const isProbe = !hasTask && lengthOf(exchange) === 0;
  await withTransfer(exchange, ACTION, options, !isProbe, async (transfer) => {
    const vdi = isProbe
      ? probed(exchange, options)
      : await receive(exchange, transfer, planOf(exchange), options);
    if (isProbe) exchange.begin(headOf(transfer));
    return vdi.ref;
  });
  if (exchange.hasBegun) await exchange.end();
}

/** An empty body that belongs to no task changes nothing; what it names has to be there. */
function probed({ parameters }: Exchange, { port }: ImageRouteOptions): { readonly ref: string } {
  const name = parameters.queryFirst('vdi');
  if (name !== undefined) return port.vdi(name);
  return { ref: port.sr(srOf(parameters)) };
}

/** @throws Refusal */
function planOf(exchange: Exchange): ImportPlan {
  const { parameters } = exchange;
  const { headers } = exchange.request;
  const name = parameters.queryFirst('format');
  const format = imageFormatOf(name);
  if (format === undefined) throw internal(404, `Unknown format ${name}`);
  const isChunked = parameters.queryFirst('chunked') !== undefined;
  if (isChunked && format !== 'raw') throw internal(404, 'Cannot handle chunked VHD');
  const encoding = headers['transfer-encoding'];
  if (encoding !== undefined) throw internal(404, `Cannot handle encoding: ${encoding}`);
  // Node reads no body without one: it would be taken for an empty disk.
  const length = lengthOf(exchange);
  if (headers['content-length'] === undefined) throw internal(411, 'Content-Length is missing');
  return { format, isChunked, length };
}

function lengthOf({ request }: Exchange): number | undefined {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  if (encoding !== undefined) return undefined;
  return Number(length ?? 0);
}

async function receive(
  exchange: Exchange,
  transfer: Transfer,
  plan: ImportPlan,
  options: ImageRouteOptions,
): Promise<ImageVdi> {
  const { port, log } = options;
  const name = exchange.parameters.queryFirst('vdi');
  if (name !== undefined) {
    const vdi = port.vdi(name);
    await fillVdi(exchange, transfer, plan, { vdi, isNew: false }, options);
    return vdi;
  }
  const vdi = await createVdi(exchange.parameters, transfer.caller, plan, options);
  try {
    await fillVdi(exchange, transfer, plan, { vdi, isNew: true }, options);
    port.keepVdi(vdi);
    return vdi;
  } catch (error) {
    await port.destroyVdi(transfer.caller, vdi).catch((failure: unknown) => {
      log(`VDI ${vdi.uuid}, made for an import that failed`, failure);
    });
    throw error;
  }
}

/** Only of a raw disk is the size known. @throws Refusal, XenError */
async function createVdi(
  parameters: RequestParameters,
  caller: Caller,
  plan: ImportPlan,
  { port }: ImageRouteOptions,
): Promise<ImageVdi> {
  const sr = port.sr(srOf(parameters));
  const { format, isChunked, length } = plan;
  if (format === 'vhd' || format === 'qcow2') {
    const what = format === 'vhd' ? 'VHD' : 'QCOW2';
    throw internal(400, `Importing a ${what} directly into an SR not yet supported`);
  }
  if (format !== 'raw' || isChunked || length === undefined || length === 0) {
    throw internal(400, 'Not enough info supplied to import');
  }
  return port.createVdi(caller, sr, length, NEW_LABEL);
}

/** @throws Refusal */
function srOf(parameters: RequestParameters): SrName {
  const ref = parameters.cookieFirst('sr_id');
  if (ref !== undefined) return { ref };
  const uuid = parameters.cookieFirst('sr_uuid');
  if (uuid !== undefined) return { uuid };
  throw new Refusal(400, ['VDI_MISSING']);
}

async function fillVdi(
  exchange: Exchange,
  transfer: Transfer,
  plan: ImportPlan,
  { vdi, isNew }: { readonly vdi: ImageVdi; readonly isNew: boolean },
  options: ImageRouteOptions,
): Promise<void> {
  const { port, temporaryFolder, idleMs = TRANSFER_IDLE_MS } = options;
  const { task } = transfer;
  if (vdi.isReadOnly) throw new Refusal(400, ['VDI_READONLY', vdi.ref]);
  const body = new RequestBody(exchange.request, { idleMs, signal: task.signal });
  exchange.wantBody();
  exchange.begin(headOf(transfer));
  const isEmpty = !(await body.begins());
  if (isEmpty && plan.format === 'raw' && !plan.isChunked) return;
  let disk: OpenDisk | undefined;
  try {
    disk = await port.open(vdi, { write: true, task: task.ref });
    await importImage({
      ...plan,
      body,
      device: disk.device,
      isZeroed: isNew,
      temporaryFolder,
      signal: task.signal,
      progress: (fraction) => task.progress(fraction),
    });
  } catch (error) {
    // The image is wrong, or cannot be kept while it comes; what the disk says is a BlockError.
    const isImage = disk !== undefined && error instanceof Fault && error.code !== 'CANCELLED';
    throw isImage ? xenError('VDI_IO_ERROR', error.message) : error;
  } finally {
    await disk?.close();
  }
}

function headOf({ task }: Transfer) {
  return { 'task-id': task.ref, 'content-type': 'application/octet-stream' };
}

function internal(status: number, message: string): Refusal {
  return new Refusal(status, ['INTERNAL_ERROR', message]);
}
