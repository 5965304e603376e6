import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Value } from 'typebox/value';
import { parse as parseYaml } from 'yaml';
import { Fault } from '../../errors/index.ts';
import { CONFIG_SCHEMA, type Config, WORKERS_MAX } from './schema.ts';
import { SETTINGS, type Setting } from './settings.ts';

/** A plain object on its way to becoming a Config. */
type Tree = { [name: string]: unknown };

export interface ServeArguments {
  readonly config: Config;
  readonly demo: boolean;
  readonly help: boolean;
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
};

function parseBytes(text: string): number | undefined {
  const match = /^(\d+)\s*([KMGT]?)(?:iB|B)?$/i.exec(text.trim());
  if (match === null) return undefined;
  const unit = SIZE_UNITS[(match[2] ?? '').toUpperCase()];
  return unit === undefined ? undefined : Number(match[1]) * unit;
}

function fromText(setting: Setting, text: string, source: string): unknown {
  switch (setting.kind) {
    case 'string':
      return text;
    case 'list':
      return text === '' ? [] : text.split(',').map((item) => item.trim());
    case 'boolean':
      if (['true', 'yes', '1', ''].includes(text)) return true;
      if (['false', 'no', '0'].includes(text)) return false;
      throw wrong(setting.path.join('.'), text, 'true or false', source);
    case 'integer':
      if (/^\d+$/.test(text)) return Number(text);
      throw wrong(setting.path.join('.'), text, 'a whole number', source);
    case 'bytes': {
      const bytes = parseBytes(text);
      if (bytes !== undefined) return bytes;
      throw wrong(setting.path.join('.'), text, 'a size such as 512M or 2GiB', source);
    }
  }
}

function wrong(field: string, value: unknown, expected: string, source: string): Fault {
  return new Fault(
    'INVALID_INPUT',
    `${source}: ${field} is ${JSON.stringify(value)}; expected ${expected}`,
    { field, value, expected },
  );
}

function put(tree: Tree, path: readonly string[], value: unknown): void {
  let node = tree;
  for (const name of path.slice(0, -1)) {
    const child = node[name];
    if (typeof child === 'object' && child !== null) node = child as Tree;
    else {
      const made: Tree = {};
      node[name] = made;
      node = made;
    }
  }
  node[path.at(-1) ?? ''] = value;
}

const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Copies the settings of a file into the tree, naming the first key that is none of ours. */
function putFile(tree: Tree, file: Tree, prefix: readonly string[], source: string): void {
  for (const [name, value] of Object.entries(file)) {
    const path = [...prefix, name];
    const dotted = path.join('.');
    const setting = SETTINGS.find((candidate) => candidate.path.join('.') === dotted);
    if (setting !== undefined) {
      const text = setting.kind === 'bytes' && typeof value === 'string' ? value : undefined;
      put(tree, path, text === undefined ? value : fromText(setting, text, source));
    } else if (value === null && SETTINGS.some((s) => s.path.join('.').startsWith(`${dotted}.`))) {
      // A section whose settings are all commented out.
    } else if (isTree(value) && SETTINGS.some((s) => s.path.join('.').startsWith(`${dotted}.`))) {
      putFile(tree, value, path, source);
    } else {
      const known = SETTINGS.map((s) => s.path.join('.')).filter((p) =>
        p.startsWith(prefix.join('.')),
      );
      throw wrong(dotted, value, `a known setting: ${known.join(', ')}`, source);
    }
  }
}

function readConfigFile(path: string): Tree {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new Fault(
      'INVALID_INPUT',
      `--config: cannot read ${path}: ${(cause as Error).message}`,
      {
        field: 'config',
        value: path,
        expected: 'a readable YAML or JSON file',
      },
      { cause },
    );
  }
  let parsed: unknown;
  try {
    parsed = parseYaml(text) ?? {};
  } catch (cause) {
    const [first = ''] = (cause as Error).message.split('\n');
    const expected = `YAML or JSON (${first.replace(/:$/, '')})`;
    throw wrong('config', path, expected, '--config');
  }
  if (isTree(parsed)) return parsed;
  throw wrong('config', path, 'a file that holds a mapping of settings', '--config');
}

function validated(tree: Tree): Config {
  const first = Value.Errors(CONFIG_SCHEMA, tree)[0];
  if (first === undefined) return tree as unknown as Config;
  const path = first.instancePath.split('/').slice(1);
  const value = path.reduce<unknown>((node, name) => (node as Tree | undefined)?.[name], tree);
  const setting = SETTINGS.find((s) => path.join('.').startsWith(s.path.join('.')));
  const expected = `${first.message}${setting === undefined ? '' : ` (${setting.description})`}`;
  throw wrong(path.join('.'), value, expected, 'configuration');
}

function parseFlags(args: readonly string[]): Record<string, string | boolean | undefined> {
  const options: Record<string, { type: 'string' | 'boolean'; short?: string }> = {
    config: { type: 'string' },
    demo: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
    yes: { type: 'boolean' },
  };
  for (const setting of SETTINGS) {
    const type = setting.kind === 'boolean' && setting.byDefault !== true ? 'boolean' : 'string';
    options[setting.flag.slice(2)] = { type };
  }
  try {
    return parseArgs({ args: [...args], options, strict: true }).values as Record<
      string,
      string | boolean | undefined
    >;
  } catch (cause) {
    throw new Fault(
      'INVALID_INPUT',
      `${(cause as Error).message} (rootcast serve --help)`,
      {},
      { cause },
    );
  }
}

/**
 * Defaults, then the file, then the environment, then the flags: the later wins.
 * @throws Fault INVALID_INPUT naming the setting, its value and what would be right
 */
export function loadConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): ServeArguments {
  const flags = parseFlags(args);
  const tree: Tree = {};
  for (const setting of SETTINGS) {
    if (setting.byDefault !== undefined) put(tree, setting.path, setting.byDefault);
  }
  const file = flags['config'] ?? environment['ROOTCAST_CONFIG'];
  if (typeof file === 'string') putFile(tree, readConfigFile(file), [], file);
  for (const setting of SETTINGS) {
    const fromEnvironment = environment[setting.environment];
    if (fromEnvironment !== undefined && fromEnvironment !== '') {
      put(tree, setting.path, fromText(setting, fromEnvironment, setting.environment));
    }
    const flag = flags[setting.flag.slice(2)];
    if (typeof flag === 'string') put(tree, setting.path, fromText(setting, flag, setting.flag));
    else if (flag === true) put(tree, setting.path, true);
  }
  const config = validated(tree);
  checkTogether(config);
  return { config, demo: flags['demo'] === true, help: flags['help'] === true };
}

/** What no single setting can say about itself. */
function checkTogether(config: Config): void {
  const { tls } = config.nbd;
  const hasCertificate = tls.certificate !== undefined && tls.key !== undefined;
  if (tls.mode !== 'off' && !hasCertificate && tls.psk === undefined) {
    throw wrong(
      'nbd.tls.mode',
      tls.mode,
      'nbd.tls.certificate and nbd.tls.key, or nbd.tls.psk',
      'configuration',
    );
  }
  if (tls.clientCertificates && tls.ca === undefined) {
    throw wrong('nbd.tls.clientCertificates', true, 'nbd.tls.ca as well', 'configuration');
  }
  const { certificate, key } = config.xenapi.tls ?? {};
  if ((certificate === undefined) !== (key === undefined)) {
    const given = certificate === undefined ? 'key' : 'certificate';
    const missing = certificate === undefined ? 'certificate' : 'key';
    const value = certificate ?? key;
    throw wrong(`xenapi.tls.${given}`, value, `xenapi.tls.${missing} as well`, 'configuration');
  }
  const { dhcp } = config.pxe;
  if (dhcp.mode !== 'off' && config.pxe.address === undefined) {
    throw wrong('pxe.dhcp.mode', dhcp.mode, 'pxe.address as well', 'configuration');
  }
  if (
    dhcp.mode === 'full' &&
    (dhcp.rangeStart === undefined || dhcp.rangeEnd === undefined || dhcp.netmask === undefined)
  ) {
    throw wrong(
      'pxe.dhcp.mode',
      'full',
      'pxe.dhcp.rangeStart, rangeEnd and netmask as well',
      'configuration',
    );
  }
}

/** Worker threads to start: as configured, or one less than the cores, so that control has one too. */
export function workerCount(config: Config, cores: number = availableParallelism()): number {
  return config.workers > 0 ? config.workers : Math.min(WORKERS_MAX, Math.max(1, cores - 1));
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** @returns undefined: there is no XenAPI. @throws Fault INVALID_INPUT */
export function xenapiListen({ xenapi: { listen } }: Config): HostPort | undefined {
  return listen === '' || listen === 'off' ? undefined : splitHostPort(listen, 'xenapi.listen');
}

/** Splits `HOST:PORT`; brackets around an IPv6 address are dropped. */
export function splitHostPort(text: string, field: string): HostPort {
  const colon = text.lastIndexOf(':');
  const port = Number(text.slice(colon + 1));
  if (!Number.isInteger(port) || port > 65535)
    throw wrong(field, text, 'HOST:PORT, port 0 to 65535', 'configuration');
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port };
}
