/** GET /export_raw_vdi. */

import type { ImageFormat } from '../images/index.ts';
import { type BaseDisk, exportImage, exportRefusal, imageFormatOf } from '../images/index.ts';
import { type ImageRouteOptions, Refusal, type Transfer, withTransfer } from './admission.ts';
import type { Exchange } from './exchange.ts';
import type { ImageVdi } from './image-port.ts';
import { TRANSFER_IDLE_MS } from './limits.ts';

const ACTION = {
  realm: 'VDI.export_raw',
  permission: 'http/get_export_raw_vdi',
  label: 'Exporting raw VDI',
};

const CONTENT_TYPE: Readonly<Record<ImageFormat, string>> = {
  raw: 'application/octet-stream',
  vhd: 'application/vhd',
  tar: 'application/x-tar',
  qcow2: 'application/x-qemu-disk',
};

interface ExportPlan {
  readonly format: ImageFormat;
  readonly vdi: ImageVdi;
  readonly base: ImageVdi | undefined;
}

export async function exportVdi(exchange: Exchange, options: ImageRouteOptions): Promise<void> {
  await withTransfer(exchange, ACTION, options, true, async (transfer) => {
    const plan = planOf(exchange, options);
    try {
      await send(exchange, transfer, plan, options);
    } catch (error) {
      // Nothing that follows the head is taken for an answer, or for the end of the disk.
      if (exchange.hasBegun) exchange.breakOff();
      // It was the client who left, whatever that has stopped.
      const isGone = exchange.gone.aborted && !transfer.task.signal.aborted;
      throw isGone ? exchange.gone.reason : error;
    }
    return plan.vdi.ref;
  });
}

/** @throws Refusal, XenError */
function planOf({ parameters }: Exchange, { port }: ImageRouteOptions): ExportPlan {
  const formatName = parameters.queryFirst('format');
  const format = imageFormatOf(formatName);
  if (format === undefined) {
    throw new Refusal(404, ['INTERNAL_ERROR', `Unknown format ${formatName}`]);
  }
  const name = parameters.queryFirst('vdi');
  if (name === undefined) throw new Refusal(400, ['VDI_MISSING']);
  const vdi = port.vdi(name);
  const most = exportRefusal(format, vdi.size);
  if (most !== undefined) throw new Refusal(400, ['VDI_TOO_LARGE', vdi.ref, String(most)]);
  const baseName = parameters.queryFirst('base');
  if (baseName === undefined) return { format, vdi, base: undefined };
  if (format === 'raw' || format === 'tar') {
    throw new Refusal(400, ['INTERNAL_ERROR', `The format ${format} cannot be relative to a base`]);
  }
  return { format, vdi, base: port.vdi(baseName) };
}

async function send(
  exchange: Exchange,
  { task }: Transfer,
  { format, vdi, base }: ExportPlan,
  { port, now, idleMs = TRANSFER_IDLE_MS }: ImageRouteOptions,
): Promise<void> {
  await using disks = new AsyncDisposableStack();
  const open = async (what: ImageVdi) => {
    const disk = await port.open(what, { write: false, task: task.ref });
    disks.defer(() => disk.close());
    return { device: disk.device, uuid: what.uuid };
  };
  const disk = await open(vdi);
  const baseDisk: BaseDisk | undefined =
    base === undefined
      ? undefined
      : { ...(await open(base)), differs: port.differences(base, vdi) };
  const { length, pieces } = await exportImage({
    format,
    disk,
    base: baseDisk,
    signal: AbortSignal.any([task.signal, exchange.gone]),
    progress: (fraction) => task.progress(fraction),
    now,
  });
  exchange.begin({
    'task-id': task.ref,
    'content-type': CONTENT_TYPE[format],
    'content-disposition': `attachment; filename="${vdi.uuid}.${format}"`,
    // Some clients take a reset for the end of an answer that does not say how long it is.
    ...(length === undefined ? {} : { 'content-length': length }),
  });
  let sent = 0;
  let last: Buffer | undefined;
  for await (const piece of pieces) {
    sent += piece.length;
    // Whoever was told the length has seen the end with it.
    if (sent === length) last = Buffer.from(piece);
    else await exchange.send(piece, idleMs, task.signal);
  }
  // Whoever has seen the end may destroy the VDI at once.
  await disks.disposeAsync();
  if (last !== undefined) await exchange.send(last, idleMs, task.signal);
  await exchange.finish(idleMs, task.signal);
}
