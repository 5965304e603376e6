import { Command, InvalidArgumentError, Option } from 'commander';
import type { Items } from '../answers.ts';
import type { BootRule, Boots } from '../boot-answers.ts';
import type { CliIo } from '../cli-io.ts';
import { bytes, facts, table, time } from '../format.ts';
import { openSession } from '../session.ts';

export function bootsCommand(io: CliIo): Command {
  const command = new Command('boots')
    .description('machines that boot, those that wait to, and by which rules')
    .action(async (_options: object, self: Command) => {
      const session = openSession(self, io);
      session.show(await session.client.call<Boots>('GET', '/boots'), bootsText);
    });
  command.addCommand(ruleCommand(io));
  return command;
}

function ruleCommand(io: CliIo): Command {
  return new Command('rule')
    .description('how many machines of a collection or a vDisk boot at once, and who goes first')
    .addOption(new Option('--machine <name>', 'about a machine').conflicts(['collection', 'vdisk']))
    .addOption(new Option('--collection <name>', 'about the machines of it').conflicts('vdisk'))
    .option('--vdisk <name>', 'about the machines that boot it')
    .option('--most <count>', 'machines of it at once; none to say nothing', numberOrNone)
    .option('--priority <number>', 'a higher one goes first; none to say nothing', numberOrNone)
    .action(async (options: object, self: Command) => {
      const session = openSession(self, io);
      const { items } = await session.client.call<Items<BootRule>>('PUT', '/boots/rules', options);
      session.show(items, rulesText);
    });
}

/** @throws InvalidArgumentError */
function numberOrNone(text: string): number | null {
  if (text === 'none') return null;
  if (/^-?[0-9]{1,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It is a whole number, or none.');
}

function bootsText(boots: Boots): string {
  const { most, perSecond, slotsTaken, waiting, booting, queue, rules, reads } = boots;
  const parts = [
    facts([
      ['at once', most === null ? 'any number' : `${slotsTaken} of ${most}`],
      ['in a second', perSecond === null ? 'any number' : String(perSecond)],
      ['waiting', String(waiting)],
      [
        'shared by workers',
        `${bytes(reads.sharedHitBytes)} given out, room for ${bytes(reads.sharedBytesMax)}`,
      ],
      [
        'read ahead',
        `${bytes(reads.aheadBytes)} in ${reads.aheadRequests} requests: ${bytes(reads.aheadHitBytes)} wanted, ${bytes(reads.aheadWastedBytes)} wasted`,
      ],
    ]),
  ];
  if (booting.length > 0) {
    const rows = booting.map(({ machine, vdisk, version, startedAt, stage }) => [
      ...[machine, `${vdisk} ${version}`, time(startedAt), stage ?? '-'],
    ]);
    parts.push(table(['boots', 'vdisk', 'since', 'stage'], rows));
  }
  if (queue.length > 0) {
    const rows = queue.map(({ place, machine, askedAt, priority }) => [
      ...[String(place), machine, time(askedAt), String(priority)],
    ]);
    parts.push(table(['place', 'waits', 'since', 'priority'], rows));
  }
  if (rules.length > 0) parts.push(rulesText(rules));
  return parts.join('\n');
}

function rulesText(rules: readonly BootRule[]): string {
  return table(
    ['rule', 'of', 'most', 'priority'],
    rules.map(({ machine, collection, vdisk, most, priority }) => [
      machine !== null ? 'machine' : collection !== null ? 'collection' : 'vdisk',
      machine ?? collection ?? vdisk ?? '-',
      most === null ? '-' : String(most),
      priority === null ? '-' : String(priority),
    ]),
  );
}
