/** The JSON document of a run, verified: what a wrong or an older file would say is never shown as figures. */
import { Ajv, type ErrorObject } from 'ajv';
import type { Static } from 'typebox';
import { type Cell, RESULT_FORMAT, type Result } from '../result.ts';
import { RESULT_SCHEMA } from './schema.ts';

type Document = Static<typeof RESULT_SCHEMA>;

/** Where a document is wrong, what stands there, and what would be right. */
export class InvalidResult extends Error {
  override readonly name = 'InvalidResult';
  /** Dotted, such as `cells.3.latency.p99`; empty for the document itself. */
  readonly field: string;
  /** Undefined where the field is missing. */
  readonly value: unknown;
  readonly expected: string;

  constructor(field: string, value: unknown, expected: string) {
    const found = value === undefined ? 'is missing' : `is ${brief(value)}`;
    super(`not the result of a run: ${field || 'the document'} ${found}, expected ${expected}`);
    this.field = field;
    this.value = value;
    this.expected = expected;
  }
}

const BRIEF_LENGTH = 60;

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= BRIEF_LENGTH ? text : `${text.slice(0, BRIEF_LENGTH)}…`;
}

const validate = new Ajv({
  allErrors: false, // one is enough for people
  verbose: true, // for the schema's description: what would have been right
  allowUnionTypes: true,
}).compile<Document>(RESULT_SCHEMA);

function invalid(error: ErrorObject): InvalidResult {
  const { keyword, params, parentSchema, data } = error;
  const path = error.instancePath.slice(1).replaceAll('/', '.');
  const child = String(params['missingProperty'] ?? params['additionalProperty'] ?? '');
  const field = [path, child].filter((part) => part !== '').join('.');
  const properties: Readonly<Record<string, { readonly description?: string }>> =
    parentSchema?.['properties'] ?? {};
  switch (keyword) {
    case 'required':
      return new InvalidResult(field, undefined, properties[child]?.description ?? 'a value');
    case 'additionalProperties': {
      const known = Object.keys(properties).join(', ');
      return new InvalidResult(field, fieldOf(data, child), `no other fields than ${known}`);
    }
    default:
      return new InvalidResult(field, data, String(parentSchema?.['description'] ?? error.message));
  }
}

const fieldOf = (data: unknown, name: string): unknown =>
  typeof data === 'object' && data !== null
    ? Object.entries(data).find(([n]) => n === name)?.[1]
    : undefined;

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new InvalidResult('', text, `JSON as --json writes it (${why})`);
  }
}

/** First of all, so that an older document is not blamed for each of its fields. */
function checkFormat(document: unknown): void {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new InvalidResult('', document, 'an object');
  }
  const format = fieldOf(document, 'format');
  if (format === RESULT_FORMAT) return;
  const older = 'another version of the benchmark wrote the document; measure again';
  throw new InvalidResult('format', format, `${RESULT_FORMAT} (${older})`);
}

/** What the schema cannot say: cells and bars speak of targets and workloads that have names. */
function checkNames({ targets, workloads, cells }: Document): void {
  const targetIds = new Set(targets.map(({ id }) => id));
  const workloadIds = new Set<string>(workloads.map(({ id }) => id));
  for (const [index, { target, workload }] of cells.entries()) {
    if (!targetIds.has(target)) {
      throw new InvalidResult(
        `cells.${index}.target`,
        target,
        `one of ${[...targetIds].join(', ')}`,
      );
    }
    if (!workloadIds.has(workload)) {
      const known = `one of ${[...workloadIds].join(', ')}`;
      throw new InvalidResult(`cells.${index}.workload`, workload, known);
    }
  }
}

/** Absent in JSON is undefined in memory. */
function assembleCell(cell: Document['cells'][number]): Cell {
  const { connections, server } = cell;
  return {
    ...cell,
    latency: cell.latency,
    server: server && {
      ...server,
      cpuMicrosPerRequest: server.cpuMicrosPerRequest ?? Number.NaN,
    },
    verified: cell.verified,
    finished: cell.finished,
    connections: connections && { ...connections, bytesEach: connections.bytesEach },
    originRequests: cell.originRequests,
  };
}

function assemble(document: Document): Result {
  return {
    ...document,
    cells: document.cells.map(assembleCell),
    verdicts: document.verdicts.map((verdict) => ({
      ...verdict,
      peer: verdict.peer,
      atMost: verdict.atMost,
      atLeast: verdict.atLeast,
      value: verdict.value,
      holds: verdict.holds,
    })),
  };
}

/**
 * @param text what `--json` wrote
 * @throws InvalidResult with the field, the value and what would be right
 */
export function readResult(text: string): Result {
  const document = parse(text);
  checkFormat(document);
  if (!validate(document)) {
    const [error] = validate.errors ?? [];
    throw error === undefined ? new InvalidResult('', document, 'a result') : invalid(error);
  }
  checkNames(document);
  return assemble(document);
}
