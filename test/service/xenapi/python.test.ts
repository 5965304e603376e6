/** Clients that are written with Python's own XML-RPC, and what older SDKs do by XML-RPC (reference 4.2, 4.5, 4.6). */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith, program } from '../../support/requires.ts';
import { XenService } from '../../support/xenapi/xen-service.ts';

describeWith([program('python3', 'python3')], 'XML-RPC by Python', () => {
  let service: XenService;
  beforeAll(async () => {
    service = await XenService.start();
  });
  afterAll(() => service?.remove());

  it.each(['life', 'events', 'packer', 'cloudstack'])('does what it does: %s', async (part) => {
    const script = join(import.meta.dirname, 'xenapi-client.py');
    const { url, credentials } = service;
    const args = [script, url, credentials.password, await service.folder(), part];
    const { stdout } = await promisify(execFile)('python3', args, { timeout: 60_000 });
    expect(stdout.trim()).toMatch(/^[1-9][0-9]* checks$/);
  });
});
