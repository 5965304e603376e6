import { describe, expect, it } from 'vitest';
import { renderHtml, renderMarkdown, renderTable } from '../../../../bench/report/index.ts';
import type { Cell, Verdict } from '../../../../bench/result.ts';
import { makeCell, makeLatency, makeRounds } from './make-cell.ts';
import { makeConditions, makeOptions, makeResult } from './make-result.ts';
import { makeSample } from './make-sample.ts';

/** The cells of a Markdown table's lines, of every table of the text. */
function tableLines(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    );
}

/** A line of the first table as a record by its headings. */
function lineOf(text: string, server: string): Record<string, string> {
  const [header = [], , ...lines] = tableLines(text);
  const line = lines.find(([name]) => name === server) ?? [];
  return Object.fromEntries(header.map((name, index) => [name, line[index] ?? '']));
}

const peer = (costs: readonly number[], differences: Partial<Cell> = {}): Cell[] =>
  makeRounds(costs, { target: 'nbdkit-file', ...differences });

describe('the table of a workload', () => {
  it('shows the median and the spread over the rounds, also over an even number of them', () => {
    const text = renderMarkdown(makeResult([...makeRounds([12, 10, 30, 11]), ...peer([23])]));
    expect(lineOf(text, 'Rootcast vdisk/V')['CPU µs/request']).toBe('11.5 (10.0–30.0)');
    expect(lineOf(text, 'nbdkit file')['CPU µs/request']).toBe('23.0');
  });

  it('compares the first Rootcast target with each, and says which one it is', () => {
    const cells = [
      ...makeRounds([20], { target: 'rootcast-machine' }),
      ...peer([25]),
      ...makeRounds([10]),
    ];
    const ratioColumn = 'CPU: Rootcast vdisk/V ÷ this';
    const text = renderMarkdown(makeResult(cells));
    expect(lineOf(text, 'nbdkit file')[ratioColumn]).toBe('0.40');
    expect(lineOf(text, 'Rootcast vdisk/V')[ratioColumn]).toBe('1.00');
    expect(lineOf(text, 'Rootcast machine/NAME')[ratioColumn]).toBe('0.50');
  });

  it('has no ratio where no Rootcast target took part', () => {
    expect(renderMarkdown(makeResult(peer([25])))).not.toContain('÷');
  });

  it('has only the columns that the workload has figures for', () => {
    const [header] = tableLines(renderMarkdown(makeResult(makeRounds([10]))));
    expect(header).toEqual([
      'server',
      'CPU µs/request',
      'requests /s',
      'p50 µs',
      'p99 ms',
      'p99.9 ms',
      'RSS MiB',
      'idle before',
      'noisy',
      'CPU: Rootcast vdisk/V ÷ this',
    ]);
  });

  it('shows MB/s where blocks are large', () => {
    const large = { bytes: 131_072_000, bytesPerSecond: 65_536_000 };
    expect(lineOf(renderMarkdown(makeResult(makeRounds([1], large))), 'Rootcast vdisk/V')).toEqual(
      expect.objectContaining({ 'data MB/s': '65.5' }),
    );
  });

  it('shows when the machines were done, and what the slow origin was asked', () => {
    const finished = { machines: 100, first: 1.25, median: 2.5, last: 61 };
    const cell = makeCell({ workload: 'boot-100', finished, originRequests: 1234 });
    expect(lineOf(renderMarkdown(makeResult([cell])), 'Rootcast vdisk/V')).toEqual(
      expect.objectContaining({
        'first done s': '1.25',
        'median done s': '2.50',
        'last done s': '61.0',
        'origin requests': '1,234',
      }),
    );
  });

  it('shows flushed writes: the flushes where they are counted, else all requests', () => {
    const flush = { name: 'flush', requests: 300, bytes: 0, latency: makeLatency(900) };
    const own = makeCell({ workload: 'flush-32', groups: [flush] });
    expect(lineOf(renderMarkdown(makeResult([own])), 'Rootcast vdisk/V')['flushed writes /s']).toBe(
      '150',
    );
    const fio = makeCell({ workload: 'flush-32', client: 'fio' });
    expect(lineOf(renderMarkdown(makeResult([fio])), 'Rootcast vdisk/V')['flushed writes /s']).toBe(
      '500',
    );
  });

  it('shows what an idle connection costs, and no figure per request where there was none', () => {
    const connections = { count: 1000, bytesEach: 9216, connect: makeLatency(1500) };
    const idle = { workload: 'idle-1000', requests: 0, bytes: 0, latency: undefined } as const;
    const elsewhere = {
      ...idle,
      target: 'nbdkit-file',
      server: undefined,
      connections: { ...connections, bytesEach: undefined },
    };
    const text = renderMarkdown(
      makeResult([makeCell({ ...idle, connections }), makeCell(elsewhere)]),
    );
    expect(lineOf(text, 'Rootcast vdisk/V')).toEqual({
      server: 'Rootcast vdisk/V',
      'CPU of a core': '1 %',
      connections: '1,000',
      'memory KiB/connection': '9.00',
      'connect p50 ms': '1.50',
      'connect p99 ms': '4.50',
      'RSS MiB': '64.0',
      'idle before': '95 %',
      noisy: '',
    });
    expect(lineOf(text, 'nbdkit file')).toEqual(
      expect.objectContaining({
        'memory KiB/connection': '—',
        'CPU of a core': '—',
        'RSS MiB': '—',
      }),
    );
  });

  it('shows the busiest thread where workers are what is measured', () => {
    const text = renderMarkdown(makeResult([makeCell({ workload: 'two-workers' })]));
    expect(lineOf(text, 'Rootcast vdisk/V')['busiest thread of a core']).toBe('1 %');
  });

  it('counts the noisy rounds', () => {
    const [first, ...others] = makeRounds([1, 2, 3]);
    const cells = [...(first ? [{ ...first, noisy: true }] : []), ...others];
    expect(lineOf(renderMarkdown(makeResult(cells)), 'Rootcast vdisk/V')['noisy']).toBe('1 of 3');
  });

  it('stands once for each client', () => {
    const text = renderMarkdown(makeResult([makeCell(), makeCell({ client: 'fio' })]));
    expect(text).toContain('### 4K random read, QD32 — our own client (`read-4k-qd32`)');
    expect(text).toContain('### 4K random read, QD32 — fio (`read-4k-qd32`)');
  });

  it('leaves out no measurement whose target or workload has no name', () => {
    const nameless = makeResult([makeCell()], { targets: [], workloads: [] });
    expect(renderMarkdown(nameless)).toMatch(/### read-4k-qd32 .*\n\n.*\n.*\n\| rootcast-vdisk /);
  });
});

describe('the table of groups', () => {
  const group = { name: 'booting', requests: 300, bytes: 6_000_000, latency: makeLatency(1500) };

  it('shows what each kind of request or machine saw', () => {
    const text = renderMarkdown(makeResult([makeCell({ groups: [group] })]));
    expect(tableLines(text).slice(3)).toEqual([
      ['server', 'group', 'requests /s', 'data MB/s', 'p50 ms', 'p99 ms', 'p99.9 ms'],
      expect.anything(),
      ['Rootcast vdisk/V', 'booting', '150', '3.00', '1.50', '4.50', '13.5'],
    ]);
  });

  it('is not there where all requests were alike', () => {
    expect(renderMarkdown(makeResult([makeCell()]))).not.toContain('| group');
  });
});

describe('what a report says besides', () => {
  const bar: Verdict = {
    workload: 'read-4k-qd32',
    client: 'rootcast',
    statistic: 'CPU per request',
    target: 'rootcast-vdisk',
    peer: 'nbdkit-file',
    atMost: 1,
    atLeast: undefined,
    unit: '×',
    value: 0.4,
    holds: true,
  };
  const absolute: Verdict = {
    ...bar,
    peer: undefined,
    unit: 'KiB',
    atMost: 32,
    value: 33,
    holds: false,
  };
  const missing: Verdict = {
    ...bar,
    atMost: undefined,
    atLeast: 2,
    value: undefined,
    holds: undefined,
  };

  it('is whether each bar holds, is missed, or was not measured', () => {
    const text = renderMarkdown(makeResult([], { verdicts: [bar, absolute, missing] }));
    expect(text).toContain(
      '- read-4k-qd32 (rootcast): CPU per request of Rootcast vdisk/V at most 1.00 × that of nbdkit file: 0.40 × — holds\n',
    );
    expect(text).toContain(
      '- read-4k-qd32 (rootcast): CPU per request of Rootcast vdisk/V at most 32.0 KiB: 33.0 KiB — **MISSED**\n',
    );
    expect(text).toContain('at least 2.00 × that of nbdkit file: not measured\n');
    expect(text).toContain('Of 3 bars 1 hold, 1 missed, 1 not measured.');
  });

  it('is that the figures say little, when the run was quick or most of it noisy', () => {
    const quick = { conditions: makeConditions({ options: makeOptions({ quick: true }) }) };
    const little = makeResult([makeCell({ noisy: true })], quick);
    for (const text of [renderMarkdown(little), renderTable(little), renderHtml(little)]) {
      expect(text).toContain('A quick run: it shows that everything works');
      expect(text).toContain('1 of 1 measurements were noisy: the machine was busy');
    }
    const enough = makeResult([makeCell()]);
    for (const text of [renderMarkdown(enough), renderTable(enough), renderHtml(enough)]) {
      expect(text).not.toMatch(/A quick run|busy with other things/);
    }
  });

  it('is how many bytes were compared, and whose were not', () => {
    const verified = { bytes: 2 ** 30 };
    const cells = [makeCell({ verified }), makeCell({ round: 1, verified }), ...peer([3])];
    expect(renderMarkdown(makeResult(cells))).toContain(
      'Verified: Rootcast vdisk/V 2 GiB; not verified: nbdkit file.',
    );
    expect(renderMarkdown(makeResult([makeCell()]))).toContain('Verified: nothing');
  });

  it('is under which conditions it was measured', () => {
    const options = makeOptions({ json: 'out.json', quick: true, only: ['a', 'b'] });
    const text = renderMarkdown(makeResult([], { conditions: makeConditions({ options }) }));
    expect(text).toContain('- machine: 2 × AMD EPYC, 24 GiB\n');
    expect(text).toContain('- nbdkit file: nbdkit 1.32.5\n');
    expect(text).toContain(
      '- options: rounds 5; seconds 3; warmUp 3; patience 20; image 512 MiB; write 192 MiB; only a, b; quick\n',
    );
    expect(text).not.toContain('out.json');
  });
});

describe('a name from elsewhere', () => {
  const hostile = makeResult([makeCell()], {
    targets: [{ id: 'rootcast-vdisk', title: 'a|b <script>\u001b[2J*x*\n# y' }],
  });

  it('stays a name in Markdown', () => {
    const text = renderMarkdown(hostile);
    expect(text).toContain('| a\\|b &lt;script>�\\[2J\\*x\\* # y |');
  });

  it('sends no control characters to the terminal', () => {
    expect(renderTable(hostile)).toContain('│ a|b <script>�[2J*x* # y │');
  });
});

describe('the terminal', () => {
  it('gets the same figures, with units below the names, and no colours', () => {
    const text = renderTable(makeResult([...makeRounds([10, 12]), ...peer([22])]));
    expect(text).toMatch(/│ server +│ +CPU │ requests │/);
    expect(text).toMatch(/│ +│ +µs\/request │ +\/s │/);
    expect(text).toMatch(/│ Rootcast vdisk\/V │ 11\.0 \(10\.0–12\.0\) │/);
    expect(text).not.toContain('\u001b');
  });

  it('gets every workload, every server and every bar of a whole run', () => {
    const sample = makeSample(2);
    const [table, markdown] = [renderTable(sample), renderMarkdown(sample)];
    for (const { id, title } of sample.workloads) {
      expect(table).toContain(`(${id})`);
      expect(table).toContain(title);
      expect(markdown).toContain(`(\`${id}\`)`);
    }
    for (const { title } of sample.targets) expect(table).toContain(title);
    for (const outcome of ['holds', 'MISSED', 'not measured']) expect(table).toContain(outcome);
    for (const text of [table, markdown]) expect(text).not.toMatch(/NaN|undefined|Infinity/);
  });
});
