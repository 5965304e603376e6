/**
 * The behaviours of xapi's quicktest, restated from the reference (section 6) as suites that any client can be put
 * through: this repository's over no wire at all, and over each of its wires.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import { cbtSuite } from './cbt-suite.ts';
import type { Has, MakeClient, QuicktestClient } from './client.ts';
import { copySuite } from './copy-suite.ts';
import { imageSuite, integritySuite } from './integrity-suite.ts';
import { asyncSuite, vdiSuite } from './vdi-suite.ts';

export function quicktest(over: string, has: Has, makeClient: MakeClient): void {
  describe(`quicktest over ${over}`, () => {
    let made: QuicktestClient | undefined;
    beforeAll(async () => {
      made = await makeClient();
    });
    afterAll(() => made?.close());
    const client = (): QuicktestClient => {
      if (made === undefined) throw new Error('the client is not there');
      return made;
    };
    describe('VDI', () => vdiSuite(client));
    describe('copies of differences', () => copySuite(client));
    describe('integrity of data', () => integritySuite(client));
    if (has.images) describe('images', () => imageSuite(client));
    if (has.tasks) describe('tasks', () => asyncSuite(client));
    describe('changed block tracking', () => cbtSuite(client));
  });
}
