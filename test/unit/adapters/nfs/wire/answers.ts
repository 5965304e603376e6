/** Answers of a server, one of each kind, for codecs.test.ts. */
import { expect } from 'vitest';
import { DATA3, DATA4, DataResult } from '../../../../../src/adapters/nfs/wire/data.ts';
import { decodeExports, decodeMount } from '../../../../../src/adapters/nfs/wire/mount3.ts';
import * as nfs3 from '../../../../../src/adapters/nfs/wire/nfs3.ts';
import * as nfs4 from '../../../../../src/adapters/nfs/wire/nfs4.ts';
import { readFileAttributes } from '../../../../../src/adapters/nfs/wire/nfs4-attributes.ts';
import {
  NFS4_GETATTR,
  NFS4_OPEN,
  NFS4_PUTFH,
  NFS4_READDIR,
  NFS4_SETCLIENTID,
  readOperations,
} from '../../../../../src/adapters/nfs/wire/nfs4-compound.ts';
import { decodeGetPort } from '../../../../../src/adapters/nfs/wire/portmap.ts';
import { readReplyHeader } from '../../../../../src/adapters/nfs/wire/rpc-message.ts';
import { type XdrReader, XdrWriter } from '../../../../../src/adapters/nfs/wire/xdr.ts';

type Decode = (reader: XdrReader) => unknown;

function fattr3(writer: XdrWriter): XdrWriter {
  writer
    .u32(1)
    .u32(0o640)
    .u32(1)
    .u32(0)
    .u32(0)
    .u64(2 ** 40)
    .u64(8192)
    .u64(0);
  return writer.u64(7).u64(42).u32(1).u32(0).u32(1700).u32(5e8).u32(1).u32(0);
}

const VERIFIER = Buffer.from('verifier');

function compound(writer: XdrWriter, count: number): XdrWriter {
  return writer.u32(0).text('').u32(count);
}

function attributes4(writer: XdrWriter): XdrWriter {
  const values = new XdrWriter().u32(1).u64(4096).u64(1).u64(2).u64(42).u32(0o640).u64(512);
  values.u64(1700).u32(0);
  const bitmap = [(1 << 1) | (1 << 4) | (1 << 8) | (1 << 20), (1 << 1) | (1 << 13) | (1 << 21)];
  writer.u32(2);
  for (const word of bitmap) writer.u32(word);
  return writer.opaque(values.bytes());
}

function data(codec: typeof DATA3, which: 'readResult' | 'writeResult' | 'commitResult'): Decode {
  return (reader) => {
    const result = new DataResult();
    codec[which](reader, result);
    return reader.ok ? { ...result } : undefined;
  };
}

/** Whole answers, what reads them, and what they say. */
export const ANSWERS: [string, Buffer, Decode, unknown][] = [
  [
    'MNT',
    new XdrWriter().u32(0).opaque(Buffer.from('handle')).u32(2).u32(1).u32(390_003).bytes(),
    decodeMount,
    { status: 0, handle: Buffer.from('handle'), flavors: [1, 390_003] },
  ],
  [
    'EXPORT',
    new XdrWriter()
      .bool(true)
      .text('/a')
      .bool(true)
      .text('10.0.0.0/8')
      .bool(false)
      .bool(true)
      .text('/b')
      .bool(false)
      .bool(false)
      .bytes(),
    decodeExports,
    [
      { path: '/a', groups: ['10.0.0.0/8'] },
      { path: '/b', groups: [] },
    ],
  ],
  ['GETPORT', new XdrWriter().u32(2049).bytes(), decodeGetPort, 2049],
  [
    'GETATTR of version 3',
    fattr3(new XdrWriter().u32(0)).bytes(),
    nfs3.decodeAttributes,
    expect.objectContaining({ value: expect.objectContaining({ size: 2 ** 40, used: 8192 }) }),
  ],
  [
    'LOOKUP',
    fattr3(new XdrWriter().u32(0).opaque(Buffer.from('h')).bool(true))
      .bool(false)
      .bytes(),
    nfs3.decodeLookup,
    expect.objectContaining({ status: 0 }),
  ],
  [
    'CREATE',
    fattr3(new XdrWriter().u32(0).bool(true).opaque(Buffer.from('h')).bool(true)).bytes(),
    nfs3.decodeCreate,
    expect.objectContaining({ status: 0 }),
  ],
  [
    'ACCESS',
    new XdrWriter().u32(0).bool(false).u32(0x1f).bytes(),
    nfs3.decodeAccess,
    { status: 0, value: 0x1f },
  ],
  [
    'READDIRPLUS',
    fattr3(
      new XdrWriter()
        .u32(0)
        .bool(false)
        .fixed(VERIFIER)
        .bool(true)
        .u64(42)
        .text('disk.raw')
        .u64(9)
        .bool(true),
    )
      .bool(true)
      .opaque(Buffer.from('h'))
      .bool(false)
      .bool(true)
      .bytes(),
    nfs3.decodeFolderPage,
    expect.objectContaining({
      value: expect.objectContaining({
        last: true,
        entries: [expect.objectContaining({ name: 'disk.raw', fileId: '000000000000002a' })],
      }),
    }),
  ],
  [
    'FSSTAT',
    new XdrWriter().u32(0).bool(false).u64(100).u64(60).u64(50).bytes(),
    nfs3.decodeSpace,
    { status: 0, value: { total: 100, free: 50 } },
  ],
  [
    'FSINFO',
    new XdrWriter()
      .u32(0)
      .bool(false)
      .u32(9)
      .u32(8)
      .u32(1)
      .u32(7)
      .u32(6)
      .u32(1)
      .u32(5)
      .u64(2 ** 50)
      .bytes(),
    nfs3.decodeLimits,
    {
      status: 0,
      value: { readMost: 9, readBest: 8, writeMost: 7, writeBest: 6, fileMost: 2 ** 50 },
    },
  ],
  [
    'PATHCONF',
    new XdrWriter().u32(0).bool(false).u32(32_000).u32(255).bytes(),
    nfs3.decodePathLimits,
    { status: 0, value: 255 },
  ],
  [
    'READ of version 3',
    fattr3(new XdrWriter().u32(0).bool(true)).u32(5).bool(true).u32(5).bytes(),
    data(DATA3, 'readResult'),
    expect.objectContaining({ count: 5, endOfFile: true }),
  ],
  [
    'WRITE of version 3',
    new XdrWriter().u32(0).bool(false).bool(false).u32(5).u32(2).fixed(VERIFIER).bytes(),
    data(DATA3, 'writeResult'),
    expect.objectContaining({ count: 5, committed: 2, verifierHigh: 0x76657269 }),
  ],
  [
    'COMMIT of version 3',
    new XdrWriter().u32(0).bool(false).bool(false).fixed(VERIFIER).bytes(),
    data(DATA3, 'commitResult'),
    expect.objectContaining({ verifierLow: 0x66696572 }),
  ],
  [
    'READ of version 4',
    compound(new XdrWriter(), 2).u32(22).u32(0).u32(25).u32(0).bool(false).u32(5).bytes(),
    data(DATA4, 'readResult'),
    expect.objectContaining({ count: 5, endOfFile: false }),
  ],
  [
    'WRITE of version 4',
    compound(new XdrWriter(), 2)
      .u32(22)
      .u32(0)
      .u32(38)
      .u32(0)
      .u32(5)
      .u32(0)
      .fixed(VERIFIER)
      .bytes(),
    data(DATA4, 'writeResult'),
    expect.objectContaining({ count: 5, committed: 0 }),
  ],
  [
    'COMMIT of version 4',
    compound(new XdrWriter(), 2).u32(22).u32(0).u32(5).u32(0).fixed(VERIFIER).bytes(),
    data(DATA4, 'commitResult'),
    expect.objectContaining({ status: 0 }),
  ],
  [
    'GETATTR of version 4',
    attributes4(compound(new XdrWriter(), 2).u32(22).u32(0).u32(9).u32(0)).bytes(),
    (reader) => {
      let found: unknown;
      const status = readOperations(reader, [
        [NFS4_PUTFH],
        [NFS4_GETATTR, (results) => (found = readFileAttributes(results))],
      ]);
      return reader.ok && status === 0 ? found : undefined;
    },
    expect.objectContaining({ size: 4096, used: 512, type: 'file', fileId: '000000000000002a' }),
  ],
  [
    'OPEN',
    compound(new XdrWriter(), 2)
      .u32(22)
      .u32(0)
      .u32(18)
      .u32(0)
      .fixed(Buffer.alloc(16, 7))
      .bool(true)
      .u64(1)
      .u64(2)
      .u32(2)
      .u32(1)
      .u32(5)
      .u32(0)
      .bytes(),
    (reader) => {
      let opened: unknown;
      readOperations(reader, [
        [NFS4_PUTFH],
        [NFS4_OPEN, (results) => (opened = nfs4.readOpen(results))],
      ]);
      return reader.ok ? opened : undefined;
    },
    { stateId: Buffer.alloc(16, 7), confirm: true },
  ],
  [
    'SETCLIENTID',
    compound(new XdrWriter(), 1).u32(35).u32(0).u64(77).fixed(VERIFIER).bytes(),
    (reader) => {
      let client: unknown;
      readOperations(reader, [
        [NFS4_SETCLIENTID, (results) => (client = nfs4.readClientId(results))],
      ]);
      return reader.ok ? client : undefined;
    },
    expect.objectContaining({ confirm: VERIFIER }),
  ],
  [
    'READDIR',
    attributes4(
      compound(new XdrWriter(), 2)
        .u32(22)
        .u32(0)
        .u32(26)
        .u32(0)
        .fixed(VERIFIER)
        .bool(true)
        .u64(3)
        .text('f'),
    )
      .bool(false)
      .bool(true)
      .bytes(),
    (reader) => {
      let page: unknown;
      readOperations(reader, [
        [NFS4_PUTFH],
        [NFS4_READDIR, (results) => (page = nfs4.readFolderPage(results))],
      ]);
      return reader.ok ? page : undefined;
    },
    expect.objectContaining({ last: true, entries: [expect.objectContaining({ name: 'f' })] }),
  ],
  [
    'an accepted reply',
    new XdrWriter().u32(9).u32(1).u32(0).u32(0).opaque(Buffer.alloc(8)).u32(0).bytes(),
    (reader) => {
      const answer = readReplyHeader(reader);
      return answer === undefined ? 'executed' : answer === 'malformed' ? undefined : answer;
    },
    'executed',
  ],
  [
    'a denied reply',
    new XdrWriter().u32(9).u32(1).u32(1).u32(1).bytes(),
    (reader) => {
      const answer = readReplyHeader(reader);
      return answer === 'malformed' ? undefined : answer;
    },
    'auth-error',
  ],
];
