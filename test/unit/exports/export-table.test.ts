import { describe, expect, test } from 'vitest';
import { MemoryDevice } from '../../../src/block/index.ts';
import { type ExportClient, ExportTable, type StackPlan } from '../../../src/exports/index.ts';

const CLIENT: ExportClient = { address: '192.0.2.1:1', tls: false, identity: undefined };

function planOf(name: string, key: string): StackPlan {
  return {
    key,
    name,
    description: '',
    chain: { layerId: 'l', size: 4096, index: new SharedArrayBuffer(0), layers: [] },
    overlay: undefined,
  };
}

function table(build: () => Promise<MemoryDevice>) {
  const released: string[] = [];
  const keys = new Map([
    ['vdisk/a', 'layer:a'],
    ['vdisk/b', 'layer:a'],
    ['vdisk/c', 'layer:c'],
  ]);
  const exports = new ExportTable(
    {
      list: async () => [],
      plan: async (name) => planOf(name, keys.get(name) ?? 'none'),
      release: (key) => released.push(key),
    },
    async () => {
      const device = await build();
      return { device, close: () => device.close() };
    },
  );
  return { exports, released };
}

describe('export table', () => {
  test('connections to the same thing share one stack, closed with the last of them', async () => {
    let built = 0;
    const { exports, released } = table(async () => {
      built += 1;
      return new MemoryDevice({ size: 4096 });
    });
    const [first, second] = await Promise.all([
      exports.open('vdisk/a', CLIENT),
      exports.open('vdisk/b', CLIENT),
    ]);
    expect(built).toBe(1);
    expect(second.device).toBe(first.device);
    await first.close();
    await first.close();
    expect(released).toEqual(['layer:a']);
    second.device.read(Buffer.alloc(512), 0);
    await second.close();
    expect(released).toEqual(['layer:a', 'layer:a']);
    expect(() => second.device.read(Buffer.alloc(512), 0)).toThrowError(
      expect.objectContaining({ errno: 'ESHUTDOWN' }),
    );
  });

  test('a stack that cannot be closed gives its plan back all the same', async () => {
    const { exports, released } = table(async () => {
      const device = new MemoryDevice({ size: 4096 });
      device.close = () => Promise.reject(new Error('the disk is gone'));
      return device;
    });
    const open = await exports.open('vdisk/a', CLIENT);
    await expect(open.close()).rejects.toThrowError('the disk is gone');
    expect(released).toEqual(['layer:a']);
  });

  test('a stack that cannot be built gives its plan back, and the next open tries again', async () => {
    let attempts = 0;
    const { exports, released } = table(async () => {
      attempts += 1;
      if (attempts === 1) throw new Error('no such volume');
      return new MemoryDevice({ size: 4096 });
    });
    await expect(exports.open('vdisk/c', CLIENT)).rejects.toThrow('no such volume');
    expect(released).toEqual(['layer:c']);
    const open = await exports.open('vdisk/c', CLIENT);
    expect(open.device.geometry.size).toBe(4096);
  });
});
