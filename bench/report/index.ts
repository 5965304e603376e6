/** What a person reads of a run: tables, a page, and one run beside another. */
export {
  type Comparison,
  ComparisonRefused,
  compareResults,
} from './comparison.ts';
export { renderHtml } from './html/page.ts';
export { renderMarkdown } from './markdown.ts';
export { InvalidResult, readResult } from './read-result.ts';
export { renderComparison } from './render-comparison.ts';
export { renderTable } from './terminal.ts';
