import { describe, expect, it } from 'vitest';
import { InvalidResult, readResult } from '../../../../bench/report/index.ts';
import { makeCell } from './make-cell.ts';
import { makeResult } from './make-result.ts';
import { makeSample } from './make-sample.ts';

type Tree = Record<string, unknown>;

/** What `--json` would have written, with something at a dotted path changed (undefined: removed). */
function documentWith(path: string, value: unknown): string {
  const root = JSON.parse(JSON.stringify(makeResult([makeCell(), makeCell({ round: 1 })]))) as Tree;
  const names = path.split('.');
  const last = names.pop() ?? '';
  const parent = names.reduce<Tree>((node, name) => node[name] as Tree, root);
  parent[last] = value;
  return JSON.stringify(root);
}

function refusal(text: string): InvalidResult {
  try {
    readResult(text);
  } catch (error) {
    if (error instanceof InvalidResult) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('the JSON of a run', () => {
  it('is read as it was written, and what was undefined is undefined again', () => {
    const sample = makeSample(2);
    expect(readResult(JSON.stringify(sample))).toStrictEqual(sample);
  });

  it.each<[string, unknown, string, unknown, RegExp]>([
    ['format', undefined, 'format', undefined, /^2 .*measure again/],
    ['format', 1, 'format', 1, /^2 /],
    ['format', '2', 'format', '2', /^2 /],
    ['cells', undefined, 'cells', undefined, /a value/],
    ['cells.1.latency.p99', 'fast', 'cells.1.latency.p99', 'fast', /microseconds/],
    ['cells.1.latency.p99', undefined, 'cells.1.latency.p99', undefined, /microseconds/],
    ['cells.0.requests', 1.5, 'cells.0.requests', 1.5, /whole number/],
    ['cells.0.requests', -1, 'cells.0.requests', -1, /from 0/],
    [
      'cells.0.server.cpuMicrosPerRequest',
      'low',
      'cells.0.server.cpuMicrosPerRequest',
      'low',
      /microseconds/,
    ],
    ['cells.0.idleBefore', 95, 'cells.0.idleBefore', 95, /from 0 to 1/],
    ['cells.0.client', 'dd', 'cells.0.client', 'dd', /rootcast, fio/],
    ['cells.0.workload', 'read-8k', 'cells.0.workload', 'read-8k', /read-4k-qd1/],
    ['cells.0.workload', 'mix-80-20', 'cells.0.workload', 'mix-80-20', /one of read-4k-qd32/],
    ['cells.0.target', 'nobody', 'cells.0.target', 'nobody', /one of rootcast-vdisk/],
    ['cells.0.speed', 9, 'cells.0.speed', 9, /no other fields than round, target/],
    ['cells.0.noisy', 'no', 'cells.0.noisy', 'no', /true or false/],
    ['conditions.memoryBytes', '24G', 'conditions.memoryBytes', '24G', /bytes/],
    ['conditions.options.rounds', 0, 'conditions.options.rounds', 0, /from 1/],
  ])('is refused when %s is %j', (path, value, field, found, expected) => {
    const error = refusal(documentWith(path, value));
    expect(error.field).toBe(field);
    expect(error.value).toEqual(found);
    expect(error.expected).toMatch(expected);
    expect(error.message).toContain(
      found === undefined ? `${field} is missing` : `${field} is ${JSON.stringify(found)}`,
    );
  });

  it.each(['', '{"format": 2', 'fio --json', '[]', '7', 'null'])(
    'is refused when it is %j',
    (text) => {
      expect(refusal(text).message).toMatch(/the document is .*, expected (JSON|an object)/);
    },
  );

  it('may have options and conditions that the reader does not know', () => {
    expect(() => readResult(documentWith('conditions.options.surprise', 1))).not.toThrow();
    expect(() => readResult(documentWith('conditions.governor', 'none'))).not.toThrow();
  });

  it('may have a CPU time per request that is none, because nothing was requested', () => {
    const { cells } = readResult(documentWith('cells.0.server.cpuMicrosPerRequest', null));
    expect(cells[0]?.server?.cpuMicrosPerRequest).toBeNaN();
  });

  it('is not repeated in full when it is refused', () => {
    expect(refusal(`"${'x'.repeat(10_000)}"`).message.length).toBeLessThan(200);
  });
});
