/**
 * What a test needs from the machine. A test whose needs are not met is skipped and named, with its
 * reason in its title, so that the run's summary can list it; on Debian as root `npm test` installs
 * the programs first, so that nothing is skipped there.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe } from 'vitest';

export interface Need {
  /** Why the need is not met; undefined when it is. */
  readonly missing: string | undefined;
}

/** Where `name` is installed, looking in PATH and in the system's own folders. */
export function findProgram(name: string): string | undefined {
  const folders = [
    ...(process.env['PATH'] ?? '').split(delimiter),
    '/usr/local/sbin',
    '/usr/sbin',
    '/sbin',
  ];
  for (const folder of folders) {
    if (folder === '') continue;
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not in this folder
    }
  }
  return undefined;
}

export function program(name: string, debianPackage: string): Need {
  const found = findProgram(name) !== undefined;
  return { missing: found ? undefined : `${name} (Debian package ${debianPackage})` };
}

export function file(path: string, debianPackage: string): Need {
  try {
    accessSync(path, constants.R_OK);
    return { missing: undefined };
  } catch {
    return { missing: `${path} (Debian package ${debianPackage})` };
  }
}

export function root(): Need {
  return { missing: process.getuid?.() === 0 ? undefined : 'root' };
}

/** For what takes minutes and is run when its part changes (docs/TESTING.md). */
export function slow(): Need {
  return { missing: process.env['ROOTCAST_SLOW'] === '1' ? undefined : 'ROOTCAST_SLOW=1' };
}

/** A `describe` that is skipped, with the reason in its name, when a need is not met. */
export function describeWith(needs: readonly Need[], name: string, body: () => void): void {
  const missing = needs.flatMap((need) => (need.missing === undefined ? [] : [need.missing]));
  if (missing.length === 0) describe(name, body);
  else describe.skip(`${name} [skipped: needs ${missing.join(', ')}]`, body);
}
