/** This server does not cut itself off, however its address is written. */
import { expect, it } from 'vitest';
import type { HostIdentity, MaskingControl } from '../../../src/repositories/index.ts';
import { FenceOperations } from '../../../src/service/storage/fence-operations.ts';

it('of this server is refused, of any other one done', async () => {
  const cut: HostIdentity[] = [];
  const nothing = () => Promise.reject(new Error('not asked for'));
  const masking: MaskingControl = {
    ...{ map: nothing, unmap: nothing, listMappings: nothing },
    fence: async ({ host }) => void cut.push(host),
    unfence: nothing,
    fenced: nothing,
  };
  const initiatorName = 'iqn.2026-01.test:us';
  const fences = new FenceOperations({
    newId: () => 'op',
    repositories: { initiatorName, of: () => ({ array: { masking } }) },
  });
  const fence = (iqns: string[], addresses: string[]) =>
    fences.fence('r', { name: 'h', iqns, addresses });
  for (const own of ['127.0.0.1', '::ffff:127.0.0.1', '0:0:0:0:0:FFFF:7f00:1']) {
    await expect(fence([], ['192.0.2.7', own])).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      details: { field: 'host.name', value: own },
    });
  }
  await expect(fence([initiatorName], [])).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  expect(cut).toEqual([]);
  await fence(['iqn.2026-01.test:them'], ['192.0.2.7', '127.0.0.0/8']);
  expect(cut).toHaveLength(1);
});
