import { describe, expect, it } from 'vitest';
import { parsePortals, parseTargets } from '../../../../src/adapters/tgt/shown-targets.ts';
import { codeOf } from '../../../../src/adapters/tgt/tgtadm.ts';

/** As tgtadm 1.0.85 printed it. */
const PRINTED = `Target 1: iqn.2026-01.test.aa:vol1
    System information:
        Driver: iscsi
        State: ready
    I_T nexus information:
        I_T nexus: 7
            Initiator: iqn.2026-01.test.host:h1 alias: none
            Connection: 0
                IP Address: 127.0.0.1
    LUN information:
        LUN: 0
            Type: controller
            SCSI ID: IET     00010000
            SCSI SN: beaf10
            Size: 0 MB, Block size: 1
            Online: Yes
            Readonly: No
            Backing store type: null
            Backing store path: None
            Backing store flags: 
        LUN: 1
            Type: disk
            SCSI ID: rootcast0123
            SCSI SN: sn000001
            Size: 67 MB, Block size: 512
            Online: Yes
            Readonly: Yes
            Backing store type: rdwr
            Backing store path: /var/lib/a: b/1.img
            Backing store flags: 
    Account information:
        u
        uo (outgoing)
    ACL information:
        iqn.2026-01.test.host:h1
        10.0.0.1
Target 12: iqn.2026-01.test.aa:vol2
    System information:
        Driver: iscsi
        State: ready
    I_T nexus information:
    LUN information:
    Account information:
    ACL information:
`;

describe('what tgtadm prints', () => {
  it('is read as targets, sessions, LUNs, accounts and initiators', () => {
    const [first, second, ...more] = parseTargets(PRINTED);
    expect(more).toEqual([]);
    expect(first).toMatchObject({
      tid: 1,
      iqn: 'iqn.2026-01.test.aa:vol1',
      accounts: ['u'],
      outgoing: 'uo',
      initiators: ['iqn.2026-01.test.host:h1', '10.0.0.1'],
      sessions: [
        {
          id: '7',
          initiator: 'iqn.2026-01.test.host:h1',
          connections: [{ id: '0', address: '127.0.0.1' }],
        },
      ],
    });
    expect(first?.luns[1]).toEqual({
      number: 1,
      scsiId: 'rootcast0123',
      serial: 'sn000001',
      online: true,
      readOnly: true,
      path: '/var/lib/a: b/1.img',
    });
    expect(second).toMatchObject({ tid: 12, sessions: [], luns: [], outgoing: undefined });
  });

  it('cut anywhere, gives what was there', () => {
    for (let length = 0; length <= PRINTED.length; length += 1) {
      const targets = parseTargets(PRINTED.slice(0, length));
      expect(targets.length).toBeLessThanOrEqual(2);
      for (const { tid } of targets) expect(Number.isInteger(tid)).toBe(true);
    }
  });

  it('names portals', () => {
    expect(parsePortals('Portal: 127.0.0.1:3260,1\nPortal: [::1]:3260,1\n')).toEqual([
      '127.0.0.1:3260',
      '[::1]:3260',
    ]);
    expect(parsePortals('')).toEqual([]);
  });

  it('tells errors by words, since every exit code is 22', () => {
    expect(codeOf('tgtadm: this target already exists')).toBe('ALREADY_EXISTS_DIFFERENT');
    expect(codeOf('tgtadm: this access control rule does not exist')).toBe('NOT_FOUND');
    expect(codeOf("tgtadm: can't find the target")).toBe('NOT_FOUND');
    expect(codeOf('tgtadm: this target is still active')).toBe('IN_USE');
    expect(codeOf('tgtadm: failed to send request hdr to tgt daemon, Transport')).toBe(
      'UNREACHABLE',
    );
    expect(codeOf('something new')).toBe('BACKEND_BUG');
  });
});
