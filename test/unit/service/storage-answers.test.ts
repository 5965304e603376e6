/** What a repository can do for its users, and what is said when it is somebody's. */
import { expect, test } from 'vitest';
import { ArrayError, Fault } from '../../../src/errors/index.ts';
import { type CapabilityFlag, capabilities } from '../../../src/repositories/index.ts';
import { emulatedCapabilities } from '../../../src/service/storage/emulated-capabilities.ts';
import { inFaults, withWayOut } from '../../../src/service/storage/storage-fault.ts';

const offered = (own: Partial<Record<CapabilityFlag, 'yes'>>) =>
  emulatedCapabilities(capabilities(own));

test('layers do what an array cannot that only holds volumes, and replication goes between any two', () => {
  const flags = offered({ thin: 'yes', replicate: 'yes' });
  expect(flags).toMatchObject({
    thin: 'yes',
    snapshot: 'emulated',
    revertKeepsNewer: 'emulated',
    replicate: 'yes',
    failoverPlanned: 'emulated',
    failoverTest: 'emulated',
    replicateGroup: 'emulated',
    fence: 'no',
    maskIqn: 'no',
  });
});

test('an array with snapshots of its own gets no layers: what it cannot, nobody can', () => {
  const flags = offered({ snapshot: 'yes', cloneLinked: 'yes' });
  expect(flags).toMatchObject({
    snapshot: 'yes',
    cloneLinked: 'yes',
    cloneFull: 'emulated',
    groupSnapshot: 'emulated',
    revert: 'no',
    replicate: 'emulated',
  });
});

test.each([
  ['ALREADY_MANAGED', { create: true, takeOver: false }, /--existing ID/],
  ['EXCLUSIVE_ATTACHED', { create: false, takeOver: false }, /--take-over/],
  ['EXCLUSIVE_ATTACHED', { create: false, takeOver: true }, undefined],
  ['ALREADY_MANAGED', { create: false, takeOver: false }, undefined],
  ['UNREACHABLE', { create: true, takeOver: false }, undefined],
] as const)('%s with %o says the way out', async (code, request, expected) => {
  const error = withWayOut(new ArrayError(code, 'no', { refs: ['r-1'] }), request);
  const fault = await inFaults(() => Promise.reject(error)).catch((thrown: unknown) => thrown);
  expect(fault).toBeInstanceOf(Fault);
  const { message, details } = fault as Fault;
  expect(message).toBe('no: r-1');
  if (expected === undefined) expect(details.expected).toBeUndefined();
  else
    expect(details).toMatchObject({
      field: 'repository.mode',
      expected: expect.stringMatching(expected),
    });
});

test('one that is attached in this process needs no other mode, and gets no hint', () => {
  const error = new ArrayError('EXCLUSIVE_ATTACHED', 'this process has attached it already');
  expect(withWayOut(error, { create: false, takeOver: false })).toBe(error);
});
