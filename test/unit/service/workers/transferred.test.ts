import { describe, expect, it } from 'vitest';
import type { StackPlan } from '../../../../src/exports/index.ts';
import { RepositoryFigures } from '../../../../src/service/repository-figures.ts';
import { TransferWatch } from '../../../../src/service/workers/transferred.ts';

const counters = (
  reads: number,
  writes: number,
  bytesRead = reads * 10,
  bytesWritten = writes,
) => ({
  ...{ requests: reads + writes, errors: 0, reads, writes, bytesRead, bytesWritten },
});
const connection = (id: number, exportName: string | undefined, of = counters(0, 0)) => ({
  ...{ id, exportName, counters: of },
});

describe('what clients of a worker read and wrote', () => {
  it('is told by export, each thing once', () => {
    const watch = new TransferWatch();
    const a = connection(1, 'volume/san/a');
    const again = connection(2, 'volume/san/a');
    const b = connection(3, 'volume/san/b');
    const open = [a, again, b, connection(4, undefined, counters(9, 9))];
    expect(watch.take(open)).toEqual([]);
    Object.assign(a.counters, counters(2, 1));
    Object.assign(again.counters, counters(3, 0));
    expect(watch.take(open)).toEqual([
      ['volume/san/a', { bytesRead: 50, bytesWritten: 1, readRequests: 5, writeRequests: 1 }],
    ]);
    Object.assign(a.counters, counters(4, 1));
    watch.closed(a);
    expect(watch.take([again, b])).toEqual([
      ['volume/san/a', { bytesRead: 20, bytesWritten: 0, readRequests: 2, writeRequests: 0 }],
    ]);
    expect(watch.take([again, b])).toEqual([]);
  });

  it('is never less than nothing: a read that failed is taken back', () => {
    const watch = new TransferWatch();
    const a = connection(1, 'volume/san/a', counters(1, 0, 4096));
    watch.take([a]);
    Object.assign(a.counters, counters(2, 0, 0));
    expect(watch.take([a])).toEqual([
      ['volume/san/a', { bytesRead: 0, bytesWritten: 0, readRequests: 1, writeRequests: 0 }],
    ]);
  });
});

describe('figures of repositories', () => {
  const locator = (repository?: string) => ({
    ...{ adapter: 'local', volume: 'v', address: {} },
    ...(repository === undefined ? {} : { repository }),
  });
  const plan = (name: string, repository?: string): StackPlan => ({
    ...{ key: name, name, description: '', readOnly: false },
    volume: { kind: 'plain', locator: locator(repository) },
  });
  const passed = { bytesRead: 1, bytesWritten: 2, readRequests: 3, writeRequests: 4 };

  it('are what was told of the exports that were opened of them', () => {
    const figures = new RepositoryFigures();
    figures.opened(plan('volume/san/a', 'r1'));
    figures.opened(plan('/uuid', 'r1'));
    figures.opened(plan('volume/own/c'));
    for (const name of ['volume/san/a', '/uuid', 'volume/own/c', 'vdisk/debian']) {
      figures.add([[name, passed]]);
    }
    expect([...figures.ofRepositories()]).toEqual([
      ['r1', { bytesRead: 2, bytesWritten: 4, readRequests: 6, writeRequests: 8 }],
    ]);
  });
});
