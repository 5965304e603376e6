import { describe, expect, it } from 'vitest';
import { element } from '../../../../bench/report/html/element.ts';
import { linearScale, logScale } from '../../../../bench/report/html/scale.ts';
import { renderHtml } from '../../../../bench/report/index.ts';
import type { Interval, Result } from '../../../../bench/result.ts';
import { makeCell, makeLatency, makeRounds } from './make-cell.ts';
import { makeConditions, makeResult } from './make-result.ts';
import { makeSample } from './make-sample.ts';
import { malformation } from './well-formed.ts';

const DOCTYPE = '<!DOCTYPE html>\n';

/** What is wrong with the page as XML. */
const malformationOf = (page: string): string | undefined => {
  expect(page.startsWith(DOCTYPE)).toBe(true);
  return malformation(page.slice(DOCTYPE.length));
};

/** The drawings of a page, by their titles. */
function charts(page: string): Map<string, string> {
  const figures = [...page.matchAll(/<figure><figcaption>([^<]*)<.*?<\/figure>/gs)];
  return new Map(figures.map(([figure, title = '']) => [title, figure]));
}

const interval = (at: number, requests: number, micros: number): Interval => ({
  at,
  seconds: 1,
  requests,
  bytes: requests * 4096,
  p50: micros,
  p99: micros * 3,
});

describe('the check of these tests', () => {
  it.each([
    ['<a><b></a></b>', /ends nothing/],
    ['<a>', /no end/],
    ['<a x="1" x="2"></a>', /twice/],
    ['<a x=1></a>', /no tag/],
    ['<a x="&"></a>', /bare &/],
    ['<a>1 & 2</a>', /bare &/],
    ['<a>1 < 2</a>', /no tag/],
  ])('finds what is wrong with %s', (text, why) => {
    expect(malformation(text)).toMatch(why);
  });

  it('finds nothing wrong with what is right', () => {
    expect(malformation('<a x="1"><b/>1 &lt; 2</a>')).toBeUndefined();
  });
});

describe('an element', () => {
  it('escapes texts and attributes, and rounds places', () => {
    const made = element(
      'a',
      { title: `"<&'`, x: 1.23456, none: undefined },
      '<b>&',
      element('br', {}),
    );
    expect(made.source).toBe('<a title="&quot;&lt;&amp;&#39;" x="1.23">&lt;b&gt;&amp;<br/></a>');
  });
});

describe('a scale', () => {
  it('goes from zero to a round number', () => {
    expect(linearScale(37).ticks).toEqual([0, 10, 20, 30, 40]);
    expect(linearScale(40).ticks).toEqual([0, 10, 20, 30, 40]);
    expect(linearScale(0).ticks.at(0)).toBe(0);
    expect(linearScale(37).place(20)).toBe(0.5);
    expect([-1, 99].map(linearScale(37).place)).toEqual([0, 1]);
  });

  it('goes by decades where figures lie far apart', () => {
    expect(logScale(150, 900_000).ticks).toEqual([100, 1000, 10_000, 100_000, 1_000_000]);
    expect(logScale(150, 900).ticks).toEqual([100, 200, 500, 1000]);
    expect(logScale(100, 10_000).place(1000)).toBeCloseTo(0.5);
    expect(logScale(100, 10_000).place(0)).toBe(0);
  });

  it('is one also of nothing, of one value and of what is not a number', () => {
    const nothing = [logScale(Infinity, -Infinity), logScale(5, 5), linearScale(Number.NaN)];
    for (const { ticks, place } of nothing) {
      expect(ticks.length).toBeGreaterThan(1);
      expect(Number.isFinite(place(5))).toBe(true);
    }
  });
});

describe('the page', () => {
  const sample = makeSample(3);
  const page = renderHtml(sample);

  it.each<[string, Result]>([
    ['of a whole run', sample],
    ['of nothing', makeResult([])],
    [
      'of one round without any optional field',
      makeResult([makeCell({ latency: undefined, server: undefined })]),
    ],
    [
      'of a server that answered nothing',
      makeResult([
        makeCell({
          requests: 0,
          bytes: 0,
          perSecond: 0,
          latency: makeLatency(0),
          intervals: [interval(0, 0, 0)],
        }),
      ]),
    ],
  ])('%s is well-formed, and has numbers where it should', (_, result) => {
    const text = renderHtml(result);
    expect(malformationOf(text)).toBeUndefined();
    expect(text).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('asks nothing of the network', () => {
    const withoutNamespaces = page.replaceAll(' xmlns="http://www.w3.org/2000/svg"', '');
    expect(withoutNamespaces).not.toMatch(/https?:|\/\/[a-z]|@import|url\(/i);
    expect(page).not.toMatch(/<(link|img|iframe|object|embed|base|form|use|image)\b/i);
    expect(page).not.toMatch(/\b(src|srcset|data|action|poster)=/i);
    for (const [, link = ''] of page.matchAll(/href="([^"]*)"/g)) expect(link).toMatch(/^#/);
    expect(page).toContain('default-src &#39;none&#39;');
  });

  it('has a place for each of its links', () => {
    const ids = new Set([...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id));
    const links = [...page.matchAll(/href="#([^"]*)"/g)].map(([, id]) => id);
    expect(links.length).toBeGreaterThan(10);
    expect(links.filter((id) => !ids.has(id))).toEqual([]);
  });

  it('escapes what comes from the result, wherever it stands', () => {
    const hostile = '<script>alert("1")</script>&\u0000';
    const cell = makeCell({
      groups: [{ name: hostile, requests: 1, bytes: 1, latency: makeLatency(10) }],
      intervals: [interval(0, 10, 5), interval(1, 10, 5)],
    });
    const text = renderHtml(
      makeResult([cell], {
        targets: [{ id: 'rootcast-vdisk', title: hostile }],
        workloads: [{ id: 'read-4k-qd32', title: hostile }],
        conditions: makeConditions({
          date: hostile,
          cpu: hostile,
          kernel: hostile,
          distribution: hostile,
          client: hostile,
          versions: { [hostile]: hostile },
        }),
        verdicts: [
          {
            workload: 'read-4k-qd32',
            client: 'fio',
            statistic: hostile,
            target: hostile,
            peer: hostile,
            atMost: 1,
            atLeast: undefined,
            unit: hostile,
            value: 1,
            holds: true,
          },
        ],
      }),
    );
    expect(malformationOf(text)).toBeUndefined();
    expect(text.match(/<script/g)).toHaveLength(1); // ours
    expect(text).not.toContain('alert("');
    expect(text).not.toContain('\u0000');
    expect(text.match(/&lt;script&gt;/g)?.length).toBeGreaterThan(15);
  });

  it('marks the bars with a sign and a word', () => {
    expect(page).toContain('class="left holds">✓ holds<');
    expect(page).toContain('class="left missed">✗ MISSED<');
    expect(page).toContain('class="left absent">– not measured<');
  });

  it('draws for a workload what it has figures for', () => {
    const only = (id: string): Result => ({
      ...sample,
      cells: sample.cells.filter(
        ({ workload, client }) => workload === id && client === 'rootcast',
      ),
    });
    const overTime = ['Throughput over time', 'p50 over time', 'p99 over time'];
    const titles = (id: string): string[] => [...charts(renderHtml(only(id))).keys()];
    const always = ['Server CPU per request', 'Requests'];
    expect(titles('read-4k-qd32')).toEqual([...always, 'Latency', ...overTime]);
    expect(titles('flush-32')).toEqual([
      ...always,
      'Flushed writes',
      'Latency',
      'Latency of write',
      'Latency of flush',
      ...overTime,
    ]);
    expect(titles('boot-100')).toEqual(expect.arrayContaining(['Machines done']));
    expect(titles('idle-1000')).toEqual(['Memory of a connection', 'Time to connect']);
  });

  it('draws no line over time for fio, which has no intervals', () => {
    const text = renderHtml(makeResult([makeCell({ client: 'fio' })]));
    expect([...charts(text).keys()]).toEqual(['Server CPU per request', 'Requests', 'Latency']);
  });
});

describe('a chart', () => {
  it('of bars says median and spread, and has a whisker only over several rounds', () => {
    const cells = [...makeRounds([10, 40, 20]), ...makeRounds([20], { target: 'nbdkit-file' })];
    const drawn = charts(renderHtml(makeResult(cells))).get('Server CPU per request') ?? '';
    expect(drawn).toContain('<title>Rootcast vdisk/V: 20.0 (10.0–40.0) µs</title>');
    expect(drawn).toContain('<title>nbdkit file: 20.0 µs</title>');
    expect(drawn.match(/class="whisker"/g)).toHaveLength(3);
    // 20 on an axis from 0 to 40 that is 368 wide
    expect(drawn.match(/width="184"/g)).toHaveLength(2);
  });

  it('over time shows the median round, with gaps where nothing was answered', () => {
    const rounds = [100, 300, 200].map((perSecond, round) =>
      makeCell({
        round,
        perSecond,
        intervals: [perSecond, perSecond, 0, perSecond, 0, perSecond + 1].map((requests, at) =>
          interval(at, requests, requests === 0 ? 0 : perSecond),
        ),
      }),
    );
    const drawn = charts(renderHtml(makeResult(rounds)));
    const latency = drawn.get('p50 over time') ?? '';
    expect(latency).toContain('<title>Rootcast vdisk/V, 0.500 s: 200 µs</title>');
    expect(latency).not.toContain('300 µs');
    const [, path = ''] = /<path d="([^"]*)"/.exec(latency) ?? [];
    expect(path.match(/M/g)).toHaveLength(3);
    expect(path.match(/L/g)).toHaveLength(1);
    expect(latency.match(/point lone/g)).toHaveLength(2);
    expect(drawn.get('Throughput over time')).toContain('2.50 s: 0 requests/s');
  });

  it('over time ends before a rest that is too short to have a rate', () => {
    const rest = (seconds: number) => {
      const intervals = [
        interval(0, 10, 5),
        interval(1, 10, 5),
        { ...interval(2, 10, 5), seconds },
      ];
      const drawn = charts(renderHtml(makeResult([makeCell({ intervals })])));
      return (drawn.get('Throughput over time')?.match(/class="point"/g) ?? []).length;
    };
    expect([rest(1), rest(0.5), rest(0.49)]).toEqual([3, 3, 2]);
  });

  it('of latencies says all percentiles, in the unit that suits them', () => {
    const latency = makeLatency(2000);
    const drawn = charts(renderHtml(makeResult([makeCell({ latency })]))).get('Latency') ?? '';
    expect(drawn).toContain(
      '<title>Rootcast vdisk/V: p50 2.00, p90 3.20, p99 6.00, p99.9 18.0 ms</title>',
    );
    expect(drawn).toContain(' ms, logarithmic');
  });

  it('looks the same for a target in every section', () => {
    const text = renderHtml(
      makeResult([
        makeCell({ target: 'nbdkit-file' }),
        makeCell({ target: 'nbdkit-file', workload: 'boot-100' }),
      ]),
    );
    expect(text.match(/class="key s s1"/g)).toHaveLength(2);
    expect(text).not.toMatch(/class="key s s0"/);
  });
});
