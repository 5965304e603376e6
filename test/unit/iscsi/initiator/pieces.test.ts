/** A PDU may come in any pieces: headers, digests and data cut wherever the network likes. */
import { describe, expect, it } from 'vitest';
import { benchOfTargets, SIZE } from './bench.ts';

const bench = benchOfTargets();

describe('bytes in any pieces', () => {
  it.each([1, 7, 47, 49, 1000])('of %i', async (piece) => {
    const target = await bench.target();
    target.disk.content.fill('pieces ');
    const device = await bench.open([target], { headerDigest: true, dataDigest: true });
    for (const { socket } of target.connections) {
      const write = socket.write.bind(socket);
      const queue: Buffer[] = [];
      const next = (): void => {
        const bytes = queue.shift();
        if (bytes !== undefined) write(bytes, () => setImmediate(next));
      };
      socket.setNoDelay(true);
      socket.write = ((bytes: Buffer) => {
        const idle = queue.length === 0;
        for (let at = 0; at < bytes.length; at += piece) queue.push(bytes.subarray(at, at + piece));
        if (idle) next();
        return true;
      }) as typeof socket.write;
    }
    const read = Buffer.alloc(piece === 1 ? 512 : SIZE / 8);
    await device.read(read, 512);
    expect(read.equals(target.disk.content.subarray(512, 512 + read.length))).toBe(true);
    expect(target.logins).toBe(1);
  });
});
