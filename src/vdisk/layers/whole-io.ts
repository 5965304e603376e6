import { type BlockDevice, PLAIN, type ReadableBlockDevice } from '../../block/index.ts';

/** Reads any number of bytes, in pieces that the device takes. */
export async function readAll(
  device: ReadableBlockDevice,
  target: Buffer,
  offset: number,
): Promise<void> {
  const most = device.geometry.maximumIo;
  for (let done = 0; done < target.length; done += most) {
    await device.read(target.subarray(done, done + most), offset + done);
  }
}

/** Writes any number of bytes, in pieces that the device takes. */
export async function writeAll(device: BlockDevice, bytes: Buffer, offset: number): Promise<void> {
  const most = device.geometry.maximumIo;
  for (let done = 0; done < bytes.length; done += most) {
    await device.write(bytes.subarray(done, done + most), offset + done, PLAIN);
  }
}
