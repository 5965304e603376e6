/** Scripts, GRUB's files and signed loaders over a real listener, by the names that shim and GRUB ask for. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BootHttpServer, startHttpServer } from '../../../../src/pxe/http/server.ts';
import type { ServedScript } from '../../../../src/pxe/served-script.ts';
import { EMPTY_BOOT_CATALOG } from '../../../support/empty-boot-catalog.ts';

const MAC = '52:54:00:12:34:56';

describe('what HTTP serves to shim and GRUB', () => {
  const asked: ServedScript[] = [];
  let server: BootHttpServer;
  let base: string;

  beforeAll(async () => {
    server = await startHttpServer({
      address: '127.0.0.1',
      port: 0,
      catalog: EMPTY_BOOT_CATALOG,
      loaders: { load: async (file) => ({ kind: 'loaded', content: Buffer.from(`the ${file}`) }) },
      script: async (wanted) => {
        asked.push(wanted);
        return `a script\n`;
      },
      report: () => undefined,
    });
    base = `http://127.0.0.1:${server.bound.port}`;
  });
  afterAll(() => server.close());

  it('is the GRUB that shim wants, with the slash that it has too many', async () => {
    const answer = await fetch(`${base}/boot//grubx64.efi`);
    expect([answer.status, await answer.text()]).toEqual([200, 'the grubx64.efi']);
    expect(answer.headers.get('content-type')).toBe('application/efi');
  });

  it("is GRUB's first file, from wherever it came, and the machine's own; HEAD is no boot", async () => {
    for (const path of ['/grub/grub.cfg', '/grub/x86_64-efi/grub.cfg', '/boot/grub/grub.cfg']) {
      expect((await fetch(base + path)).status).toBe(200);
    }
    expect((await fetch(`${base}/boot/${MAC}.grub`, { method: 'HEAD' })).status).toBe(200);
    const own = await fetch(`${base}/boot/${MAC}.grub`);
    expect(own.headers.get('cache-control')).toBe('no-store');
    expect(asked).toEqual([
      ...Array.from({ length: 3 }, () => ({ kind: 'grub-start' })),
      { kind: 'machine', mac: MAC, language: 'grub' },
    ]);
  });

  it('is nothing by any other name', async () => {
    for (const path of ['/grub/other.cfg', '/boot/grub.cfg', `/boot/${MAC}.cfg`, '/grubx64.efi']) {
      expect((await fetch(base + path)).status).toBe(404);
    }
  });
});
