/** A file system that is really full: the write that does not fit gets ENOSPC, all else goes on. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { describeWith, program, root } from '../support/requires.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

describeWith(
  [root(), program('unshare', 'util-linux'), program('fallocate', 'util-linux')],
  'an overlay on a full file system',
  () => {
    test('refuses what does not fit, keeps what does, and goes on after a trim', async () => {
      const folder = await temporaryFolder('full');
      try {
        const script = fileURLToPath(new URL('./full-disk-process.ts', import.meta.url));
        const command = 'mount -t tmpfs -o size=6m tmpfs "$1" && exec "$2" "$3" "$1"';
        const words = ['-m', 'sh', '-c', command, 'sh', folder.path, process.execPath, script];
        const report = JSON.parse(execFileSync('unshare', words, { encoding: 'utf8' }));
        expect(report).toMatchObject({
          refusal: 'ENOSPC',
          told: ['repository'],
          full: 'repository',
          rewrite: 'ok',
          flush: 'ok',
          wrongOwned: 0,
          refusedReads: 0,
          afterTrim: 'ok',
          wrongLater: 0,
        });
        expect(report.blocks).toBeGreaterThan(1000);
        expect(report.blocks).toBeLessThan(1537);
      } finally {
        await folder.remove();
      }
    });
  },
);
