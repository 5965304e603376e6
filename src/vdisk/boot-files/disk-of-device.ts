import type { ReadableBlockDevice } from '../../block/index.ts';
import type { Disk } from './partition-table.ts';

/** Reads of any offset and length over a device that wants them aligned and not too long. */
export function diskOfDevice(device: ReadableBlockDevice): Disk {
  const { size, minimumIo, maximumIo } = device.geometry;
  return {
    size,
    async read(target, offset) {
      const start = offset - (offset % minimumIo);
      const end = Math.ceil((offset + target.length) / minimumIo) * minimumIo;
      const whole = start === offset && end === offset + target.length;
      const bytes = whole ? target : Buffer.alloc(end - start);
      for (let done = 0; done < bytes.length; done += maximumIo) {
        await device.read(bytes.subarray(done, done + maximumIo), start + done);
      }
      if (!whole) bytes.copy(target, 0, offset - start);
    },
  };
}
