/** Secrets: a client's own, and those of PBDs. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OBJECT_CLASSES } from '../../../../src/xenapi/datamodel/index.ts';
import { SECRET } from '../../../../src/xenapi/datamodel/secret.ts';
import { HOST, NONE, StorageRig } from './storage-rig.ts';

let rig: StorageRig;
beforeEach(async () => {
  rig = await StorageRig.open();
});
afterEach(async () => {
  expect(rig.rig.troubles).toEqual([]);
  await rig.close();
});

const PASSWORD = 'a password of 20 characters';

describe('secret', () => {
  it('is made, read, changed and destroyed by pool operators alone', async () => {
    const ref = await rig.call<string>('secret.create', {
      value: PASSWORD,
      other_config: new Map([['of', 'me']]),
    });
    const uuid = await rig.call<string>('secret.get_uuid', ref);
    expect(await rig.call('secret.get_record', ref)).toEqual({
      uuid,
      value: PASSWORD,
      other_config: new Map([['of', 'me']]),
    });
    expect(await rig.call('secret.get_by_uuid', uuid)).toBe(ref);
    await rig.call('secret.set_value', ref, 'another');
    await rig.call('secret.add_to_other_config', ref, 'more', '1');
    rig = await rig.restarted();
    expect(await rig.call('secret.get_value', ref)).toBe('another');
    expect(await rig.call('secret.get_all_records')).toEqual(
      new Map([
        [
          ref,
          {
            uuid,
            value: 'another',
            other_config: new Map([
              ['of', 'me'],
              ['more', '1'],
            ]),
          },
        ],
      ]),
    );
    rig.rig.role = 'vm-power-admin';
    for (const method of ['secret.get_value', 'secret.get_record', 'secret.destroy']) {
      expect((await rig.refusal(method, ref))[0]).toBe('RBAC_PERMISSION_DENIED');
    }
    expect((await rig.refusal('secret.get_all'))[0]).toBe('RBAC_PERMISSION_DENIED');
    rig.rig.role = 'pool-operator';
    await rig.call('secret.destroy', ref);
    expect(await rig.refusal('secret.get_value', ref)).toEqual(['HANDLE_INVALID', 'secret', ref]);
    expect(await rig.refusal('secret.get_by_uuid', uuid)).toEqual(['UUID_INVALID', 'secret', uuid]);
    expect(rig.control.catalog.secrets.of(`secret/${uuid}`)).toEqual({});
  });

  it('is in nothing that is told or kept elsewhere', async () => {
    const ref = await rig.call<string>('secret.create', { value: PASSWORD });
    await rig.call('secret.set_value', ref, PASSWORD);
    const { catalog } = rig.control;
    const kept = JSON.stringify([catalog.xenObjects.all('secret'), rig.control.tasks.list()]);
    expect(kept).not.toContain(PASSWORD);
    expect([...rig.rig.xen.objects.since(0)].map(({ className }) => className)).not.toContain(
      'secret',
    );
    // The service, too, has them in no database of objects.
    expect(OBJECT_CLASSES).not.toContain(SECRET);
  });

  it('has a limit of its length, and a uuid that is its own', async () => {
    const [code, field, value] = await rig.refusal('secret.create', { value: 'x'.repeat(5000) });
    expect([code, field, value]).toEqual(['VALUE_NOT_SUPPORTED', 'value', '']);
    const uuid = '11111111-2222-3333-4444-555555555555';
    await rig.call('secret.introduce', uuid, PASSWORD);
    expect(await rig.refusal('secret.introduce', uuid, PASSWORD)).toEqual([
      'INVALID_VALUE',
      'uuid',
      uuid,
    ]);
  });
});

describe('passwords of device_config', () => {
  const config = (more: Record<string, string>) =>
    new Map(Object.entries({ target: 'array', folder: rig.path('a'), chapuser: 'me', ...more }));
  const create = (more: Record<string, string>): Promise<string> =>
    rig.call('SR.create', HOST, config(more), 0, 'x', '', 'simulated', 'user', false, NONE);

  it('become a secret of the PBD, which ends with it', async () => {
    const sr = await create({ chappassword: PASSWORD });
    const { uuid: id } = await rig.sr(sr);
    const shown = (await rig.pbd(sr)).device_config;
    const uuid = shown.get('chappassword_secret') ?? '';
    expect(shown).toEqual(config({ chappassword_secret: uuid }));
    const secret = await rig.call<string>('secret.get_by_uuid', uuid);
    expect(await rig.call('secret.get_value', secret)).toBe(PASSWORD);
    expect(rig.control.catalog.secrets.of(id)).toEqual({ chappassword: PASSWORD });
    expect((await rig.refusal('secret.destroy', secret))[0]).toBe('OPERATION_NOT_ALLOWED');
    await rig.call('secret.set_value', secret, 'new');
    expect(rig.control.catalog.secrets.of(id)).toEqual({ chappassword: 'new' });
    const pbd = await rig.pbdRef(sr);
    await rig.call('PBD.unplug', pbd);
    await rig.call('PBD.destroy', pbd);
    expect(await rig.call('secret.get_all')).toEqual([]);
    expect(rig.control.catalog.secrets.of(id)).toEqual({});
  });

  it('are looked up when a secret is named, and copied', async () => {
    const mine = await rig.call<string>('secret.create', { value: PASSWORD });
    const uuid = await rig.call<string>('secret.get_uuid', mine);
    const sr = await create({ chappassword_secret: uuid });
    const own = (await rig.pbd(sr)).device_config.get('chappassword_secret');
    expect(own).not.toBe(uuid);
    await rig.call('secret.destroy', mine);
    const copy = await rig.call<string>('secret.get_by_uuid', own);
    expect(await rig.call('secret.get_value', copy)).toBe(PASSWORD);
    const unknown = config({ chappassword_secret: uuid });
    const given = [HOST, unknown, 0, 'y', '', 'simulated', 'user', false, NONE];
    expect(await rig.refusal('SR.create', ...given)).toEqual(['UUID_INVALID', 'secret', uuid]);
  });

  it('wait for an SR that is introduced, also when it cannot be plugged at first, and go with it', async () => {
    const sr = await rig.introduce('', 'x', 'simulated');
    const given = Object.fromEntries(config({ chappassword: PASSWORD, target: 'nothing here' }));
    const pbd = await rig.createPbd(sr, given);
    const uuid = (await rig.pbd(sr)).device_config.get('chappassword_secret');
    const secret = await rig.call<string>('secret.get_by_uuid', uuid);
    expect((await rig.refusal('PBD.plug', pbd))[0]).toBe('SR_BACKEND_FAILURE_47');
    expect(await rig.call('secret.get_value', secret)).toBe(PASSWORD);
    expect((await rig.pbd(sr)).device_config.get('chappassword_secret')).toBe(uuid);
    await rig.call('SR.forget', sr);
    expect(await rig.call('secret.get_all')).toEqual([]);
    const waiting = rig.control.catalog.secrets.of(`PBD/${(uuid ?? '').slice(0, 0)}`);
    expect(waiting).toEqual({});
  });
});
