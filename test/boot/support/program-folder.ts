import { existsSync, readdirSync, symlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Fills a folder with links to all programs of PATH but some, to be a PATH of its own. */
export function linkProgramsExcept(folder: string, left: RegExp): void {
  for (const from of (process.env['PATH'] ?? '').split(delimiter)) {
    if (from === '' || !existsSync(from)) continue;
    for (const name of readdirSync(from)) {
      const link = join(folder, name);
      // The first one in PATH wins, as in a shell.
      if (!left.test(name) && !existsSync(link)) {
        try {
          symlinkSync(join(from, name), link);
        } catch {
          // A dangling link of that name is there already.
        }
      }
    }
  }
}
