import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PAGE, renderLimits } from '../../../scripts/limits-doc.ts';

describe('docs/LIMITS.md', () => {
  it('is what `npm run docs:limits` writes', async () => {
    const wanted = await renderLimits();
    expect(readFileSync(PAGE, 'utf8')).toBe(wanted);
    expect(wanted).toContain('`MAXIMUM_IO_BYTES` | 33,554,432 (32 Mi)');
    expect(wanted).toContain('`DEFAULT_LIMITS.handshakeMs` | 15,000 |');
  });

  it('describes every limit', async () => {
    const rows = (await renderLimits()).split('\n').filter((line) => line.startsWith('| `'));
    expect(rows.length).toBeGreaterThan(50);
    const silent = rows.filter((row) => row.endsWith('|  |')).map((row) => row.split('`')[1]);
    // A name may say it all; but a page of such names helps nobody.
    expect(silent.length / rows.length).toBeLessThan(0.3);
  });
});
