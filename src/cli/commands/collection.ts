import { Command } from 'commander';
import type { Collection, Items, Machine } from '../answers.ts';
import type { CliIo } from '../cli-io.ts';
import { bytes, facts, table, time } from '../format.ts';
import { openSession, part } from '../session.ts';
import { changeMachines, requireSelection } from './change-machines.ts';
import { addSelection } from './machine-options.ts';
import { personalityCommand } from './personality.ts';
import {
  addInheritOption,
  addSettingOptions,
  given,
  refuseNothing,
  type SettingOptions,
  settingFields,
} from './setting-options.ts';

interface CollectionOptions extends SettingOptions {
  readonly name?: string;
  readonly description?: string;
  readonly kernelArguments?: string;
  readonly discardCache?: boolean;
}

export function collectionCommand(io: CliIo): Command {
  const command = new Command('collection').description('machines that are treated alike');
  command.addCommand(addCommand(io));
  command
    .command('list')
    .description('all collections')
    .action(async (_options: object, self: Command) => {
      const session = openSession(self, io);
      const { items } = await session.client.call<Items<Collection>>('GET', '/collections');
      session.show(items, listText);
    });
  command
    .command('show <name>')
    .description('one collection with its settings')
    .action(async (name: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      const path = `/collections/${part(name)}`;
      session.show(await session.client.call<Collection>('GET', path), collectionText);
    });
  command.addCommand(setCommand(io));
  command
    .command('delete <name>')
    .description('delete a collection without machines')
    .action(async (name: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      await session.client.call('DELETE', `/collections/${part(name)}`);
      session.show({ deleted: name }, () => `collection ${name} deleted\n`);
    });
  command.addCommand(assignCommand(io));
  command.addCommand(personalityCommand(io, 'collection'));
  return command;
}

function addCommand(io: CliIo): Command {
  const command = new Command('add')
    .argument('<name>', 'name of the collection')
    .description('add a collection; what it does not set is the default')
    .option('--description <text>', 'for people');
  return addSettingOptions(command, 'their')
    .option('--kernel-arguments <text>', "on the kernel command line, before a machine's own")
    .action(async (name: string, options: CollectionOptions, self: Command) => {
      const session = openSession(self, io);
      const body = { name, ...fields(options) };
      const collection = await session.client.call<Collection>('POST', '/collections', body);
      session.show(collection, () => `collection ${name} added\n`);
    });
}

function setCommand(io: CliIo): Command {
  const command = new Command('set')
    .argument('<name>', 'name of the collection')
    .description('change what is given for all of its machines, leave the rest')
    .option('--name <name>', 'another name')
    .option('--description <text>', 'for people');
  return addInheritOption(addSettingOptions(command, 'their'), 'say nothing about it any more')
    .option('--kernel-arguments <text>', "on the kernel command line, before a machine's own")
    .option('--discard-cache', 'another vDisk may cost persistent write caches')
    .action(async (name: string, options: CollectionOptions, self: Command) => {
      const change = refuseNothing(given({ name: options.name, ...fields(options) }));
      const session = openSession(self, io);
      const path = `/collections/${part(name)}`;
      session.show(await session.client.call<Collection>('PATCH', path, change), collectionText);
    });
}

function assignCommand(io: CliIo): Command {
  const command = new Command('assign')
    .argument('<name>', 'name of the collection')
    .argument('[machines...]', 'names of machines')
    .description('put machines into a collection: all of them or none')
    .option('--discard-cache', 'another vDisk may cost persistent write caches');
  return addSelection(command).action(
    async (
      name: string,
      names: string[],
      { allIn, discardCache }: { allIn?: string; discardCache?: boolean },
      self: Command,
    ) => {
      requireSelection({ names, allIn });
      const session = openSession(self, io);
      const change = given({ collection: name, discardCache });
      const machines = await changeMachines(session, { names, allIn }, change);
      session.show(machines, (changed: readonly Machine[]) => {
        const count = changed.length === 1 ? '1 machine is' : `${changed.length} machines are`;
        return `${count} in collection ${name} now\n`;
      });
    },
  );
}

function fields(options: CollectionOptions): Record<string, unknown> {
  const { description, kernelArguments, discardCache } = options;
  return given({ description, ...settingFields(options), kernelArguments, discardCache });
}

function listText(collections: readonly Collection[]): string {
  return table(
    ['name', 'machines', 'vdisk', 'class', 'cache', 'description'],
    collections.map(({ name, machines, settings, description }) => [
      name,
      String(machines),
      settings.vdisk.value ?? '-',
      settings.class.value,
      settings.cacheMode.value,
      description || '-',
    ]),
  );
}

function collectionText(collection: Collection): string {
  const {
    vdisk,
    class: ofClass,
    cacheMode,
    quota,
    onNewVersion,
    enabled,
    bootLoader,
  } = collection.settings;
  const said = ({ from }: { readonly from: string }, value: string): string =>
    from === 'default' ? `${value} (default)` : value;
  return facts([
    ['name', collection.name],
    ['description', collection.description || '-'],
    ['machines', String(collection.machines)],
    ['vdisk', vdisk.value ?? '-'],
    ['class', said(ofClass, ofClass.value)],
    ['write cache', said(cacheMode, cacheMode.value)],
    ['quota', said(quota, quota.value === null ? 'none' : bytes(quota.value))],
    ['on a new version', said(onNewVersion, onNewVersion.value)],
    ['enabled', said(enabled, enabled.value ? 'yes' : 'no')],
    ['boot loader', said(bootLoader, bootLoader.value)],
    ['kernel arguments', collection.kernelArguments || '-'],
    ['created', time(collection.createdAt)],
  ]);
}
