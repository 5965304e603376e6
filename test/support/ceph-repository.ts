/** A repository on a test's own Ceph cluster: its control port, and its data port as a worker has it. */
import { randomUUID } from 'node:crypto';
import { cephAdapter } from '../../src/adapters/ceph/index.ts';
import type {
  AdapterParts,
  ArrayControl,
  Connection,
  SettingValue,
  VolumeData,
} from '../../src/repositories/index.ts';
import type { CephCluster } from './ceph-cluster.ts';

export const QUIET: AdapterParts = {
  log: { info: () => undefined, warn: () => undefined, error: () => undefined },
  clock: () => performance.now(),
};

export async function cephConnection(
  cluster: CephCluster,
  settings: Readonly<Record<string, SettingValue>> = {},
): Promise<Connection> {
  return {
    repositoryId: 'ceph-test',
    settings: { monHosts: [cluster.monHost], pool: 'rbd', ...settings },
    secrets: { key: await cluster.key() },
    initiatorName: 'iqn.2026-01.dev.rootcast:test',
  };
}

export interface CephRepository {
  readonly control: ArrayControl;
  readonly data: VolumeData;
  /** Data first. */
  close(): Promise<void>;
}

export async function attachCeph(
  connection: Connection,
  parts: AdapterParts = QUIET,
): Promise<CephRepository> {
  const { signal } = new AbortController();
  const control = await cephAdapter.attach(connection, parts, { create: true, signal });
  const data = cephAdapter.openData(connection, parts, async (question) =>
    control.answer?.(question),
  );
  return {
    control,
    data,
    async close() {
      await data.close?.();
      await control.close();
    },
  };
}

export const opId = (): string => randomUUID();
