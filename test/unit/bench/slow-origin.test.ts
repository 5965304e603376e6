import { expect, it } from 'vitest';
import { countReads } from '../../../bench/targets/slow-origin.ts';

it('counts what reached the origin: each read once, and nothing else', () => {
  const log = [
    '2026-11-27 15:29:43.576039 Ready thread_model=3',
    '2026-11-27 15:29:44.389400 connection=1 Connect export="" tls=0 size=0x400 write=0',
    '2026-11-27 15:29:44.389500 connection=1 Read id=1 offset=0x0 count=0x200 ...',
    '2026-11-27 15:29:44.389501 connection=2 Read id=1 offset=0x200 count=0x200 ...',
    '2026-11-27 15:29:44.394500 connection=1 ...Read id=1 return=0',
    '2026-11-27 15:29:44.394501 connection=1 Extents id=2 offset=0x0 count=0x200 req_one=0 ...',
    '2026-11-27 15:29:44.394600 connection=1 Disconnect transactions=2',
    '',
  ];
  expect(countReads(log.join('\n'))).toBe(2);
  expect(countReads('')).toBe(0);
});
