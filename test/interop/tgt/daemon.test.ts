/** tgtd as an array: who gets in, which disk it is, and what is left when the daemon dies. libiscsi's tools judge. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { tgtAdapter } from '../../../src/adapters/tgt/index.ts';
import { PLAIN } from '../../../src/block/index.ts';
import type {
  ArrayControl,
  ArrayVolume,
  HostIdentity,
  MaskingControl,
  VolumeData,
} from '../../../src/repositories/index.ts';
import { readAll } from '../../compliance/block-device.ts';
import { inquire, QemuInitiator } from '../../support/qemu-initiator.ts';
import { describeWith, program } from '../../support/requires.ts';
import { run } from '../../support/run-program.ts';
import { Tgtd } from '../../support/tgtd.ts';

const OURS = 'iqn.2026-01.dev.rootcast:here';
const HOST: HostIdentity = {
  name: 'host-1',
  iqns: ['iqn.2026-01.test.host:h1'],
  addresses: ['127.0.0.1'],
};
const [INITIATOR = ''] = HOST.iqns;
const STRANGER = 'iqn.2026-01.test.host:stranger';
const CHAP = { user: 'h1-user', password: 'one-way-secret-1' };
const MUTUAL = { user: 'array-user', password: 'other-way-secret' };

const NEEDS = [
  program('tgtd', 'tgt'),
  program('iscsi-inq', 'libiscsi-bin'),
  program('qemu-nbd', 'qemu-utils'),
];

describeWith(NEEDS, 'tgtd as an array', () => {
  let daemon: Tgtd;
  let control: ArrayControl;
  let data: VolumeData;
  let operations = 0;

  const opId = (): string => {
    operations += 1;
    return `op-${operations}`;
  };

  const masking = (): MaskingControl => {
    if (control.masking === undefined) throw new Error('no masking');
    return control.masking;
  };

  beforeAll(async () => {
    daemon = await Tgtd.start();
    const { ipcSocket, controlPort } = daemon;
    const adapter = tgtAdapter(() => new QemuInitiator(daemon.folder));
    const connection = {
      repositoryId: 'tgt-test',
      settings: { folder: join(daemon.folder, 'volumes'), ipcSocket, controlPort },
      secrets: {},
      initiatorName: OURS,
    };
    const parts = {
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      clock: () => performance.now(),
    };
    const { signal } = new AbortController();
    const ready = await adapter.probe(connection, parts, signal);
    expect(ready).toMatchObject({ step: 'ready', choose: undefined });
    control = await adapter.attach(connection, parts, { create: true, signal });
    data = adapter.openData(connection, parts, async (question) => control.answer?.(question));
    const [found] = (await adapter.probe(connection, parts, signal)).found;
    expect(found?.holds?.repositoryId).toBe('tgt-test');
  });

  afterAll(async () => {
    await data?.close?.();
    await control?.close();
    await daemon?.stop();
  });

  const create = (name: string): Promise<ArrayVolume> =>
    control.createVolume({
      opId: opId(),
      tag: `tag-${name}`,
      name,
      size: 4 * 1024 * 1024,
      thin: true,
    });

  const mayLogIn = async (volume: ArrayVolume, initiator: string, login = '', env = {}) => {
    const { iqn } = volume.locator.address;
    const url = `iscsi://${login}${daemon.portal}/${iqn}/1`;
    const { code } = await run('iscsi-inq', ['-i', initiator, url], { env, timeout: 10_000 });
    return code === 0;
  };

  it('lets in nobody but the hosts that a volume is mapped to', async () => {
    const volume = await create('masked');
    expect(await mayLogIn(volume, INITIATOR)).toBe(false);
    await masking().map({ opId: opId(), volume: volume.ref, host: HOST, mode: 'rw' });
    expect(await mayLogIn(volume, INITIATOR)).toBe(true);
    // From the same address: names alone count.
    expect(await mayLogIn(volume, STRANGER)).toBe(false);
    await masking().fence?.({ opId: opId(), host: HOST });
    expect(await mayLogIn(volume, INITIATOR)).toBe(false);
    await masking().unfence?.({ opId: opId(), host: HOST });
    expect(await mayLogIn(volume, INITIATOR)).toBe(true);
    await masking().unmap({ opId: opId(), volume: volume.ref });
    expect(await mayLogIn(volume, INITIATOR)).toBe(false);
  });

  it('enforces CHAP, one-way and mutual, and shows no password', async () => {
    const volume = await create('chap');
    const chap = { ...CHAP, mutual: MUTUAL };
    const request = { opId: opId(), volume: volume.ref, host: HOST, mode: 'rw', chap } as const;
    const mapping = await masking().map(request);
    const login = `${CHAP.user}%${CHAP.password}@`;
    expect(await mayLogIn(volume, INITIATOR)).toBe(false);
    expect(await mayLogIn(volume, INITIATOR, `${CHAP.user}%not-the-password@`)).toBe(false);
    expect(await mayLogIn(volume, INITIATOR, login)).toBe(true);
    const env = (password: string) => ({
      LIBISCSI_CHAP_TARGET_USERNAME: MUTUAL.user,
      LIBISCSI_CHAP_TARGET_PASSWORD: password,
    });
    expect(await mayLogIn(volume, INITIATOR, login, env(MUTUAL.password))).toBe(true);
    expect(await mayLogIn(volume, INITIATOR, login, env('another-secret-1'))).toBe(false);
    const said = JSON.stringify([mapping, await control.listVolumes({ ownedOnly: true })]);
    for (const secret of [CHAP.password, MUTUAL.password]) expect(said).not.toContain(secret);
    const other = { ...HOST, name: 'host-2', iqns: [STRANGER] };
    await expect(
      masking().map({ opId: opId(), volume: volume.ref, host: other, mode: 'rw' }),
    ).rejects.toMatchObject({ code: 'INITIATOR_CONFLICT' });
    await masking().unmap({ opId: opId(), volume: volume.ref });
    const { stdout } = await daemon.tgtadm('--mode', 'account', '--op', 'show');
    expect(stdout).not.toContain(CHAP.user);
  });

  it('has its targets again after the daemon was killed: same disks, same data, same hosts', async () => {
    const volume = await create('survivor');
    const content = Buffer.alloc(volume.size, 0x5a);
    const device = await data.open(volume.locator, { write: true });
    await device.write(content, 0, PLAIN);
    await device.flush();
    await device.close();
    const chap = { ...CHAP };
    const request = { opId: opId(), volume: volume.ref, host: HOST, mode: 'rw', chap } as const;
    await masking().map(request);
    const login = `${CHAP.user}%${CHAP.password}@`;
    const iqn = String(volume.locator.address['iqn']);
    const before = await inquire(daemon.portal, iqn, INITIATOR, login);
    expect(before).toContain(String(volume.locator.address['wwid']).slice(1));
    await daemon.kill();
    expect((await control.health()).state).toBe('failed');
    await daemon.boot();
    const health = await control.health();
    expect(health.state).toBe('degraded');
    expect(health.messages.join()).toContain('made again');
    expect((await control.health()).state).toBe('good');
    expect(await inquire(daemon.portal, iqn, INITIATOR, login)).toBe(before);
    expect(await mayLogIn(volume, INITIATOR)).toBe(false);
    await masking().unmap({ opId: opId(), volume: volume.ref });
    const again = await data.open(volume.locator, { write: false });
    expect((await readAll(again)).equals(content)).toBe(true);
    await again.close();
    expect(await mayLogIn(volume, OURS), 'nobody is let in when it is closed').toBe(false);
  });
});
