/** What xapi's quicktest_vdi_copy.ml asserts: differences of a disk can be backed up, and laid over the whole backup. */
import { expect, it } from 'vitest';
import { MIB, NULL, newVdi, type QuicktestClient } from './client.ts';

export function copySuite(client: () => QuicktestClient): void {
  it('backs up a disk, then what differs, and makes one of them', async () => {
    const copy = async (...given: readonly string[]): Promise<string> =>
      String(await client().call('VDI.copy', ...given));
    const { sr } = client();
    const original = await newVdi(client(), 4 * MIB, 'quicktest original');
    await client().write(original, 0, Buffer.alloc(MIB, 'a'));
    const snapshot = String(await client().call('VDI.snapshot', original, new Map()));
    await client().write(original, 0, Buffer.alloc(512, 'b'));
    const backup = await copy(snapshot, sr, NULL, NULL);
    const delta = await copy(original, sr, snapshot, NULL);
    expect(await copy(delta, NULL, NULL, backup)).toBe(backup);
    const bytes = await client().read(backup, 0, MIB);
    expect(bytes.subarray(0, 512)).toEqual(Buffer.alloc(512, 'b'));
    expect(bytes.subarray(512).equals(Buffer.alloc(MIB - 512, 'a'))).toBe(true);
    for (const vdi of [original, snapshot, backup, delta]) {
      expect(await client().call('VDI.get_VBDs', vdi)).toEqual([]);
      await client().call('VDI.destroy', vdi);
    }
  });
}
