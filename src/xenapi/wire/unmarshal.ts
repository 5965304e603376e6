/**
 * From a value that came in to one of a type of the datamodel. What is accepted for a type is what ocaml-rpc
 * accepts (rpc.ml): numbers also as text, dates also as strings, enumerations in any case; structs may have
 * members that nobody asked for, since typed clients send whole records.
 */
import type {
  ApiType,
  EnumType,
  MapType,
  RecordType,
  Scalar,
  ValueOf,
} from '../datamodel/description.ts';
import { dateTimeOfText } from './date-time.ts';
import { decimalOfText, integerOfText } from './number-text.ts';
import { type Path, quoted, shown, TypeViolation } from './type-violation.ts';
import { WireDateTime, type WireStruct, type WireValue } from './wire-value.ts';

const INT32_LIMIT = 2 ** 31;

/**
 * @param path of the value, for whoever reads the complaint
 * @throws TypeViolation, and nothing else
 */
export function unmarshal<const T extends ApiType>(
  type: T,
  value: WireValue,
  path: Path,
): ValueOf<T> {
  // The compiler cannot see that what comes of a type is a value of it; test/unit/xenapi/wire does.
  return read(type, value, path) as ValueOf<T>;
}

function read(type: ApiType, value: WireValue | undefined, path: Path): unknown {
  if (typeof type === 'string') return SCALARS[type](value, path);
  switch (type.kind) {
    case 'ref':
      return text(value, path, `a reference of ${type.of}`);
    case 'enum':
      return oneOfEnum(type, value, path);
    case 'set':
      if (!Array.isArray(value)) throw wrong(value, path, 'an array');
      return value.map((member, index) => read(type.of, member, `${path}[${index}]`));
    case 'map':
      return readMap(type, value, path);
    case 'record':
      return readRecord(type, value, path);
    case 'option':
      return value === undefined || value === null ? undefined : read(type.of, value, path);
    case 'any':
      throw wrong(value, path, 'nothing: it is only told');
  }
}

type Read = (value: WireValue | undefined, path: Path) => unknown;

const SCALARS: Readonly<Record<Scalar, Read>> = {
  string: (value, path) => text(value, path, 'a string'),
  int: (value, path) => integer(value, path),
  int32: (value, path) => {
    const found = integer(value, path);
    if (found >= -INT32_LIMIT && found < INT32_LIMIT) return found;
    throw wrong(value, path, 'an integer of 32 bits');
  },
  float: (value, path) => {
    const found = typeof value === 'string' ? decimalOfText(value) : value;
    if (typeof found === 'number') return found + 0; // -0 is 0
    throw wrong(value, path, 'a number');
  },
  bool: (value, path) => {
    if (typeof value === 'boolean') return value;
    throw wrong(value, path, 'a boolean');
  },
  datetime: (value, path) => {
    const dateText = value instanceof WireDateTime ? value.text : text(value, path, 'a date');
    const found = dateTimeOfText(dateText);
    if (found !== undefined) return found;
    throw invalid(dateText, path, 'a date like 20261128T09:30:00Z');
  },
  void: (value, path) => {
    if (value === undefined || value === null || value === '') return undefined;
    throw wrong(value, path, 'nothing');
  },
};

function wrong(value: WireValue | undefined, path: Path, expected: string): TypeViolation {
  return new TypeViolation({ path, came: shown(value), expected });
}

function invalid(came: string, path: Path, expected: string): TypeViolation {
  return new TypeViolation({ path, came: quoted(came), expected }, [came.toWellFormed()]);
}

function text(value: WireValue | undefined, path: Path, expected: string): string {
  if (typeof value !== 'string') throw wrong(value, path, expected);
  if (value.isWellFormed()) return value;
  throw new TypeViolation({ path, came: 'bytes that are not UTF-8', expected }, [
    'Invalid UTF-8 string in parameter',
    value.toWellFormed(),
  ]);
}

/** Those that a double can tell apart: the datamodel's int has 64 bits, nothing here needs more than 53. */
function integer(value: WireValue | undefined, path: Path): number {
  const found = typeof value === 'string' ? integerOfText(value) : value;
  if (typeof found === 'number' && Number.isSafeInteger(found)) return found + 0; // -0 is 0
  throw wrong(value, path, 'an integer of less than 2^53');
}

function oneOfEnum({ name, values }: EnumType, value: WireValue | undefined, path: Path): string {
  const given = text(value, path, `a ${name}`);
  if (values.includes(given)) return given;
  const lower = given.toLowerCase();
  const found = values.find((one) => one.toLowerCase() === lower);
  if (found !== undefined) return found;
  throw invalid(given, path, `one of ${values.join(', ')}`);
}

function structAt(value: WireValue | undefined, path: Path): WireStruct {
  if (value instanceof Map) return value;
  throw wrong(value, path, 'a struct');
}

/** Keys are checked as what they stand for, and stay the texts that they are. */
function readMap(
  { key, value: of }: MapType,
  value: WireValue | undefined,
  path: Path,
): ReadonlyMap<string, unknown> {
  const found = new Map<string, unknown>();
  for (const [name, member] of structAt(value, path)) {
    const where = `${path}[${quoted(name)}]`;
    const known = read(key, name, where);
    found.set(typeof known === 'string' ? known : String(known), read(of, member, where));
  }
  return found;
}

function readRecord(
  { members }: RecordType,
  value: WireValue | undefined,
  path: Path,
): Readonly<Record<string, unknown>> {
  const struct = structAt(value, path);
  const found: Record<string, unknown> = {};
  for (const [name, type] of Object.entries(members)) {
    const member = read(type, struct.get(name), `${path}.${name}`);
    if (member !== undefined) found[name] = member;
  }
  return found;
}
