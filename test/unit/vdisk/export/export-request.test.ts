import { describe, expect, it } from 'vitest';
import {
  type ExportParent,
  type ExportSource,
  exportFile,
  exportStream,
} from '../../../../src/vdisk/export/index.ts';
import { faultOf } from '../formats/read-image.ts';
import { type Chosen, options, sourceOf } from './export-disks.ts';

const M = 1024 * 1024;

const source = sourceOf(Buffer.alloc(M, 1));
const smaller = sourceOf(Buffer.alloc(M / 2, 1));

const parent = (over: Partial<ExportParent> = {}): Chosen => ({
  format: 'vhd',
  parent: { source: smaller, fileName: 'parent.vhd', ...over },
});
const withSource = (over: Partial<ExportSource>): ExportSource => ({ ...source, ...over });

type Row = readonly [field: string, over: Partial<ExportSource>, chosen: unknown];

const REFUSED: readonly Row[] = [
  ['format', {}, { format: 'vmdk' }],
  ['source.size', { size: 0 }, { format: 'raw' }],
  ['source.size', { size: 511 }, { format: 'raw' }],
  ['source.size', { size: 512.5 }, { format: 'raw' }],
  ['source.size', { size: 2 * M }, { format: 'raw' }],
  ['source.presentChunks.length', { presentChunks: Buffer.alloc(1) }, { format: 'raw' }],
  ['source.contentId', { contentId: 'AB'.repeat(32) }, { format: 'raw' }],
  ['source.contentId', { contentId: 'ab'.repeat(31) }, { format: 'raw' }],
  ['compress', {}, { format: 'raw', compress: true }],
  ['compress', {}, { format: 'vhd', compress: true }],
  ['parent', {}, { ...parent(), format: 'raw' }],
  ['parent', {}, { ...parent(), format: 'qcow2' }],
  ['timestamp', {}, { format: 'vhd', timestamp: new Date('1999-12-31T23:59:59Z') }],
  ['timestamp', {}, { format: 'vhd', timestamp: new Date('2136-02-08T00:00:00Z') }],
  ['timestamp', {}, { format: 'vhd', timestamp: new Date(Number.NaN) }],
  ['parent.timestamp', {}, parent({ timestamp: new Date(0) })],
  ['parent.source.size', {}, parent({ source: sourceOf(Buffer.alloc(2 * M, 1)) })],
  ['parent.source.size', {}, parent({ source: { ...smaller, size: 7 } })],
  ['parent.source.contentId', {}, parent({ source: { ...smaller, contentId: 'x' } })],
  ['parent.source.contentId', {}, parent({ source })],
  ['parent.fileName', {}, parent({ fileName: '' })],
  ['parent.fileName', {}, parent({ fileName: '..' })],
  ['parent.fileName', {}, parent({ fileName: 'a/b' })],
  ['parent.fileName', {}, parent({ fileName: 'a\\b' })],
  ['parent.fileName', {}, parent({ fileName: 'a\0b' })],
  ['parent.fileName', {}, parent({ fileName: 'a\ud800' })],
  ['parent.fileName', {}, parent({ fileName: 'x'.repeat(256) })],
  ['parent.windowsPath', {}, parent({ windowsPath: 'parent.vhd' })],
  ['parent.windowsPath', {}, parent({ windowsPath: '/vm/parent.vhd' })],
  ['parent.windowsPath', {}, parent({ windowsPath: 'C:\\a\0' })],
  ['parent.changedChunks.length', {}, parent({ changedChunks: Buffer.alloc(1) })],
];

describe('an export', () => {
  it.each(REFUSED)(
    'refuses a wrong %s, and says what would be right: %j %j',
    async (field, over, chosen) => {
      const asked = options(chosen as Chosen);
      for (const made of [
        exportStream(withSource(over), asked),
        exportFile(withSource(over), '/nowhere/disk', asked),
      ]) {
        const fault = await faultOf(made);
        expect([fault.code, fault.details.field]).toEqual(['INVALID_INPUT', field]);
        expect(fault.details.expected).not.toBe('');
      }
    },
  );

  it('refuses a VHD of more than 2040 GiB', async () => {
    const size = 2040 * 1024 * M + 512;
    const large = withSource({
      size,
      device: { ...source.device, geometry: { ...source.device.geometry, size } },
      presentChunks: Buffer.alloc(size / 65_536 / 8 + 1),
    });
    const fault = await faultOf(exportStream(large, options({ format: 'vhd' })));
    expect([fault.code, fault.details.value]).toEqual(['LIMIT_EXCEEDED', size]);
  });

  it('takes what is just right', async () => {
    const longest = parent({
      fileName: 'x'.repeat(255),
      windowsPath: '\\\\server\\share\\parent.vhd',
      timestamp: new Date('2136-02-07T06:28:15Z'),
    });
    expect((await exportStream(source, options(longest))).length).toBeGreaterThan(2 * M);
  });
});
