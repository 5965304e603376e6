/** The whole report as one file that asks nothing of the network. */
import type { Result } from '../../result.ts';
import { caveatsOf } from '../caveats.ts';
import { figureTable, groupTable } from '../figure-table.ts';
import { type Row, type Section, sectionsOf, sectionTitle, targetsOf } from '../section.ts';
import { describeConditions, describeVerification } from '../statements.ts';
import { element, type Markup, trusted } from './element.ts';
import { barsMarkup, overviewMarkup, sectionId } from './overview.ts';
import { dashOf, seriesClass } from './palette.ts';
import { PAGE_SCRIPT } from './script.ts';
import { sectionCharts } from './section-charts.ts';
import { pageStyle } from './style.ts';
import { tableMarkup } from './table-markup.ts';

/** Even if something slipped in, a browser would fetch nothing. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

function key({ target, series }: Row): Markup {
  const sample = element(
    'svg',
    { viewBox: '0 0 26 10', 'aria-hidden': 'true' },
    element('path', { d: 'M0 5H26', class: 'line', 'stroke-dasharray': dashOf(series) }),
  );
  const attributes = {
    type: 'button',
    class: `key ${seriesClass(series)}`,
    'data-series': series,
    'aria-pressed': 'true',
  };
  return element('button', attributes, sample, target.title);
}

function sectionMarkup(section: Section): Markup {
  const groups = groupTable(section);
  const charts = sectionCharts(section);
  return element(
    'section',
    { id: sectionId(section) },
    element(
      'h2',
      {},
      sectionTitle(section),
      ' ',
      element('span', { class: 'soft' }, section.workload.id),
    ),
    element('div', { class: 'keys' }, section.rows.map(key)),
    element('div', { class: 'charts' }, charts),
    tableMarkup(figureTable(section)),
    groups === undefined
      ? undefined
      : [element('h3', {}, 'By kind of request or machine'), tableMarkup(groups)],
    element('p', { class: 'soft' }, describeVerification(section)),
  );
}

function conditionsMarkup(result: Result): Markup {
  return element(
    'dl',
    {},
    describeConditions(result).map(({ name, text }) => [
      element('dt', {}, name),
      element('dd', {}, text),
    ]),
  );
}

const contents = (sections: readonly Section[]): Markup =>
  element(
    'ul',
    { class: 'contents' },
    sections.map((section) =>
      element('li', {}, element('a', { href: `#${sectionId(section)}` }, sectionTitle(section))),
    ),
  );

function bodyMarkup(result: Result): Markup {
  const sections = sectionsOf(result);
  const overview = overviewMarkup(result, sections);
  return element(
    'body',
    {},
    element('h1', {}, 'Rootcast benchmark'),
    element(
      'p',
      { class: 'soft' },
      `${result.conditions.date}, ${result.conditions.cpus} × ${result.conditions.cpu}`,
    ),
    caveatsOf(result).map((caveat) => element('p', { class: 'missed' }, caveat)),
    element('h2', {}, 'Bars'),
    barsMarkup(result),
    overview === undefined
      ? undefined
      : [
          element('h2', {}, 'Server CPU per request, µs'),
          element(
            'p',
            { class: 'soft' },
            'Medians; in brackets what the first Rootcast server of the line costs as a share of this one.',
          ),
          overview,
        ],
    element('h2', {}, 'Conditions'),
    conditionsMarkup(result),
    element('h2', {}, 'Workloads'),
    element(
      'p',
      { class: 'soft hint' },
      'A click on a server’s name hides it in the charts. Whiskers reach from minimum to maximum over the ' +
        'rounds; lines over time are those of the median round.',
    ),
    contents(sections),
    sections.map(sectionMarkup),
    element('script', {}, trusted(PAGE_SCRIPT)),
  );
}

export function renderHtml(result: Result): string {
  const head = element(
    'head',
    {},
    element('meta', { charset: 'utf-8' }),
    element('meta', { 'http-equiv': 'Content-Security-Policy', content: POLICY }),
    element('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
    element('title', {}, `Rootcast benchmark ${result.conditions.date}`),
    element('style', {}, trusted(pageStyle(targetsOf(result).length))),
  );
  const html = element('html', { lang: 'en' }, head, bodyMarkup(result));
  return `<!DOCTYPE html>\n${html.source}\n`;
}
