/** `npm run bench`: Rootcast beside its peers. See bench/README.md. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { judge } from './bars.ts';
import type { Cell } from './cell.ts';
import { readConditions } from './conditions.ts';
import { writeRandomImage } from './image.ts';
import { HELP, narrow, type Options, parseOptions, UsageError } from './options.ts';
import { formatResult } from './report.ts';
import { type Progress, runRounds, withPrerequisites } from './rounds.ts';
import { findProgram, programVersion, TARGETS } from './targets/index.ts';
import { WORKLOADS } from './workloads.ts';

function formatCell(cell: Cell): string {
  const cpu = cell.cpuMicrosPerRequest.toFixed(1).padStart(7);
  const iops = Math.round(cell.perSecond).toString().padStart(7);
  const idle = Math.round(cell.idleBefore * 100);
  const foreign = Math.round(cell.foreignShare * 100);
  const noise = `idle before ${idle} %, others meanwhile ${foreign} %${cell.noisy ? ', NOISY' : ''}`;
  return `  ${cell.workload.padEnd(15)} ${cpu} µs/request ${iops} IOPS  (${noise})`;
}

const progress: Progress = {
  turn: (round, target) => console.log(`round ${round + 1}, ${target.title}`),
  cell: (cell) => console.log(formatCell(cell)),
};

function chooseTargets(options: Options) {
  const wanted = narrow(TARGETS, options.only);
  for (const { title, missing } of wanted) {
    if (missing !== undefined) console.log(`left out: ${title}, needs ${missing}`);
  }
  return wanted.filter(({ missing }) => missing === undefined);
}

async function bench(options: Options): Promise<boolean> {
  const fio = findProgram('fio');
  if (fio === undefined) throw new UsageError('fio is needed as the client (Debian package fio)');
  const targets = chooseTargets(options);
  const workloads = withPrerequisites(narrow(WORKLOADS, options.only), WORKLOADS);
  const versions = Object.fromEntries(targets.map((target) => [target.id, target.version()]));
  const conditions = readConditions(new Date(), programVersion(fio), versions, options);

  const folder = mkdtempSync(join(tmpdir(), 'rootcast-bench-'));
  try {
    const image = join(folder, 'image.raw');
    writeRandomImage(image, options.imageBytes);
    const cells = await runRounds({ fio, targets, workloads, options, image, folder }, progress);
    const result = { conditions, cells, verdicts: judge(cells) };
    const markdown = formatResult(result, targets, workloads);
    console.log(`\n${markdown}`);
    if (options.markdown !== undefined) writeFileSync(options.markdown, markdown);
    if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(result, null, 2));
    return result.verdicts.every(({ ratio, atMost }) => ratio === undefined || ratio <= atMost);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const known = [...TARGETS, ...WORKLOADS].map(({ id }) => id);
try {
  const options = parseOptions(process.argv.slice(2), known);
  if (options.help) {
    console.log(HELP);
  } else {
    const allHold = await bench(options);
    if (options.strict && !allHold) process.exitCode = 1;
  }
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`bench: ${error.message}`);
  process.exitCode = 2;
}
