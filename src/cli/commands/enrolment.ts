import { Command, Option } from 'commander';
import type { Enrolment, EnrolmentPolicy, Items, Machine } from '../answers.ts';
import { CliError, EXIT_USAGE } from '../cli-error.ts';
import type { CliIo } from '../cli-io.ts';
import { bytes, facts, table, time } from '../format.ts';
import { openSession, part } from '../session.ts';
import { type MachineOptions, machineFields, requireVdisk } from './machine-options.ts';
import {
  addOtherSettingOptions,
  addSettingOptions,
  type SettingOptions,
} from './setting-options.ts';

interface ApproveOptions extends MachineOptions {
  readonly name: string;
}

interface PolicyOptions extends SettingOptions {
  readonly wait?: boolean;
  readonly template?: string;
  readonly names?: string;
  readonly inCollection?: string;
}

export function enrolmentCommand(io: CliIo): Command {
  const command = new Command('enrolment').description('unknown machines that asked to boot');
  command
    .command('list')
    .description('all of them, last seen first')
    .action(async (_options: object, self: Command) => {
      const session = openSession(self, io);
      const { items } = await session.client.call<Items<Enrolment>>('GET', '/enrolments');
      session.show(items, listText);
    });
  command.addCommand(approveCommand(io));
  command
    .command('refuse <mac>')
    .description('leave it to its local disk')
    .action(async (mac: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      const path = `/enrolments/${part(mac)}/refuse`;
      const enrolment = await session.client.call<Enrolment>('POST', path);
      session.show(enrolment, () => `${enrolment.mac} refused\n`);
    });
  command.addCommand(policyCommand(io));
  return command;
}

function approveCommand(io: CliIo): Command {
  const command = new Command('approve')
    .argument('<mac>', 'address of its network card')
    .description('make it a machine')
    .requiredOption('--name <name>', 'name of the new machine')
    .option('--in-collection <collection>', 'put it in there');
  return addSettingOptions(command, 'its').action(
    async (mac: string, { name, ...options }: ApproveOptions, self: Command) => {
      requireVdisk(options);
      const session = openSession(self, io);
      const path = `/enrolments/${part(mac)}/approve`;
      const body = { name, ...machineFields(options) };
      const machine = await session.client.call<Machine>('POST', path, body);
      session.show(machine, () => `${machine.mac} is machine ${name} now\n`);
    },
  );
}

function policyCommand(io: CliIo): Command {
  const command = new Command('policy')
    .description('show or set what happens to unknown machines')
    .option('--wait', 'they wait for approval')
    .addOption(
      new Option('--template <vdisk>', 'they boot from this vDisk at once').conflicts('wait'),
    )
    .addOption(
      new Option(
        '--in-collection <collection>',
        'they go in there at once, and boot what it says without --template',
      ).conflicts('wait'),
    )
    .option('--names <pattern>', 'their names, with {n} or {mac}, e.g. pc-{n}');
  // It is --template that names the vDisk.
  return addOtherSettingOptions(command, 'their').action(
    async (options: PolicyOptions, self: Command) => {
      const body = policyBody(options);
      const session = openSession(self, io);
      const policy = await session.client.call<EnrolmentPolicy>(
        body === undefined ? 'GET' : 'PUT',
        '/enrolment-policy',
        body,
      );
      session.show(policy, policyText);
    },
  );
}

function policyBody(options: PolicyOptions): object | undefined {
  const { wait, template, names, inCollection, ...settings } = options;
  if (template === undefined && inCollection === undefined) {
    if (names !== undefined || Object.keys(settings).length > 0) {
      throw new CliError(
        EXIT_USAGE,
        '--names and settings go with --template VDISK or --in-collection COLLECTION',
      );
    }
    return wait === true ? { mode: 'wait' } : undefined;
  }
  if (names === undefined) {
    throw new CliError(EXIT_USAGE, 'a template needs --names PATTERN, e.g. --names pc-{n}');
  }
  const fields = machineFields({
    ...settings,
    ...(template === undefined ? {} : { vdisk: template }),
    ...(inCollection === undefined ? {} : { inCollection }),
  });
  return { mode: 'template', template: { namePattern: names, ...fields } };
}

function listText(enrolments: readonly Enrolment[]): string {
  return table(
    ['mac', 'state', 'arch', 'first seen', 'last seen'],
    enrolments.map(({ mac, state, arch, firstSeenAt, lastSeenAt }) => [
      mac,
      state,
      arch,
      time(firstSeenAt),
      time(lastSeenAt),
    ]),
  );
}

function policyText({ template }: EnrolmentPolicy): string {
  if (template === null) return 'unknown machines wait for approval\n';
  const { vdisk, namePattern, collection, cacheMode, quotaBytes, settings } = template;
  return facts([
    ['unknown machines', `boot from ${vdisk}`],
    ['names', namePattern],
    ['collection', collection ?? '-'],
    ['class', settings.class.value],
    ['write cache', cacheMode],
    ['quota', quotaBytes === null ? 'none' : bytes(quotaBytes)],
  ]);
}
