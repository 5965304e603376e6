import { describe, expect, test } from 'vitest';
import { type Sidecar, sidecarOf, textOf } from '../../../../src/adapters/local/sidecar.ts';
import { seededRandom } from '../../../support/seed.ts';

const volume: Sidecar = {
  ...({ kind: 'volume', id: 'b4d1', name: 'disk', tag: 'tag-1', createdAt: 1 } as const),
  ...{ thin: true, size: 4096, parent: 'a3c0' },
};
const snapshot: Sidecar = {
  ...({ kind: 'snapshot', id: 'c5e2', name: 'before', tag: 'tag-2', createdAt: 2 } as const),
  volume: { id: 'b4d1', name: 'disk' },
};

describe('what is written beside a volume', () => {
  test.each([volume, snapshot, { ...volume, tag: undefined, parent: undefined }])(
    'is read as it was written: $kind',
    (sidecar) => {
      expect(sidecarOf(textOf(sidecar))).toEqual(sidecar);
    },
  );

  test('cut or changed anywhere is nothing, or something whole', () => {
    const random = seededRandom();
    for (const text of [textOf(volume), textOf(snapshot)]) {
      for (let length = 0; length < text.trimEnd().length; length += 1) {
        expect(sidecarOf(text.slice(0, length)), `${length} characters`).toBeUndefined();
      }
      for (let n = 0; n < 2000; n += 1) {
        const at = Math.floor(random() * text.length);
        const changed =
          text.slice(0, at) + String.fromCharCode(Math.floor(random() * 256)) + text.slice(at + 1);
        const read = sidecarOf(changed);
        if (read === undefined) continue;
        expect(sidecarOf(textOf(read))).toEqual(read);
      }
    }
  });

  test.each([
    ['another format', { rootcast: 2 }],
    ['no id', { id: '' }],
    ['a size that is none', { size: -1 }],
    ['a size that is text', { size: '4096' }],
    ['another kind', { kind: 'lun' }],
    ['a tag that is a number', { tag: 7 }],
  ])('is not understood with %s', (_what, changed) => {
    const fields = JSON.parse(textOf(volume)) as object;
    expect(sidecarOf(JSON.stringify({ ...fields, ...changed }))).toBeUndefined();
  });
});
