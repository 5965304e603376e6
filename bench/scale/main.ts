/** What many machines of one large vDisk cost: bench/scale/README.md. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { compileFloor, floor as floorServer } from '../targets/floor.ts';
import { DISTRIBUTIONS } from './distributions.ts';
import { Fleet } from './fleet.ts';
import { bareBytes, type Figures, measure } from './measure.ts';
import { HELP, type Options, parseOptions } from './options.ts';
import { formatResult, type Result } from './report.ts';

async function run(options: Options): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'rootcast-scale-'));
  try {
    const say = (text: string): void => void process.stderr.write(`${text}\n`);
    say(`${options.machines} machines in ${folder}`);
    const canCompile = floorServer.missing === undefined;
    const floor = canCompile ? await compileFloor('open-floor', folder) : undefined;
    const fleet = await Fleet.create(folder, options.machines, options.diskBytes);
    const bare = await bareBytes(fleet);
    const figures: Figures[] = [];
    for (const id of [undefined, ...options.distributions]) {
      say(id ?? 'empty');
      const distribution = DISTRIBUTIONS.find((each) => each.id === id);
      figures.push(await measure(fleet, distribution, options.written, floor));
    }
    return {
      date: new Date().toISOString(),
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      cpus: availableParallelism(),
      kernel: release(),
      node: process.version,
      options,
      bareBytes: bare,
      figures,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const options = parseOptions(process.argv.slice(2));
if (options.help) {
  process.stdout.write(HELP);
} else {
  const result = await run(options);
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify(result, undefined, 2)}\n`);
  }
  const markdown = formatResult(result);
  if (options.markdown !== undefined) writeFileSync(options.markdown, markdown);
  process.stdout.write(markdown);
}
