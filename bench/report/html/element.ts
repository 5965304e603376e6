/**
 * Elements of HTML and SVG, escaped by construction: a text among the children is a text, and markup is
 * only what this file made (or a constant of ours, which `trusted` marks). What it writes is also well-formed
 * XML, so that a mistake can be found by a parser.
 */
import { plainText } from '../plain-text.ts';

export class Markup {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

export type Child = Markup | string | readonly Child[] | undefined;

/** Undefined: the attribute is not there. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** Elements that have no end tag in HTML. */
const VOID = new Set(['meta', 'br', 'hr']);

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeText(text: string): string {
  return plainText(text).replaceAll(/[&<>"']/g, (sign) => ENTITIES[sign] ?? sign);
}

function sourceOf(child: Child): string {
  if (child === undefined) return '';
  if (typeof child === 'string') return escapeText(child);
  return child instanceof Markup ? child.source : child.map(sourceOf).join('');
}

/** Two decimals are a hundredth of a pixel. */
const writeValue = (value: string | number): string =>
  typeof value === 'number' ? String(Math.round(value * 100) / 100) : escapeText(value);

export function element(name: string, attributes: Attributes, ...children: Child[]): Markup {
  const written = Object.entries(attributes)
    .flatMap(([key, value]) => (value === undefined ? [] : [` ${key}="${writeValue(value)}"`]))
    .join('');
  if (VOID.has(name)) return new Markup(`<${name}${written}/>`);
  return new Markup(`<${name}${written}>${sourceOf(children)}</${name}>`);
}

/** A constant of the program (style, script): taken as it is. */
export const trusted = (constant: string): Markup => new Markup(constant);
