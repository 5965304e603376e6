/** What xapi's quicktest_vdi.ml asserts, in our words. */
import { expect, it } from 'vitest';
import { until } from '../../../support/until.ts';
import {
  failure,
  int,
  MIB,
  NULL,
  newVdi,
  type QuicktestClient,
  time,
  updated,
  withDestroyed,
  withVdi,
} from './client.ts';

export function vdiSuite(client: () => QuicktestClient): void {
  const get = (vdi: string, field: string) => client().call(`VDI.get_${field}`, vdi);

  it('creates disks that are large enough, and destroys them', async () => {
    for (const mib of [4, 5, 6, 7, 8]) {
      const size = mib * MIB + 1;
      const vdi = await newVdi(client(), size);
      expect(int(await get(vdi, 'virtual_size'))).toBeGreaterThanOrEqual(size);
      const uuid = await get(vdi, 'uuid');
      await client().call('VDI.destroy', vdi);
      await client().call('SR.scan', client().sr);
      expect((await failure(client(), 'VDI.get_by_uuid', uuid))[0]).toBe('UUID_INVALID');
    }
  });

  it('updates and generates a configuration', async () => {
    await withVdi(client(), async (vdi) => {
      expect(await updated(client(), vdi)).toEqual([]);
      await client().call('VDI.generate_config', client().host, vdi);
    });
  });

  it('resizes to at least what was asked for', async () => {
    await withVdi(client(), async (vdi) => {
      const size = int(await get(vdi, 'virtual_size')) + MIB;
      await client().call('VDI.resize', vdi, size);
      expect(int(await get(vdi, 'virtual_size'))).toBeGreaterThanOrEqual(size);
    });
  });

  it('lets nobody forget a record alone', async () => {
    await withVdi(client(), async (vdi) => {
      expect((await failure(client(), 'VDI.db_forget', vdi))[0]).toBe('PERMISSION_DENIED');
    });
  });

  it('introduces no uuid and no location twice', async () => {
    await withVdi(client(), async (vdi) => {
      const introduce = (uuid: unknown, location: unknown) =>
        failure(
          client(),
          ...(['VDI.introduce', uuid, 'bad', '', client().sr, 'user'] as const),
          ...[false, false, new Map(), location],
        );
      await introduce(await get(vdi, 'uuid'), 'OpaqueRef:of-nothing');
      const free = '5fd1cf8a-0000-4000-8000-00000000aaaa';
      expect((await introduce(free, await get(vdi, 'location')))[0]).toBe('LOCATION_NOT_UNIQUE');
    });
  });

  const sameButLocation = async (vdi: string, made: string): Promise<void> => {
    for (const field of ['virtual_size', 'tags']) {
      expect(await get(made, field)).toEqual(await get(vdi, field));
    }
    expect(await get(made, 'location')).not.toBe(await get(vdi, 'location'));
  };

  const checkSnapshot = async (vdi: string): Promise<void> => {
    const begun = Date.now();
    const snapshot = String(await client().call('VDI.snapshot', vdi, new Map()));
    await withDestroyed(client(), snapshot, async () => {
      const taken = time(await get(snapshot, 'snapshot_time'));
      // Wires have whole seconds.
      expect(taken).toBeGreaterThanOrEqual(begun - (begun % 1000));
      expect(taken).toBeLessThanOrEqual(Date.now());
      expect(await get(snapshot, 'is_a_snapshot')).toBe(true);
      expect(await get(snapshot, 'snapshot_of')).toBe(vdi);
      await sameButLocation(vdi, snapshot);
      expect(await updated(client(), snapshot)).toEqual([]);
    });
  };

  it('takes snapshots', async () => {
    await withVdi(client(), async (vdi) => {
      await client().call('VDI.set_tags', vdi, ['quick', 'test']);
      await checkSnapshot(vdi);
    });
  });

  it('clones', async () => {
    await withVdi(client(), async (vdi) => {
      await client().call('VDI.set_tags', vdi, ['quick', 'test']);
      const clone = String(await client().call('VDI.clone', vdi, new Map()));
      await withDestroyed(client(), clone, () => sameButLocation(vdi, clone));
    });
  });

  const controlDomain = async (): Promise<string> => {
    for (const vm of (await client().call('VM.get_all')) as readonly string[]) {
      if ((await client().call('VM.get_is_control_domain', vm)) === true) return vm;
    }
    throw new Error('there is no control domain');
  };

  const newVbd = async (vdi: string, mode: 'RO' | 'RW', userdevice = 'autodetect') =>
    String(
      await client().call('VBD.create', {
        ...{ VM: await controlDomain(), VDI: vdi, userdevice, bootable: false, mode, type: 'Disk' },
        ...{ unpluggable: true, empty: false, other_config: new Map(), qos_algorithm_type: '' },
        ...{ qos_algorithm_params: new Map(), device: '', currently_attached: false },
      }),
    );

  it('takes snapshots of what is plugged', async () => {
    await withVdi(client(), async (vdi) => {
      const vbd = await newVbd(vdi, 'RW');
      await client().call('VBD.plug', vbd);
      try {
        await checkSnapshot(vdi);
      } finally {
        await client().call('VBD.unplug', vbd);
        await client().call('VBD.destroy', vbd);
      }
      await checkSnapshot(vdi);
    });
  });

  it('creates and plugs after the SR was unplugged and plugged', async () => {
    const pbds = (await client().call('SR.get_PBDs', client().sr)) as readonly string[];
    for (const pbd of pbds) {
      await client().call('PBD.unplug', pbd);
      expect(await client().call('PBD.get_currently_attached', pbd)).toBe(false);
      await client().call('PBD.plug', pbd);
    }
    await withVdi(client(), async (vdi) => {
      const vbd = await newVbd(vdi, 'RW');
      await client().call('VBD.plug', vbd);
      expect(await client().call('VBD.get_currently_attached', vbd)).toBe(true);
      await client().call('VBD.unplug', vbd);
      await client().call('VBD.destroy', vbd);
    });
  });

  it('copies into the same SR', async () => {
    await withVdi(client(), async (vdi) => {
      const [device = ''] = (await client().call(
        'VM.get_allowed_VBD_devices',
        await controlDomain(),
      )) as readonly string[];
      const vbd = await newVbd(vdi, 'RW', device);
      const copy = String(await client().call('VDI.copy', vdi, client().sr, NULL, NULL));
      await withDestroyed(client(), copy, async () => {
        expect(await get(copy, 'SR')).toBe(client().sr);
      });
      await client().call('VBD.destroy', vbd);
    });
  });

  it('plugs twenty devices of one disk that only read it', async () => {
    await withVdi(client(), async (vdi) => {
      const vbds: string[] = [];
      for (let count = 0; count < 20; count++) vbds.push(await newVbd(vdi, 'RO'));
      for (const vbd of vbds) await client().call('VBD.plug', vbd);
      expect((await failure(client(), 'VDI.destroy', vdi))[0]).toBe('VDI_IN_USE');
      for (const vbd of vbds) await client().call('VBD.unplug', vbd);
    });
  });
}

/** What quicktest_async_calls.ml asserts. */
export function asyncSuite(client: () => QuicktestClient): void {
  it('does a copy as a task', async () => {
    await withVdi(client(), async (vdi) => {
      const given = [vdi, client().sr, NULL, NULL] as const;
      const task = String(await client().call('Async.VDI.copy', ...given));
      await until('the task has ended', async () => {
        return (await client().call('task.get_status', task)) !== 'pending';
      });
      expect(await client().call('task.get_status', task)).toBe('success');
      const result = String(await client().call('task.get_result', task));
      const [, copy = ''] = /^<value>(.*)<\/value>$/.exec(result) ?? [];
      await client().call('task.destroy', task);
      await client().call('VDI.destroy', copy);
    });
  });
}
