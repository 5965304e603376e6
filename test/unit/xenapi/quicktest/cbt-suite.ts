/** What xapi's quicktest_cbt.ml asserts. */
import { expect, it } from 'vitest';
import { entry, NULL, type QuicktestClient, updated, withDestroyed, withVdi } from './client.ts';

export function cbtSuite(client: () => QuicktestClient): void {
  const enabled = (vdi: string) => client().call('VDI.get_cbt_enabled', vdi);
  const snapshotOf = async (vdi: string) =>
    String(await client().call('VDI.snapshot', vdi, new Map()));

  it('carries tracking over to snapshots, and keeps it when their data goes', async () => {
    await withVdi(client(), async (vdi) => {
      await client().call('VDI.enable_cbt', vdi);
      expect(await enabled(vdi)).toBe(true);
      expect(await updated(client(), vdi)).toEqual([]);
      const snapshot = await snapshotOf(vdi);
      await withDestroyed(client(), snapshot, async () => {
        expect(await enabled(snapshot)).toBe(true);
        expect(await updated(client(), snapshot)).toEqual([]);
        await client().call('VDI.disable_cbt', vdi);
        expect(await enabled(vdi)).toBe(false);
        const untracked = await snapshotOf(vdi);
        await withDestroyed(client(), untracked, async () => {
          expect(await enabled(untracked)).toBe(false);
          await client().call('VDI.data_destroy', snapshot);
          expect(await client().call('VDI.get_type', snapshot)).toBe('cbt_metadata');
          expect(await enabled(snapshot)).toBe(true);
          expect(await updated(client(), snapshot)).toEqual([]);
          const config = await client().call('VDI.get_other_config', snapshot);
          expect(entry(config, 'content_id')).toBe('/No content: this is a cbt_metadata VDI/');
        });
      });
    });
  });

  it('is not carried over to clones and copies, nor touched by them', async () => {
    await withVdi(client(), async (vdi) => {
      await client().call('VDI.enable_cbt', vdi);
      const clone = String(await client().call('VDI.clone', vdi, new Map()));
      await withDestroyed(client(), clone, async () => {
        const given = [vdi, client().sr, NULL, NULL] as const;
        const copy = String(await client().call('VDI.copy', ...given));
        await withDestroyed(client(), copy, () =>
          withVdi(client(), async (into) => {
            await client().call('VDI.copy', vdi, NULL, copy, into);
            const states = await Promise.all([vdi, into, copy, clone].map(enabled));
            expect(states).toEqual([true, false, false, false]);
            for (const one of [vdi, into, copy, clone]) {
              expect(await updated(client(), one)).toEqual([]);
            }
          }),
        );
      });
    });
  });
}
