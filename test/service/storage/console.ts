/** The real service's command line, run in this process: the same code without a start of Node.js for each command. */
import { processIo, runCli } from '../../../src/cli/index.ts';
import type { ServiceProcess } from '../../support/service-process.ts';

/** Once: it listens to this process's own standard output. */
const PROCESS_IO = processIo();

export class Console {
  /** Everything that any command said: no secret may be in it. */
  said = '';
  service: ServiceProcess;

  constructor(service: ServiceProcess) {
    this.service = service;
  }

  async run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const out = { stdout: '', stderr: '' };
    const io = {
      ...PROCESS_IO,
      terminal: undefined,
      stdout: (text: string) => {
        out.stdout += text;
      },
      stderr: (text: string) => {
        out.stderr += text;
      },
    };
    const code = await runCli([...args, '--data', this.service.data], io);
    this.said += `$ rootcast ${args.join(' ')}\n${out.stdout}${out.stderr}`;
    return { code, ...out };
  }

  /** Fails the test when the command fails. @returns what `--json` printed */
  async json<T = unknown>(...args: string[]): Promise<T> {
    const { code, stdout, stderr } = await this.run(...args, '--json');
    if (code !== 0) throw new Error(`rootcast ${args.join(' ')}: ${stderr}`);
    return JSON.parse(stdout) as T;
  }

  /** Fails the test when the command does not fail. @returns what it said */
  async refused(...args: string[]): Promise<string> {
    const { code, stderr, stdout } = await this.run(...args);
    if (code === 0) throw new Error(`rootcast ${args.join(' ')} was not refused: ${stdout}`);
    return stderr;
  }
}
