/** The data port of tgt gives its way to a volume back, whatever becomes of the device. */
import { expect, it } from 'vitest';
import { tgtAdapter } from '../../../../src/adapters/tgt/index.ts';
import { MemoryDevice } from '../../../../src/block/index.ts';
import { BlockError } from '../../../../src/errors/index.ts';
import { SILENT } from '../../../support/carved.ts';

const LOCATOR = {
  ...{ adapter: 'tgt', volume: 'v' },
  address: { portals: '127.0.0.1:3260', iqn: 'iqn.2026-01.test:v', lun: 1, wwid: '3aa' },
};

class Broken extends MemoryDevice {
  override close(): Promise<void> {
    return Promise.reject(new BlockError('EIO', 'flush', 0, 0, 'it broke'));
  }
}

function dataOf(open: () => Promise<MemoryDevice>, asked: unknown[], releases = true) {
  const adapter = tgtAdapter(() => ({ open, close: async () => undefined }));
  const connection = {
    ...{ repositoryId: 'r', settings: { folder: '/volumes' }, secrets: {} },
    initiatorName: 'iqn.2026-01.test:initiator',
  };
  const parts = { log: SILENT, clock: () => 0 };
  return adapter.openData(connection, parts, async (question) => {
    const { ask } = question as { ask: string };
    asked.push(ask);
    if (ask === 'release' && !releases) throw new Error('the control port is closed');
    return {};
  });
}

it('also when closing it fails', async () => {
  const asked: unknown[] = [];
  const data = dataOf(async () => new Broken({ size: 4096 }), asked);
  const device = await data.open(LOCATOR, { write: true });
  await expect(device.close()).rejects.toMatchObject({ errno: 'EIO' });
  expect(asked).toEqual(['open', 'release']);
});

it('and says why it cannot be opened, also when nobody takes it back', async () => {
  const asked: unknown[] = [];
  const refuse = () => Promise.reject(new BlockError('EPERM', 'open', 0, 0, 'not you'));
  const data = dataOf(refuse, asked, false);
  await expect(data.open(LOCATOR, { write: true })).rejects.toMatchObject({ errno: 'EPERM' });
  expect(asked).toEqual(['open', 'release']);
});
