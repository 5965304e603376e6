/** Rows of SQLite into typed records: a column of the wrong type is a bug and says which. */
import type { SQLOutputValue } from 'node:sqlite';
import { Fault } from '../../errors/index.ts';

export type Row = Readonly<Record<string, SQLOutputValue>>;

function wrong(row: Row, column: string, expected: string): Fault {
  return new Fault('INTERNAL', `catalog column ${column} holds ${typeof row[column]}`, {
    field: column,
    expected,
  });
}

export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== 'string') throw wrong(row, column, 'text');
  return value;
}

export function integer(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== 'number') throw wrong(row, column, 'an integer');
  return value;
}

export function optionalText(row: Row, column: string): string | undefined {
  return row[column] === null ? undefined : text(row, column);
}

export function optionalInteger(row: Row, column: string): number | undefined {
  return row[column] === null ? undefined : integer(row, column);
}

/** A column with a CHECK constraint of the same words. */
export function oneOf<T extends string>(row: Row, column: string, words: readonly T[]): T {
  const value = text(row, column);
  const word = words.find((candidate) => candidate === value);
  if (word === undefined) throw wrong(row, column, words.join(', '));
  return word;
}

export function blob(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (!(value instanceof Uint8Array)) throw wrong(row, column, 'a blob');
  return value;
}

export function json(row: Row, column: string): unknown {
  return JSON.parse(text(row, column));
}
