import { Command } from 'commander';
import type { Trace } from '../boot-answers.ts';
import type { CliIo } from '../cli-io.ts';
import { bytes, facts, table, time } from '../format.ts';
import { TRACE_FILE_BYTES_MAX } from '../limits.ts';
import { readSmall, writeWhole } from '../local-file.ts';
import { openSession, part } from '../session.ts';
import { parseVersion } from './version-number.ts';

/** What boots of a version read first. */
export function traceCommand(io: CliIo): Command {
  const command = new Command('trace').description(
    'what boots of a version read first: it is read ahead for the next ones',
  );
  for (const build of [show, save, load, remove]) command.addCommand(build(io));
  return command;
}

function show(io: CliIo): Command {
  return onVersion('show')
    .description('which boots were recorded, and how much they read')
    .action(async (vdisk: string, number: number, _options: object, self: Command) => {
      const session = openSession(self, io);
      session.show(await session.client.call<Trace>('GET', pathOf(vdisk, number)), traceText);
    });
}

function save(io: CliIo): Command {
  return onVersion('export')
    .argument('<file>', 'on this machine')
    .description('write the trace to a file, for another server that has the version')
    .option('--overwrite', 'also when there is such a file')
    .action(
      async (
        vdisk: string,
        number: number,
        path: string,
        { overwrite = false }: { overwrite?: boolean },
        self: Command,
      ) => {
        const session = openSession(self, io);
        const { file } = await session.client.call<{ file: string }>(
          'GET',
          `${pathOf(vdisk, number)}/file`,
        );
        const written = await writeWhole(
          { path, cwd: io.cwd, overwrite },
          pieces(Buffer.from(file, 'base64')),
        );
        session.show(written, () => `${written.path}: ${bytes(written.length)}\n`);
      },
    );
}

function load(io: CliIo): Command {
  return onVersion('import')
    .argument('<file>', 'of rootcast version trace export')
    .description('take a trace from a file in the place of what was recorded here')
    .action(
      async (vdisk: string, number: number, path: string, _options: object, self: Command) => {
        const session = openSession(self, io);
        const file = await readSmall(path, io.cwd, TRACE_FILE_BYTES_MAX);
        const body = { file: file.toString('base64') };
        const call = session.client.call<Trace>('PUT', `${pathOf(vdisk, number)}/file`, body);
        session.show(await call, traceText);
      },
    );
}

function remove(io: CliIo): Command {
  return onVersion('delete')
    .description('forget the trace; the next boots are recorded anew')
    .action(async (vdisk: string, number: number, _options: object, self: Command) => {
      const session = openSession(self, io);
      await session.client.call('DELETE', pathOf(vdisk, number));
      session.show(
        { deleted: number },
        () => `the boot trace of version ${number} of ${vdisk} deleted\n`,
      );
    });
}

function onVersion(name: string): Command {
  return new Command(name).argument('<vdisk>').argument('<number>', 'of the version', parseVersion);
}

function pathOf(vdisk: string, number: number): string {
  return `/vdisks/${part(vdisk)}/versions/${number}/trace`;
}

async function* pieces(file: Buffer): AsyncGenerator<Buffer> {
  yield file;
}

function traceText(trace: Trace): string {
  const { boots, units, unitBytes, of, version } = trace;
  const source = of === null ? 'nothing yet' : of === version ? 'its own boots' : `version ${of}`;
  const head = facts([
    ['content', trace.contentId],
    ['recorded', `${boots.length} boots${trace.recordsMore ? ', and the next ones' : ''}`],
    ['read ahead', `${bytes(trace.bytes)}: ${units} units of ${bytes(unitBytes)}, from ${source}`],
  ]);
  if (boots.length === 0) return head;
  const rows = boots.map(({ recordedAt, machine, units: n }) => [
    ...[time(recordedAt), machine || '-', String(n)],
  ]);
  return `${head}\n${table(['recorded', 'machine', 'units'], rows)}`;
}
