/** Space for all of a file at once. Node has no fallocate, so util-linux's program of that name does it. */
import { spawn } from 'node:child_process';

/**
 * The first `size` bytes of the file have blocks of their own afterwards, also beyond its end: its size does not
 * change, or a full file system would leave it grown by as much as there was. What it held stays.
 * @returns false: this file system cannot, or there is no such program
 * @throws an error with `code` ENOSPC, or EIO with what the program said
 */
export function allocate(path: string, size: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn('fallocate', ['--keep-size', '--length', String(size), '--', path], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, LC_ALL: 'C' },
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(0, 1000);
    });
    child.on('error', () => resolve(false));
    child.on('close', (code) => {
      if (code === 0) resolve(true);
      else if (/not supported|Inappropriate|unrecognized/i.test(said)) resolve(false);
      else {
        const reason = /No space left/i.test(said) ? 'ENOSPC' : 'EIO';
        reject(Object.assign(new Error(`fallocate: ${said.trim()}`), { code: reason }));
      }
    });
  });
}
