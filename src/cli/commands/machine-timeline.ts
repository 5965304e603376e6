import { Command } from 'commander';
import type { Items } from '../answers.ts';
import type { BootTimeline } from '../boot-answers.ts';
import type { CliIo } from '../cli-io.ts';
import { duration, table, time } from '../format.ts';
import { openSession, part } from '../session.ts';

export function timelineCommand(io: CliIo): Command {
  return new Command('timeline')
    .argument('<name>')
    .description('the steps of its last boot and how long each took; with --all of those before it')
    .option('--all', 'all boots that are remembered, the newest first')
    .action(async (name: string, { all = false }: { all?: boolean }, self: Command) => {
      const session = openSession(self, io);
      const path = `/machines/${part(name)}/boots`;
      const { items } = await session.client.call<Items<BootTimeline>>('GET', path);
      session.show(all ? items : items.slice(0, 1), (boots) =>
        boots.length === 0 ? `machine ${name} has not booted yet\n` : boots.map(text).join('\n'),
      );
    });
}

function text({ vdisk, version, startedAt, ended, durationMs, steps }: BootTimeline): string {
  const end = ended === null ? 'under way' : `${ended}, took ${duration(durationMs)}`;
  const rows = steps.map(({ stage, at, afterMs, tookMs }) => [
    ...[stage, time(at), `+${duration(afterMs)}`, duration(tookMs)],
  ]);
  const head = `${time(startedAt)}: ${vdisk} version ${version}, ${end}\n`;
  return `${head}${table(['stage', 'at', 'after', 'took'], rows)}`;
}
