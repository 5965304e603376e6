/** A small check of XML: elements that end where they must, attributes once and quoted, known entities. */

const ENTITY = /&(?!(?:amp|lt|gt|quot|#39);)/;
const TAG = /<(\/?)([a-zA-Z][\w:-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/y;

/** What is wrong first; undefined: the text is well-formed. */
export function malformation(text: string): string | undefined {
  const open: string[] = [];
  let at = 0;
  while (at < text.length) {
    const next = text.indexOf('<', at);
    const content = text.slice(at, next < 0 ? undefined : next);
    if (ENTITY.test(content)) return `a bare & in ${JSON.stringify(content.slice(0, 60))}`;
    if (next < 0) break;
    TAG.lastIndex = next;
    const tag = TAG.exec(text);
    if (tag === null) return `no tag: ${JSON.stringify(text.slice(next, next + 60))}`;
    const [whole, closes, name = '', attributes = '', isEmpty] = tag;
    if (ENTITY.test(attributes)) return `a bare & in ${whole}`;
    const names = [...attributes.matchAll(/\s([\w:-]+)="/g)].map(([, attribute]) => attribute);
    if (new Set(names).size !== names.length) return `an attribute twice in ${whole}`;
    if (closes === '/' && open.pop() !== name) return `</${name}> ends nothing`;
    if (closes === '' && isEmpty === '') open.push(name);
    at = next + whole.length;
  }
  return open.length === 0 ? undefined : `no end of <${open.join('><')}>`;
}
