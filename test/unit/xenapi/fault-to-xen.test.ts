import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BlockError, ERRNOS, FAULT_CODES, Fault } from '../../../src/errors/index.ts';
import { xenErrorOf } from '../../../src/xenapi/fault-to-xen.ts';
import { xenError } from '../../../src/xenapi/xen-error.ts';

const TASK = 'OpaqueRef:task';

/** XenAPI's code by ours, as the page has it. */
function documented(): ReadonlyMap<string, string> {
  const page = readFileSync(new URL('../../../docs/ERRORS.md', import.meta.url), 'utf8');
  const [, section = ''] = page.split('## Faults over XenAPI');
  const [table = ''] = section.split('\n## ');
  const rows = [...table.matchAll(/^\| (`[A-Z_`, ]+`) \| `([A-Z_0-9]+)`/gm)];
  return new Map(
    rows.flatMap(([, faults = '', code = '']) =>
      [...faults.matchAll(/[A-Z_]+/g)].map(([fault]) => [fault, code] as const),
    ),
  );
}

describe('a failure of the control plane', () => {
  it('is told as docs/ERRORS.md says, every one of them', () => {
    expect([...documented().keys()].sort()).toEqual([...FAULT_CODES].sort());
  });

  it.each(FAULT_CODES)('%s keeps its words', (code) => {
    const { description } = xenErrorOf(new Fault(code, 'what happened'), TASK);
    expect(description[0]).toBe(documented().get(code));
    expect(description).toContain(code === 'CANCELLED' ? TASK : 'what happened');
  });

  it('of a field is told with the field, its value, and what would be right', () => {
    const details = { field: 'volume.size', value: 7, expected: 'a multiple of 512' };
    expect(xenErrorOf(new Fault('INVALID_INPUT', 'no', details), TASK).description).toEqual([
      ...['VALUE_NOT_SUPPORTED', 'volume.size', '7', 'expected a multiple of 512'],
    ]);
  });
});

describe('another failure', () => {
  it.each(ERRNOS)('%s of the data path is one of the storage', (errno) => {
    const { code } = xenErrorOf(new BlockError(errno, 'write', 0, 512, 'what happened'), TASK);
    expect(code).toBe(errno === 'ENOSPC' ? 'SR_BACKEND_FAILURE_44' : 'VDI_IO_ERROR');
  });

  it('that XenAPI knows itself is what it is, and of any other only the message is told', () => {
    const known = xenError('VDI_IN_USE', 'OpaqueRef:v', 'destroy');
    expect(xenErrorOf(known, TASK)).toBe(known);
    const told = xenErrorOf(new TypeError('x is not a function'), TASK).description;
    expect(told).toEqual(['INTERNAL_ERROR', 'x is not a function']);
  });
});
