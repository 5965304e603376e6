/**
 * docs/LIMITS.md from the limits.ts files of src: their names, values and comments, so that the page
 * cannot say anything else than the code. `npm run docs:limits` writes it; test/unit/habits/limits.test.ts
 * notices when that was forgotten.
 */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';

const PROJECT = resolve(import.meta.dirname, '..');
export const PAGE = join(PROJECT, 'docs/LIMITS.md');

interface Limit {
  readonly name: string;
  readonly value: unknown;
  readonly comment: string;
}

const INTRODUCTION = `# Limits

Everything has a limit with a name. This page is made from the \`limits.ts\` files of the source by
\`npm run docs:limits\`; names that end in \`_MS\`, \`_BYTES\`, \`_SECONDS\` say their unit, the others say it in their
description. What an operator can change (quota, cache size, workers, ports) is in the configuration instead:
\`rootcast serve --help\`.
`;

/** The text of a node's documentation comment, on one line. */
function commentOf(node: ts.Node): string {
  const comments = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc);
  const text = comments.map((doc) => ts.getTextOfJSDocComment(doc.comment) ?? '').join(' ');
  return text.replace(/\s+/g, ' ').trim();
}

function isExported(statement: ts.VariableStatement): boolean {
  return statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false;
}

/** Comments of an interface's fields, for a limit that is an object of limits. */
function fieldComments(source: ts.SourceFile): Map<string, string> {
  const comments = new Map<string, string>();
  for (const statement of source.statements.filter(ts.isInterfaceDeclaration)) {
    for (const member of statement.members) {
      if (member.name !== undefined) comments.set(member.name.getText(source), commentOf(member));
    }
  }
  return comments;
}

function limitsOf(source: ts.SourceFile, values: Readonly<Record<string, unknown>>): Limit[] {
  const limits: Limit[] = [];
  const fields = fieldComments(source);
  for (const statement of source.statements.filter(ts.isVariableStatement)) {
    if (!isExported(statement)) continue;
    for (const declaration of statement.declarationList.declarations) {
      const name = declaration.name.getText(source);
      const value = values[name];
      if (typeof value !== 'object' || value === null) {
        limits.push({ name, value, comment: commentOf(statement) });
        continue;
      }
      limits.push({ name, value: '', comment: commentOf(statement) || 'the defaults of these:' });
      for (const [field, of] of Object.entries(value)) {
        limits.push({ name: `${name}.${field}`, value: of, comment: fields.get(field) ?? '' });
      }
    }
  }
  return limits;
}

const POWERS = [
  [2 ** 40, 'Ti'],
  [2 ** 30, 'Gi'],
  [2 ** 20, 'Mi'],
  [2 ** 10, 'Ki'],
] as const;

/** `67,108,864 (64 Mi)`: the number, and a round one where there is one. */
function formatValue(value: unknown): string {
  if (typeof value !== 'number') return String(value);
  const plain = value.toLocaleString('en-US');
  const power = POWERS.find(([size]) => value >= size && value % size === 0);
  return power === undefined ? plain : `${plain} (${value / power[0]} ${power[1]})`;
}

function formatRow({ name, value, comment }: Limit): string {
  return `| \`${name}\` | ${formatValue(value)} | ${comment.replaceAll('|', '\\|')} |`;
}

async function section(path: string): Promise<string> {
  const file = join(PROJECT, path);
  const text = readFileSync(file, 'utf8');
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const values = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  const rows = limitsOf(source, values).map(formatRow);
  return [
    `## \`${dirname(path)}\``,
    '',
    '| limit | value | what for |',
    '|---|--:|---|',
    ...rows,
    '',
  ].join('\n');
}

/** The page as it should be. */
export async function renderLimits(): Promise<string> {
  const paths = globSync('src/**/*limits.ts', { cwd: PROJECT }).sort();
  const sections = await Promise.all(paths.map(section));
  return [INTRODUCTION, ...sections].join('\n');
}
