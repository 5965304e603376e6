/** A server over any BlockDevice: `node examples/nbd-server.ts`, then `nbdinfo nbd://localhost:10809`. */
import { MemoryDevice } from '../src/block/index.ts';
import { createNbdServer, singleExport } from '../src/nbd/index.ts';

const device = new MemoryDevice({ size: 256 * 1024 * 1024 });
const server = createNbdServer({ exports: singleExport('memory', device, 'lost at exit') });
const port = Number(process.argv[2] ?? 10809);
console.log('serving on', await server.listen({ host: '127.0.0.1', port }));
process.once('SIGTERM', async () => {
  await server.drain(5_000);
  await device.close();
});
