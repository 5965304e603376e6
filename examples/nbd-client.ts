/**
 * A client of any NBD server: lists the exports, shows the map of one, and reads its first sector.
 *
 *   node examples/nbd-server.ts &
 *   node examples/nbd-client.ts nbd://localhost:10809/memory
 */
import { connectNbd, listNbd, nbdDevice } from '../src/nbd/index.ts';

const uri = process.argv[2] ?? 'nbd://localhost:10809';
for (const { name, description } of await listNbd(uri))
  console.log(`export ${name}: ${description}`);

const client = await connectNbd(uri);
const { exportName, size, style } = client.negotiated;
console.log(`connected to ${exportName}: ${size} bytes, ${style} replies`);

const device = nbdDevice(client); // a BlockDevice like any other
try {
  for (let offset = 0; offset < size; ) {
    const extents = await device.extents(offset, size - offset, 1000);
    for (const { length, kind } of extents) {
      console.log(`${offset.toString().padStart(16)} ${length.toString().padStart(16)} ${kind}`);
      offset += length;
    }
  }
  const sector = Buffer.alloc(512);
  await device.read(sector, 0);
  console.log('first bytes:', sector.subarray(0, 16).toString('hex'));
} finally {
  await device.close();
}
