/** An IPv6 address can be written in several ways; Ceph prints one of them. */
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Cluster } from '../../../../src/adapters/ceph/cluster.ts';
import { Images } from '../../../../src/adapters/ceph/images.ts';
import { Masking } from '../../../../src/adapters/ceph/masking.ts';
import { readSettings } from '../../../../src/adapters/ceph/settings.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

const HOST = { name: 'other', iqns: [], addresses: ['FD00:0:0::7'] };
const path = process.env['PATH'] ?? '';
let cluster: Cluster;
let changes: () => Promise<string[]>;
let remove: () => Promise<void>;

beforeEach(async () => {
  const temporary = await temporaryFolder('masking');
  remove = temporary.remove;
  const noted = join(temporary.path, 'changes');
  const listed = '[{"addr":"[fd00::7]:0/0"},{"addr":"[fd00::7]:0/42"},{"addr":"10.0.0.7:0/0"}] []';
  const watchers = '[{"address":"[fd00::7]:0/42"},{"address":"[fd00::8]:0/43"}]';
  const programs = {
    ceph: `case "$*" in *' ls '*) echo '${listed}' ;; *) echo "$*" >>${noted} ;; esac`,
    rbd: `case "$*" in *'ls '*) echo '["win10"]' ;; *) echo '{"watchers":${watchers}}' ;; esac`,
  };
  for (const [name, script] of Object.entries(programs)) {
    await writeFile(join(temporary.path, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(temporary.path, name), 0o755);
  }
  process.env['PATH'] = `${temporary.path}:${path}`;
  changes = async () => {
    const calls = (await readFile(noted, 'utf8')).trimEnd().split('\n');
    return calls.map((call) => call.replace(/^.* blocklist (\w+ \S+).*$/, '$1'));
  };
  const settings = { monHosts: ['127.0.0.1'], pool: 'rbd' };
  cluster = await Cluster.open(
    'unit-masking',
    readSettings({ settings, secrets: { key: 'AQBvaBlnAAAAABAAKbVl4YJnZkZ0Y2hpbmc9PQ==' } }),
  );
});
afterEach(async () => {
  process.env['PATH'] = path;
  await cluster.close();
  await remove();
});

it('cuts a host off, its clients too, and lets it in again, however its address is written', async () => {
  const cut: string[] = [];
  const masking = new Masking(cluster, new Images(cluster), async (clients) => {
    cut.push(...clients);
  });
  await masking.fence({ opId: 'f', host: HOST });
  expect(cut).toEqual(['[fd00::7]:0/42']);
  expect(await changes()).toEqual(['add FD00:0:0::7', 'add [fd00::7]:0/42']);
  expect(await masking.fenced()).toEqual(['10.0.0.7', 'fd00::7']);
  await masking.unfence({ opId: 'u', host: HOST });
  expect((await changes()).slice(2)).toEqual(['rm fd00::7']);
});

it('blocks a client of IPv4 as Ceph knows it, and never this server as a whole', async () => {
  const masking = new Masking(cluster, new Images(cluster), async () => undefined);
  const host = (address: string) => ({ name: 'other', iqns: [], addresses: [address] });
  await masking.fence({ opId: 'f', host: host('0:0:0:0:0:FFFF:10.0.0.7') });
  expect(await changes()).toEqual(['add 10.0.0.7']);
  await masking.fence({ opId: 'g', host: host('::ffff:127.0.0.1') });
  await masking.unfence({ opId: 'u', host: host('::ffff:10.0.0.7') });
  expect((await changes()).slice(1)).toEqual(['rm 10.0.0.7']);
});
