/**
 * Runs the NBD conformance table against any server and prints what it found.
 *
 *   node test/conformance/nbd/run.ts nbd://127.0.0.1:10809/export [options]
 *   node test/conformance/nbd/run.ts 'nbd+unix:///export?socket=/run/nbd.sock'
 *
 *   --read-only NAME   an export that is read-only
 *   --unknown NAME     a name that the server does not have (leave out if it accepts every name)
 *   --tls MODE         off (default), allowed or required
 *   --ca FILE --cert FILE --key FILE   for TLS with X.509
 *   --patience MS      silence that counts as no answer (default 5000)
 *   --only TEXT        only the cases whose id contains it
 *   --all              list the cases that passed, too
 *
 * The first 64 MiB of the export are OVERWRITTEN when it is writable. Exit code 1 when a MUST failed.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { CASES } from './cases/index.ts';
import type { Address } from './raw.ts';
import { type Case, type Outcome, probe, runCase, type Target } from './suite.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'read-only': { type: 'string' },
    unknown: { type: 'string' },
    tls: { type: 'string', default: 'off' },
    ca: { type: 'string' },
    cert: { type: 'string' },
    key: { type: 'string' },
    patience: { type: 'string', default: '5000' },
    only: { type: 'string' },
    all: { type: 'boolean', default: false },
  },
});

function addressOf(uri: URL): Address {
  if (uri.protocol === 'nbd+unix:') {
    const path = uri.searchParams.get('socket');
    if (path === null) throw new Error('a nbd+unix URI needs ?socket=PATH');
    return { path };
  }
  if (uri.protocol !== 'nbd:') throw new Error(`${uri.protocol} is not nbd: or nbd+unix:`);
  const host = uri.hostname.replace(/^\[(.*)\]$/, '$1');
  return { host: host === '' ? 'localhost' : host, port: Number(uri.port || 10809) };
}

function targetOf(text: string): Target {
  const uri = new URL(text);
  const { tls } = values;
  if (tls !== 'off' && tls !== 'allowed' && tls !== 'required') throw new Error(`--tls ${tls}`);
  const file = (path: string | undefined) => (path === undefined ? undefined : readFileSync(path));
  const credentials = Object.entries({
    ca: file(values.ca),
    cert: file(values.cert),
    key: file(values.key),
  }).filter(([, bytes]) => bytes !== undefined);
  return {
    name: text,
    address: addressOf(uri),
    exportName: decodeURIComponent(uri.pathname.replace(/^\//, '')),
    ...(values['read-only'] === undefined ? {} : { readOnlyExport: values['read-only'] }),
    ...(values.unknown === undefined ? {} : { unknownExport: values.unknown }),
    tls,
    tlsOptions: { ...Object.fromEntries(credentials), servername: uri.hostname },
    patience: Number(values.patience),
  };
}

function line(test: Case, outcome: Outcome): string {
  const word = { pass: 'pass', fail: 'FAIL', skip: 'skip' }[outcome.kind];
  const reason = outcome.kind === 'pass' ? '' : `\n       ${outcome.reason}`;
  const quote = outcome.kind === 'fail' ? `\n       "${test.quote}" (${test.section})` : '';
  return `${word}  ${test.level.padEnd(6)}  ${test.id}${reason}${quote}`;
}

const [uri] = positionals;
if (uri === undefined) {
  console.error('usage: run.ts URI [--read-only NAME] [--unknown NAME] [--tls MODE] …');
  process.exit(2);
}
const target = targetOf(uri);
const facts = await probe(target);
console.log(`${target.name}: ${JSON.stringify(facts)}\n`);
const count = { pass: 0, fail: 0, skip: 0 };
let failedMust = 0;
for (const test of CASES) {
  if (values.only !== undefined && !test.id.includes(values.only)) continue;
  const outcome = await runCase(target, facts, test);
  count[outcome.kind] += 1;
  if (outcome.kind === 'fail' && test.level === 'MUST') failedMust += 1;
  if (values.all || outcome.kind !== 'pass') console.log(line(test, outcome));
}
console.log(
  `\n${count.pass} passed, ${count.fail} failed (${failedMust} of them MUST), ${count.skip} skipped`,
);
process.exit(failedMust > 0 ? 1 : 0);
