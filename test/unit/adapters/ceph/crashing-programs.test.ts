/** `rbd` ends by a signal now and then. */
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Cluster } from '../../../../src/adapters/ceph/cluster.ts';
import { readSettings } from '../../../../src/adapters/ceph/settings.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

const path = process.env['PATH'] ?? '';
let cluster: Cluster;
let runs: () => Promise<number>;
let remove: () => Promise<void>;

beforeEach(async () => {
  const temporary = await temporaryFolder('crashes');
  remove = temporary.remove;
  const noted = join(temporary.path, 'runs');
  // Crashes twice, then answers.
  const script = `#!/bin/sh\necho run >>${noted}\n[ $(wc -l <${noted}) -gt 2 ] || kill -SEGV $$\necho done\n`;
  await writeFile(join(temporary.path, 'rbd'), script);
  await chmod(join(temporary.path, 'rbd'), 0o755);
  process.env['PATH'] = `${temporary.path}:${path}`;
  runs = async () => (await readFile(noted, 'utf8')).split('\n').length - 1;
  const settings = { monHosts: ['127.0.0.1'], pool: 'rbd' };
  cluster = await Cluster.open(
    'unit-crashes',
    readSettings({ settings, secrets: { key: 'AQBvaBlnAAAAABAAKbVl4YJnZkZ0Y2hpbmc9PQ==' } }),
  );
});
afterEach(async () => {
  process.env['PATH'] = path;
  await cluster.close();
  await remove();
});

it('looks again when a call that changes nothing crashed', async () => {
  expect(await cluster.rbd(['ls'], { what: 'look' })).toBe('done\n');
  expect(await runs()).toBe(3);
});

it('does not repeat a call that changes something: nobody knows whether it did', async () => {
  const call = { what: 'change', mutating: true };
  await expect(cluster.rbd(['rm'], call)).rejects.toMatchObject({ code: 'UNKNOWN_OUTCOME' });
  expect(await runs()).toBe(1);
});
