/** What the lists and boots of a fleet cost the control plane: bench/catalog/README.md. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Spread } from '../statistics.ts';
import { createFleet } from './catalog-fleet.ts';
import { type Figure, measure } from './measure.ts';
import { HELP, type Options, parseOptions } from './options.ts';

const ms = ({ median, max }: Spread): string => `${median.toFixed(2)} (${max.toFixed(2)})`;

function table(options: Options, figures: readonly Figure[]): string {
  const rows = [
    ['', 'ms, median (longest)', 'CPU ms, median (longest)', 'bytes'],
    ['---', '---:', '---:', '---:'],
    ...figures.map(({ what, wallMs, cpuMs, bytes }) => [
      what,
      ms(wallMs),
      ms(cpuMs),
      bytes === undefined ? '' : String(bytes),
    ]),
  ];
  const { machines, versions, vdisks, rounds } = options;
  return `${[
    `${machines} machines, ${vdisks} vDisks, one with ${versions} versions; ${rounds} rounds, ` +
      `${availableParallelism()} × ${cpus()[0]?.model.trim() ?? 'unknown'}, Node.js ${process.version}`,
    rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n'),
  ].join('\n\n')}\n`;
}

async function run(options: Options): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'rootcast-catalog-bench-'));
  try {
    const fleet = createFleet(join(folder, 'catalog.sqlite'), options);
    const figures = await measure(fleet, options.rounds);
    fleet.control.catalog.close();
    const { json } = options;
    if (json !== undefined)
      writeFileSync(json, `${JSON.stringify({ options, figures }, undefined, 2)}\n`);
    process.stdout.write(table(options, figures));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const options = parseOptions(process.argv.slice(2));
if (options.help) process.stdout.write(HELP);
else await run(options);
