import { SETTINGS } from './settings.ts';

/** The text of `rootcast serve --help`, from the schema. */
export function serveHelp(): string {
  const lines = SETTINGS.map((setting) => {
    const value = setting.kind === 'boolean' ? '' : ` ${setting.kind.toUpperCase()}`;
    const byDefault =
      setting.byDefault === undefined || setting.byDefault === false
        ? ''
        : ` [${Array.isArray(setting.byDefault) ? 'none' : String(setting.byDefault)}]`;
    return `  ${`${setting.flag}${value}`.padEnd(34)} ${setting.description}${byDefault}`;
  });
  return [
    'Usage: rootcast serve [options]',
    '',
    'Runs the service in the foreground and prints "ready" when every listener is up.',
    'Every option can also stand in the file (nbd: {tls: {mode: off}}) or in the environment',
    '(ROOTCAST_NBD_TLS_MODE); a flag wins over the environment, the environment over the file.',
    '',
    `  ${'--config FILE'.padEnd(34)} YAML or JSON file with settings`,
    `  ${'--demo'.padEnd(34)} show the whole thing: build a small image and boot two machines from it`,
    ...lines,
    '',
  ].join('\n');
}
