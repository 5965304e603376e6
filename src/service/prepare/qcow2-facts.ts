import { type RunOptions, runProgram } from '../demo/index.ts';
import { unsupported } from './prepare-system.ts';

/**
 * What a qcow2 file loses when another takes its place.
 * @returns what is to be said of it
 * @throws Fault IMAGE_UNSUPPORTED, ProgramError
 */
export async function checkQcow2(path: string, run: RunOptions): Promise<readonly string[]> {
  const asked = ['qemu-img', 'info', '-f', 'qcow2', '--output=json', path] as const;
  return qcow2Notes(path, await runProgram([...asked], run));
}

/** @param json of `qemu-img info`. @throws Fault IMAGE_UNSUPPORTED */
export function qcow2Notes(path: string, json: string): readonly string[] {
  const facts = JSON.parse(json) as {
    readonly snapshots?: readonly unknown[];
    readonly 'backing-filename'?: string;
  };
  const { snapshots = [], 'backing-filename': backing } = facts;
  if (snapshots.length > 0) {
    const why = `it has ${snapshots.length} snapshots inside, which would be lost (qemu-img snapshot -d)`;
    throw unsupported(path, why);
  }
  return backing === undefined ? [] : [`it stands alone now: ${backing} is no longer below it`];
}
