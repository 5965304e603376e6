/** What xapi's quicktest_vdi_ops_data_integrity.ml asserts: what is copied, exported and imported is the same. */
import { expect, it } from 'vitest';
import { seededRandom } from '../../../support/seed.ts';
import {
  type ImageFormat,
  int,
  MIB,
  NULL,
  newVdi,
  type QuicktestClient,
  withDestroyed,
} from './client.ts';

type Content = 'empty' | 'random' | 'full';
const SIZE = 4 * MIB;
const MOST_WRITES = 100;
const LONGEST_WRITE = 2_048;

const chance = seededRandom();
/** From one up to the other, both among them. */
const integer = (least: number, most: number): number =>
  least + Math.floor(chance() * (most - least + 1));

/** A new one with some content. */
async function filled(client: QuicktestClient, content: Content, size: number): Promise<string> {
  const vdi = await newVdi(client, size);
  const whole = int(await client.call('VDI.get_virtual_size', vdi));
  if (content === 'full') {
    for (let at = 0; at < whole; at += MIB) {
      const length = Math.min(MIB, whole - at);
      await client.write(vdi, at, bytes(length));
    }
  }
  if (content === 'random') {
    const writes = integer(1, MOST_WRITES);
    for (let count = 0; count < writes; count++) {
      const sector = integer(0, Math.floor(whole / 512) - 1);
      const length = Math.min(512 * integer(1, LONGEST_WRITE / 512), whole - sector * 512);
      await client.write(vdi, sector * 512, bytes(length));
    }
  }
  return vdi;
}

function bytes(length: number): Buffer {
  const block = Buffer.alloc(length);
  for (let at = 0; at < length; at += 4) block.writeUInt32LE(integer(0, 2 ** 31), at);
  return block;
}

export function integritySuite(client: () => QuicktestClient): void {
  const checksum = (vdi: string) => client().call('VDI.checksum', vdi);
  it.each(['empty', 'random', 'full'] as const)('copies a disk that is %s', async (content) => {
    const vdi = await filled(client(), content, SIZE);
    await withDestroyed(client(), vdi, async () => {
      const given = [vdi, client().sr, NULL, NULL] as const;
      const copy = String(await client().call('VDI.copy', ...given));
      await withDestroyed(client(), copy, async () => {
        expect(await checksum(copy)).toBe(await checksum(vdi));
      });
    });
  });
}

/** Through whole images, by HTTP. */
export function imageSuite(client: () => QuicktestClient): void {
  const checksum = (vdi: string) => client().call('VDI.checksum', vdi);
  const images = () => {
    const { images: found } = client();
    if (found === undefined) throw new Error('this client has no images');
    return found;
  };
  const roundTrips = (['raw', 'vhd', 'tar', 'qcow2'] as const).flatMap((format) =>
    (['empty', 'random', 'full'] as const).map((content) => [format, content] as const),
  );
  it.each(roundTrips)('exports and imports as %s a disk that is %s', async (format, content) => {
    const vdi = await filled(client(), content, SIZE);
    await withDestroyed(client(), vdi, async () => {
      const made = await newVdi(client(), int(await client().call('VDI.get_virtual_size', vdi)));
      await withDestroyed(client(), made, async () => {
        await images().import(made, format, await images().export(vdi, format));
        expect(await checksum(made)).toBe(await checksum(vdi));
      });
    });
  });

  const differences: readonly (readonly [ImageFormat, Content, Content])[] = (
    ['vhd', 'qcow2'] as const
  ).flatMap((format) =>
    (
      [
        ['empty', 'empty'],
        ['random', 'empty'],
        ['random', 'random'],
        ['full', 'empty'],
        ['full', 'random'],
        ['full', 'full'],
      ] as const
    ).map(([content, base]) => [format, content, base] as const),
  );
  it.each(differences)(
    'lays a difference as %s of a disk that is %s over one that is %s',
    async (format, content, baseContent) => {
      const vdi = await filled(client(), content, SIZE);
      await withDestroyed(client(), vdi, async () => {
        const base = await filled(client(), baseContent, SIZE);
        await withDestroyed(client(), base, async () => {
          await images().import(base, format, await images().export(vdi, format, base));
          expect(await checksum(base)).toBe(await checksum(vdi));
        });
      });
    },
  );
}
