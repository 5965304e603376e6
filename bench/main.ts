/** `rootcast bench …`, and `npm run bench -- …` for its `peers`. See bench/README.md. */
import { processIo } from '../src/cli/index.ts';
import { runBenchCli } from './cli/run-bench-cli.ts';

process.exitCode = await runBenchCli(process.argv.slice(2), processIo());
