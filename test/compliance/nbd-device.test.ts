/** A remote export keeps the contract of a device, in each reply style: our client, our server, a disk in memory. */
import { connectNbd, createNbdServer, nbdDevice, singleExport } from '../../src/nbd/index.ts';
import { filledMemory, randomContent } from '../support/content.ts';
import { describeBlockDevice } from './block-device.ts';

const SIZE = 1024 * 1024 + 3 * 4096 + 512;

for (const style of ['simple', 'structured', 'extended'] as const) {
  for (const minimumIo of [1, 512]) {
    describeBlockDevice(`NBD client (${style} replies, minimum ${minimumIo})`, async () => {
      const content = randomContent(SIZE);
      const server = createNbdServer({
        exports: singleExport('x', filledMemory(content, minimumIo)),
      });
      const address = await server.listen({ host: '127.0.0.1', port: 0 });
      if (address === undefined || !('port' in address)) throw new Error('no port');
      const client = await connectNbd(`nbd://127.0.0.1:${address.port}/x`, { style });
      return { device: nbdDevice(client), content, dispose: () => server.close() };
    });
  }
}
