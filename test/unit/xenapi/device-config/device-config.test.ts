/** device_config against what the adapters really take. */
import { describe, expect, it } from 'vitest';
import { cephCapabilities } from '../../../../src/adapters/ceph/capabilities.ts';
import { lunCapabilities } from '../../../../src/adapters/iscsi/capabilities.ts';
import { NFS_CAPABILITIES } from '../../../../src/adapters/nfs/capabilities.ts';
import { TGT_CAPABILITIES } from '../../../../src/adapters/tgt/capabilities.ts';
import { Fault } from '../../../../src/errors/index.ts';
import { carvedCapabilities } from '../../../../src/repositories/index.ts';
import { ADAPTERS } from '../../../../src/service/storage/adapters.ts';
import { featuresOf } from '../../../../src/xenapi/device-config/features.ts';
import { withoutPasswords, withPasswords } from '../../../../src/xenapi/device-config/passwords.ts';
import { storageFailure } from '../../../../src/xenapi/device-config/storage-failure.ts';
import type { StorageType } from '../../../../src/xenapi/device-config/storage-type.ts';
import { STORAGE_TYPES, typeOfKind } from '../../../../src/xenapi/device-config/storage-types.ts';
import {
  missingIn,
  toDeviceConfig,
  toTarget,
  withSmConfig,
} from '../../../../src/xenapi/device-config/translate.ts';
import { XenError } from '../../../../src/xenapi/xen-error.ts';

const type = (name: string): StorageType => {
  const found = STORAGE_TYPES.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`no type ${name}`);
  return found;
};
const adapter = (kind: string) => {
  const found = ADAPTERS.find((candidate) => candidate.kind === kind);
  if (found === undefined) throw new Error(`no adapter ${kind}`);
  return found;
};
const config = (of: Record<string, string>) => new Map(Object.entries(of));

function target(name: string, of: Record<string, string>) {
  const chosen = type(name);
  const given = config(of);
  return toTarget(chosen, adapter(chosen.kindOf(given)), given);
}

function refusal(name: string, of: Record<string, string>): readonly string[] {
  try {
    target(name, of);
  } catch (error) {
    if (error instanceof XenError) return error.description;
    throw error;
  }
  throw new Error('it was taken');
}

describe('device_config', () => {
  it('has types for every adapter of the service, each under a name of its own', () => {
    const kinds = new Set(STORAGE_TYPES.flatMap((each) => each.kinds));
    expect([...kinds].sort()).toEqual(ADAPTERS.map(({ kind }) => kind).sort());
    const names = STORAGE_TYPES.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { kind } of ADAPTERS) expect(typeOfKind(kind, {})?.kinds).toContain(kind);
  });

  it('takes every setting of an adapter under its own name, and gives it back', () => {
    const texts = { text: 'x', integer: '7', boolean: 'true', list: 'a,b' } as const;
    const values = { text: 'x', integer: 7, boolean: true, list: ['a', 'b'] } as const;
    for (const each of STORAGE_TYPES.filter(({ kinds }) => kinds.length === 1)) {
      const [kind = ''] = each.kinds;
      for (const field of adapter(kind).settings) {
        const made = toTarget(each, adapter(kind), config({ [field.name]: texts[field.type] }));
        const { [field.name]: setting } = field.secret ? made.secrets : made.settings;
        expect(setting, `${each.name} ${field.name}`).toEqual(
          field.secret ? 'x' : values[field.type],
        );
        const back = toDeviceConfig(each, made.settings);
        expect(toTarget(each, adapter(kind), back).settings).toEqual(made.settings);
      }
    }
  });

  it('sends every key that it knows to a setting that there is', () => {
    const samples: Record<string, string> = { allocation: 'thick', options: 'vers=3,rsize=65536' };
    for (const each of STORAGE_TYPES.filter(({ kinds }) => kinds.length === 1)) {
      const [kind = ''] = each.kinds;
      const names = adapter(kind).settings.map(({ name }) => name);
      const keys = [...each.keys.keys(), ...each.needs.flatMap(({ oneOf }) => oneOf)];
      for (const key of keys) {
        const settings = [...each.toSettings(config({ [key]: samples[key] ?? '/x' })).keys()];
        expect(settings.length, `${each.name} ${key}`).toBeGreaterThan(0);
        expect(names).toEqual(expect.arrayContaining(settings));
      }
    }
  });

  it('is that of XenServer for NFS, and understands the options of mount', () => {
    const server = { server: '10.0.0.1', serverpath: '/x' };
    expect(
      target('nfs', {
        ...server,
        nfsversion: '4',
        options: 'hard,timeo=600,port=2050,wsize=65536',
      }),
    ).toEqual({
      ...{ kind: 'nfs', secrets: {} },
      settings: { ...server, nfsversion: '4', port: 2050, wsize: 65_536 },
    });
    expect(refusal('nfs', { ...server, options: 'hard,ro' }).slice(0, 2)).toEqual([
      'VALUE_NOT_SUPPORTED',
      'options',
    ]);
    expect(refusal('nfs', { ...server, options: 'sec=krb5' })[1]).toBe('options');
    expect(refusal('nfs', { ...server, useUDP: 'true' })[1]).toBe('useUDP');
    expect(target('nfs', { ...server, useUDP: 'false', probeversion: '3' }).settings).toEqual(
      server,
    );
    expect(refusal('nfs', { ...server, port: 'many' })[1]).toBe('port');
  });

  it('is that of XenServer for iSCSI', () => {
    const lun = { target: '10.0.0.1', targetIQN: 'iqn.2026-01.test:a', SCSIid: '360000' };
    const made = target('lvmoiscsi', {
      ...{ ...lun, port: '3261', chapuser: 'me', chappassword: 'secret-secret' },
      ...{ multihomed: 'true', usediscoverynumber: '1', LUNid: '' },
    });
    expect(made).toEqual({
      kind: 'iscsi',
      settings: { ...lun, port: 3261, chapuser: 'me' },
      secrets: { chappassword: 'secret-secret' },
    });
    const thick = withSmConfig(config(lun), config({ allocation: 'thick' }));
    expect(toTarget(type('lvmoiscsi'), adapter('iscsi'), thick).settings).toEqual({
      ...lun,
      overcommit: 1,
    });
    expect(refusal('lvmoiscsi', { ...lun, allocation: 'lots' })[1]).toBe('allocation');
    expect(refusal('lvmoiscsi', { ...lun, multiSession: 'x' })).toEqual([
      ...['VALUE_NOT_SUPPORTED', 'multiSession', ''],
      expect.stringContaining('lvmoiscsi'),
    ]);
  });

  it('is that of XenServer for disks, folders and ISO libraries', () => {
    expect(target('lvmohba', { SCSIid: '3600' }).settings).toEqual({ SCSIid: '3600' });
    expect(target('ext', { device: '/dev/sdb' })).toMatchObject({
      kind: 'san',
      settings: { device: '/dev/sdb' },
    });
    expect(refusal('lvm', { device: '/dev/sda,/dev/sdb' })[1]).toBe('device');
    expect(target('file', { location: '/srv' })).toMatchObject({
      kind: 'local',
      settings: { path: '/srv' },
    });
    const nfs = {
      kind: 'nfs',
      settings: { server: 'nas', serverpath: '/isos/linux', nfsversion: '4' },
    };
    const iso = { location: 'nas:/isos/', iso_path: '/linux', nfsversion: '4', type: 'nfs_iso' };
    expect(target('iso', iso)).toMatchObject(nfs);
    expect(target('iso', { location: '[fd00::1]:/isos' }).settings).toEqual({
      server: 'fd00::1',
      serverpath: '/isos',
    });
    expect(target('iso', { location: '/isos', legacy_mode: 'true' })).toMatchObject({
      kind: 'local',
      settings: { path: '/isos' },
    });
    expect(refusal('iso', { location: '//nas/isos', type: 'cifs', username: 'me' })[1]).toBe(
      'type',
    );
    expect(refusal('iso', { location: 'isos' })[1]).toBe('location');
    expect(
      toDeviceConfig(type('iso'), { server: 'fd00::1', serverpath: '/isos', nfsversion: '4' }),
    ).toEqual(config({ nfsversion: '4', location: '[fd00::1]:/isos' }));
  });

  it('lacks what the driver asks for first', () => {
    const number = (name: string, of: Record<string, string>) =>
      missingIn(type(name), config(of))?.number;
    expect(number('nfs', {})).toBe(102);
    expect(number('nfs', { server: 'x', serverpath: '' })).toBe(101);
    expect(number('lvmoiscsi', {})).toBe(95);
    expect(number('lvmoiscsi', { target: 'x' })).toBe(96);
    expect(number('lvmoiscsi', { target: 'x', targetIQN: 'y' })).toBe(107);
    expect(number('lvmoiscsi', { target: 'x', targetIQN: 'y', LUNid: '1' })).toBeUndefined();
    expect(number('lvmohba', {})).toBe(107);
    expect(number('ext', {})).toBe(90);
    expect(number('file', {})).toBe(94);
    expect(number('iso', {})).toBe(94);
  });

  it('never shows a password', () => {
    const given = config({ target: 'x', chappassword: 'p', incoming_chappassword: 'q' });
    const shown = withoutPasswords(given, adapter('iscsi'), (field) => `uuid of ${field}`);
    expect(shown).toEqual(
      config({
        target: 'x',
        chappassword_secret: 'uuid of chappassword',
        incoming_chappassword_secret: 'uuid of incoming_chappassword',
      }),
    );
    const passwords = new Map([
      ['uuid of chappassword', 'p'],
      ['uuid of incoming_chappassword', 'q'],
    ]);
    expect(withPasswords(shown, adapter('iscsi'), (uuid) => passwords.get(uuid) ?? '')).toEqual(
      given,
    );
    expect(withoutPasswords(config({ key: 'k' }), adapter('ceph'), () => 'u')).toEqual(
      config({ key_secret: 'u' }),
    );
  });

  it('says what the driver would say', () => {
    const said = (name: string, fault: Fault): unknown => {
      const error = storageFailure(type(name), fault);
      return error instanceof XenError ? error.description.slice(0, 2) : error;
    };
    expect(said('nfs', new Fault('UNREACHABLE', 'no'))).toEqual(['SR_BACKEND_FAILURE_108', '']);
    expect(said('lvmoiscsi', new Fault('UNREACHABLE', 'no'))).toEqual([
      'SR_BACKEND_FAILURE_141',
      '',
    ]);
    expect(said('lvmoiscsi', new Fault('PERMISSION_DENIED', 'no'))).toEqual([
      'SR_BACKEND_FAILURE_68',
      '',
    ]);
    expect(said('ceph', new Fault('ALREADY_EXISTS', 'no'))).toEqual(['SR_BACKEND_FAILURE_42', '']);
    expect(said('ceph', new Fault('IN_USE', 'no'))).toEqual(['SR_DEVICE_IN_USE']);
    const wrong = new Fault('INVALID_INPUT', 'no', {
      field: 'repository.settings.path',
      value: 'x',
    });
    expect(said('file', wrong)).toEqual(['VALUE_NOT_SUPPORTED', 'location']);
    const cancelled = new Fault('CANCELLED', 'cancelled');
    expect(said('nfs', cancelled)).toBe(cancelled);
  });
});

describe('features', () => {
  it('are those of the adapters of a type', () => {
    expect(featuresOf(type('nfs'))).toEqual(
      expect.arrayContaining(['VDI_RESIZE_ONLINE', 'VDI_INTRODUCE', 'VDI_CONFIG_CBT']),
    );
    expect(featuresOf(type('lvmoiscsi'))).toContain('SR_MULTIPATH');
    expect(featuresOf(type('lvmoiscsi'))).not.toContain('VDI_INTRODUCE');
    const known = {
      nfs: NFS_CAPABILITIES,
      tgt: TGT_CAPABILITIES,
      ceph: cephCapabilities(false),
      lvmoiscsi: lunCapabilities('no'),
      lvm: carvedCapabilities(),
    };
    for (const [name, capabilities] of Object.entries(known)) {
      const features = featuresOf(type(name));
      const has = [features.includes('VDI_RESIZE_ONLINE'), features.includes('VDI_INTRODUCE')];
      expect(has, name).toEqual([
        capabilities.resizeOnline === 'yes',
        capabilities.adopt === 'yes',
      ]);
    }
  });
});
