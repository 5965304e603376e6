/**
 * Reads an XML-RPC call. Every element knows which may follow inside it, so that whatever is not in the grammar
 * is refused where it begins, and nothing grows that has no limit. Prefixes of names are passed over, as xapi
 * does (Apache's library sends `ex:i8`, `ex:nil`); so are attributes.
 */
import { SaxesParser } from 'saxes';
import {
  MAX_CALL_VALUES,
  MAX_METHOD_CHARACTERS,
  MAX_NAME_CHARACTERS,
  MAX_VALUE_DEPTH,
  QUOTED_CHARACTERS,
} from './limits.ts';
import { decimalOfText, integerOfText } from './number-text.ts';
import { type RpcCall, WireDateTime, type WireValue } from './wire-value.ts';
import { WireViolation } from './wire-violation.ts';

/** @throws WireViolation, and nothing else */
export function readXmlCall(text: string): RpcCall {
  let call: RpcCall | undefined;
  const open: Element[] = [documentElement((found) => (call = found))];
  const current = (): Element => {
    const element = open.at(-1);
    if (element === undefined) throw new WireViolation('malformed-xml', 'more ends than begins');
    return element;
  };
  const parser = new SaxesParser();
  parser.on('error', ({ message }) => {
    throw new WireViolation('malformed-xml', message.slice(0, QUOTED_CHARACTERS));
  });
  parser.on('doctype', () => {
    throw new WireViolation('document-type', 'a document type is not accepted');
  });
  parser.on('opentag', ({ name }) => open.push(current().open(localName(name))));
  parser.on('text', (characters) => current().text(characters));
  parser.on('cdata', (characters) => current().text(characters));
  parser.on('closetag', () => {
    current().close();
    open.pop();
  });
  parser.write(text).close();
  if (call === undefined) throw new WireViolation('no-call', 'there is no methodCall');
  return call;
}

function localName(name: string): string {
  return name.slice(name.lastIndexOf(':') + 1);
}

/** One that was begun. */
interface Element {
  /** What begins inside it. @throws WireViolation */
  open(name: string): Element;
  /** All of its characters, in pieces. @throws WireViolation */
  text(characters: string): void;
  /** It ends. @throws WireViolation */
  close(): void;
}

const BLANK = /^[ \t\r\n]*$/;

function unexpected(name: string, expected: string): WireViolation {
  const what = name.slice(0, QUOTED_CHARACTERS);
  return new WireViolation('unexpected-element', `<${what}> instead of ${expected}`);
}

/** Between elements there is nothing but white space. */
function blankOnly(characters: string): void {
  if (!BLANK.test(characters)) {
    throw new WireViolation('unexpected-text', 'there is text between elements');
  }
}

/** One that has characters only. */
function textElement(name: string, limit: number, done: (text: string) => void): Element {
  let content = '';
  return {
    open: (child) => {
      throw unexpected(child, `the text of ${name}`);
    },
    text: (characters) => {
      if (content.length + characters.length > limit) {
        throw new WireViolation('name-too-long', `${name} is longer than ${limit} characters`);
      }
      content += characters;
    },
    close: () => done(content),
  };
}

/** One that has these, each once and in this order. */
function sequenceElement(
  children: readonly (readonly [name: string, begin: () => Element])[],
  close: () => void,
): Element {
  let next = 0;
  return {
    open: (name) => {
      const [expected, begin] = children[next] ?? [];
      if (begin === undefined) throw unexpected(name, 'the end of its element');
      if (name !== expected) throw unexpected(name, `<${expected}>`);
      next++;
      return begin();
    },
    text: blankOnly,
    close: () => {
      const [missing] = children[next] ?? [];
      if (missing === undefined) close();
      else throw new WireViolation('unexpected-element', `<${missing}> is missing`);
    },
  };
}

/** One that has any number of one kind. */
function listElement(child: string, begin: () => Element, close: () => void): Element {
  return {
    open: (name) => {
      if (name !== child) throw unexpected(name, `<${child}>`);
      return begin();
    },
    text: blankOnly,
    close,
  };
}

function documentElement(done: (call: RpcCall) => void): Element {
  return sequenceElement([['methodCall', () => callElement(done)]], () => undefined);
}

function callElement(done: (call: RpcCall) => void): Element {
  let method = '';
  const parameters: WireValue[] = [];
  const budget: Budget = { values: MAX_CALL_VALUES };
  const parameter = (): Element =>
    sequenceElement(
      [['value', () => valueElement(budget, 0, (value) => parameters.push(value))]],
      () => undefined,
    );
  return sequenceElement(
    [
      [
        'methodName',
        () => textElement('methodName', MAX_METHOD_CHARACTERS, (name) => (method = name)),
      ],
      ['params', () => listElement('param', parameter, () => undefined)],
    ],
    () => done({ method, parameters }),
  );
}

/** What the whole call may still hold. */
interface Budget {
  values: number;
}

type Done = (value: WireValue) => void;

/** Bare text is a string; white space around an element is none. */
function valueElement(budget: Budget, depth: number, done: Done): Element {
  if (--budget.values < 0) {
    throw new WireViolation('too-many-values', `a call has at most ${MAX_CALL_VALUES} values`);
  }
  let content = '';
  let typed: WireValue | undefined;
  return {
    open: (name) => {
      if (typed !== undefined) throw unexpected(name, 'the end of its value');
      blankOnly(content);
      return typedElement(name, budget, depth, (value) => (typed = value));
    },
    text: (characters) => {
      if (typed !== undefined) blankOnly(characters);
      content += characters;
    },
    close: () => done(typed === undefined ? content : typed),
  };
}

/** One that says the type of the value that it is in. */
function typedElement(name: string, budget: Budget, depth: number, done: Done): Element {
  const scalar = (read: (text: string) => WireValue): Element =>
    textElement(name, Number.POSITIVE_INFINITY, (text) => done(read(text)));
  switch (name) {
    case 'string':
      return scalar((text) => text);
    case 'int':
    case 'i4':
    case 'i8':
      return scalar((text) => numberOr(integerOfText(text), 'an integer'));
    case 'double':
      return scalar((text) => numberOr(decimalOfText(text), 'a double'));
    case 'boolean':
      return scalar(booleanOf);
    case 'dateTime.iso8601':
      return scalar((text) => new WireDateTime(text));
    case 'nil':
      return sequenceElement([], () => done(null));
    case 'array':
      return arrayElement(budget, deeper(depth), done);
    case 'struct':
      return structElement(budget, deeper(depth), done);
    case 'base64':
      throw new WireViolation('base64', 'XenAPI has no base64 values: send a string');
    default:
      throw unexpected(name, 'the type of a value');
  }
}

function numberOr(value: number | undefined, expected: string): number {
  if (value === undefined) throw new WireViolation('bad-number', `that is not ${expected}`);
  return value;
}

function booleanOf(text: string): boolean {
  if (text === '1' || text === '0') return text === '1';
  throw new WireViolation('bad-boolean', 'a boolean is 1 or 0');
}

function deeper(depth: number): number {
  if (depth < MAX_VALUE_DEPTH) return depth + 1;
  throw new WireViolation('too-deep', `arrays and structs nest at most ${MAX_VALUE_DEPTH} deep`);
}

/** `<array/>` has no data, as xapi reads it. */
function arrayElement(budget: Budget, depth: number, done: Done): Element {
  const values: WireValue[] = [];
  let begun = false;
  return {
    open: (name) => {
      if (begun || name !== 'data') throw unexpected(name, 'one <data>');
      begun = true;
      const value = (): Element => valueElement(budget, depth, (one) => values.push(one));
      return listElement('value', value, () => undefined);
    },
    text: blankOnly,
    close: () => done(values),
  };
}

function structElement(budget: Budget, depth: number, done: Done): Element {
  const members = new Map<string, WireValue>();
  const member = (): Element => {
    let name = '';
    return sequenceElement(
      [
        ['name', () => textElement('name', MAX_NAME_CHARACTERS, (text) => (name = text))],
        ['value', () => valueElement(budget, depth, (value) => members.set(name, value))],
      ],
      () => undefined,
    );
  };
  return listElement('member', member, () => done(members));
}
