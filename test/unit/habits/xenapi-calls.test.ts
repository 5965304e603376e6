import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PAGE, renderCalls } from '../../../scripts/xenapi-doc.ts';
import { ERRORS } from '../../../src/xenapi/datamodel/errors.ts';
import { DATAMODEL } from '../../../src/xenapi/datamodel/index.ts';

describe('docs/XENAPI-CALLS.md', () => {
  it('is what `npm run docs:xenapi` writes', () => {
    expect(readFileSync(PAGE, 'utf8')).toBe(renderCalls());
  });

  it('has every class, field and message', () => {
    const page = renderCalls();
    for (const { name, fields, messages } of DATAMODEL) {
      const section = page.split(`\n## ${name}\n`)[1]?.split('\n## ')[0] ?? '';
      for (const field of Object.keys(fields)) expect(section).toContain(`| \`${field}\` |`);
      for (const message of Object.keys(messages)) expect(section).toContain(`| \`${message}(`);
    }
  });
});

describe('the datamodel', () => {
  const messages = DATAMODEL.flatMap((description) =>
    Object.entries(description.messages).map(([name, message]) => ({
      name: `${description.name}.${name}`,
      message,
    })),
  );

  it('has each class once', () => {
    const names = DATAMODEL.map(({ name }) => name.toLowerCase());
    expect(new Set(names).size).toBe(names.length);
  });

  it('documents errors that there are', () => {
    const unknown = messages.flatMap(({ name, message }) =>
      (message.errors ?? [])
        .filter((code) => !Object.hasOwn(ERRORS, code) && !code.startsWith('SR_BACKEND_FAILURE_'))
        .map((code) => `${name}: ${code}`),
    );
    expect(unknown).toEqual([]);
  });

  it('says in words what everything is', () => {
    const silent = [
      ...messages.filter(({ message }) => message.doc.length < 4).map(({ name }) => name),
      ...DATAMODEL.flatMap(({ name, fields }) =>
        Object.entries(fields)
          .filter(([, { doc }]) => doc.length < 4)
          .map(([field]) => `${name}.${field}`),
      ),
    ];
    expect(silent).toEqual([]);
  });
});
