import { Command, Option } from 'commander';
import type { Enrolment, EnrolmentPolicy, Items, Machine } from '../answers.ts';
import { CliError, EXIT_USAGE } from '../cli-error.ts';
import type { CliIo } from '../cli-io.ts';
import { bytes, facts, table, time } from '../format.ts';
import { openSession, part } from '../session.ts';
import { CACHE_MODES, machineFields } from './machine.ts';

interface ApproveOptions {
  readonly name: string;
  readonly vdisk: string;
  readonly cache?: string;
  readonly quota?: string;
}

interface PolicyOptions {
  readonly wait?: boolean;
  readonly template?: string;
  readonly names?: string;
  readonly cache?: string;
  readonly quota?: string;
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
  command
    .command('approve <mac>')
    .description('make it a machine')
    .requiredOption('--name <name>', 'name of the new machine')
    .requiredOption('--vdisk <vdisk>', 'what it boots from')
    .addOption(new Option('--cache <mode>', 'its write cache').choices(CACHE_MODES))
    .option('--quota <size>', 'limit of its write cache, e.g. 10GiB')
    .action(async (mac: string, { name, ...options }: ApproveOptions, self: Command) => {
      const session = openSession(self, io);
      const path = `/enrolments/${part(mac)}/approve`;
      const body = { name, ...machineFields(options) };
      const machine = await session.client.call<Machine>('POST', path, body);
      session.show(machine, () => `${machine.mac} is machine ${name} now\n`);
    });
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

function policyCommand(io: CliIo): Command {
  return new Command('policy')
    .description('show or set what happens to unknown machines')
    .option('--wait', 'they wait for approval')
    .addOption(
      new Option('--template <vdisk>', 'they boot from this vDisk at once').conflicts('wait'),
    )
    .option('--names <pattern>', 'their names, with {n} or {mac}, e.g. pc-{n}')
    .addOption(new Option('--cache <mode>', 'their write cache').choices(CACHE_MODES))
    .option('--quota <size>', 'limit of their write cache')
    .action(async (options: PolicyOptions, self: Command) => {
      const body = policyBody(options);
      const session = openSession(self, io);
      const policy = await session.client.call<EnrolmentPolicy>(
        body === undefined ? 'GET' : 'PUT',
        '/enrolment-policy',
        body,
      );
      session.show(policy, policyText);
    });
}

function policyBody(options: PolicyOptions): object | undefined {
  const { wait, template, names, cache, quota } = options;
  if (template === undefined) {
    if (names !== undefined || cache !== undefined || quota !== undefined) {
      throw new CliError(EXIT_USAGE, '--names, --cache and --quota go with --template VDISK');
    }
    return wait === true ? { mode: 'wait' } : undefined;
  }
  if (names === undefined) {
    throw new CliError(EXIT_USAGE, '--template needs --names PATTERN, e.g. --names pc-{n}');
  }
  const fields = machineFields({
    vdisk: template,
    ...(cache === undefined ? {} : { cache }),
    ...(quota === undefined ? {} : { quota }),
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
  const { vdisk, namePattern, cacheMode, quotaBytes } = template;
  return facts([
    ['unknown machines', `boot from ${vdisk}`],
    ['names', namePattern],
    ['write cache', cacheMode],
    ['quota', quotaBytes === null ? 'none' : bytes(quotaBytes)],
  ]);
}
