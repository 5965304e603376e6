/** Options for the settings that machines, collections and the enrolment template have in common. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { CliError, EXIT_USAGE } from '../cli-error.ts';

const CACHE_MODES = [
  ...['server', 'server-persistent'],
  ...['device-ram', 'device-disk', 'device-ram-overflow'],
];
const CLASSES = ['production', 'test', 'maintenance'];
const ON_NEW_VERSION = ['keep', 'discard'];
const BOOT_LOADERS = ['auto', 'ipxe', 'grub'];

/** Settings under the names of their options, and the API's name of each. */
const SETTINGS: Readonly<Record<string, string>> = {
  vdisk: 'vdisk',
  class: 'class',
  cache: 'cacheMode',
  quota: 'quota',
  'on-new-version': 'onNewVersion',
  enabled: 'enabled',
  'boot-loader': 'bootLoader',
};

export interface SettingOptions {
  readonly vdisk?: string;
  readonly class?: string;
  readonly cache?: string;
  readonly quota?: string;
  readonly onNewVersion?: string;
  readonly enable?: boolean;
  readonly disable?: boolean;
  readonly bootLoader?: string;
  /** Under the API's names. */
  readonly inherit?: readonly string[];
}

/** @param whose in the help, e.g. `its` */
export function addSettingOptions(command: Command, whose: string): Command {
  return addOtherSettingOptions(
    command.option('--vdisk <vdisk>', `${whose} vDisk: what is booted`),
    whose,
  );
}

/** All but the vDisk. */
export function addOtherSettingOptions(command: Command, whose: string): Command {
  return command
    .addOption(new Option('--class <class>', `${whose} class: which versions`).choices(CLASSES))
    .addOption(new Option('--cache <mode>', `${whose} write cache`).choices(CACHE_MODES))
    .option('--quota <size>', `limit of ${whose} write cache, e.g. 10GiB, or 'none'`)
    .addOption(
      new Option(
        '--on-new-version <what>',
        'a persistent write cache is kept, or discarded, when there is another version to boot',
      ).choices(ON_NEW_VERSION),
    )
    .addOption(
      new Option(
        '--boot-loader <loader>',
        'what UEFI firmware gets: grub is shim and GRUB, for Secure Boot; auto: as the service says',
      ).choices(BOOT_LOADERS),
    )
    .option('--enable', 'may boot')
    .addOption(new Option('--disable', 'boots from the local disk').conflicts('enable'));
}

/** @param what is said about it in the help */
export function addInheritOption(command: Command, what: string): Command {
  const names = Object.keys(SETTINGS).join(', ');
  return command.option('--inherit <settings>', `${what}: any of ${names}, with commas`, settings);
}

/** Options under the names that the API gives them. */
export function settingFields(options: SettingOptions): Record<string, unknown> {
  const { vdisk, cache, quota, onNewVersion, enable, disable, bootLoader, inherit } = options;
  return given({
    vdisk,
    class: options.class,
    cacheMode: cache,
    quota: quota === 'none' ? null : quota,
    onNewVersion,
    enabled: enable ?? (disable === true ? false : undefined),
    bootLoader,
    inherit,
  });
}

/** Without what was not given. */
export function given(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** @returns what is to be set. @throws CliError EXIT_USAGE */
export function refuseNothing(change: Record<string, unknown>): Record<string, unknown> {
  if (Object.keys(change).length > 0) return change;
  throw new CliError(EXIT_USAGE, 'nothing to set: give at least one option');
}

/** Several in a row: `another` of an option that may be repeated. */
export function another(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

/** The option's name of an API setting. */
export function settingWord(apiName: string): string {
  return Object.entries(SETTINGS).find(([, name]) => name === apiName)?.[0] ?? apiName;
}

function settings(text: string): readonly string[] {
  return text.split(',').map((word) => {
    const name = SETTINGS[word.trim()];
    if (name !== undefined) return name;
    throw new InvalidArgumentError(`any of ${Object.keys(SETTINGS).join(', ')} is expected`);
  });
}
