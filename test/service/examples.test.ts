/** The examples of the README, run as it says. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { runProgram } from '../support/service-process.ts';

const example = (name: string): string =>
  new URL(`../../examples/${name}.ts`, import.meta.url).pathname;

test('the client lists, maps and reads what the server serves', async () => {
  const server = spawn(process.execPath, [example('nbd-server'), '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [line] = (await once(server.stdout, 'data')) as [Buffer];
    const port = /port: (\d+)/.exec(line.toString())?.[1];
    expect(port).toBeDefined();
    const uri = `nbd://127.0.0.1:${port}/memory`;
    const client = await runProgram(process.execPath, [example('nbd-client'), uri]);
    expect(client.stderr).toBe('');
    expect(client.stdout).toContain('export memory: lost at exit');
    expect(client.stdout).toContain('connected to memory: 268435456 bytes, extended replies');
    expect(client.stdout).toMatch(/^ +0 +268435456 hole/m);
    expect(client.stdout).toContain(`first bytes: ${'00'.repeat(16)}`);
    expect(client.code).toBe(0);
    server.kill('SIGTERM');
    const [code] = await once(server, 'exit');
    expect(code).toBe(0);
  } finally {
    server.kill('SIGKILL');
  }
});

test('the library is there under its public name', async () => {
  const program =
    "const [n, b] = await Promise.all([import('rootcast/nbd'), import('rootcast/block')]);" +
    'console.log(typeof n.createNbdServer, typeof n.connectNbd, typeof b.MemoryDevice)';
  const project = new URL('../../', import.meta.url).pathname;
  const script = `cd "$0" && "$1" --input-type=module -e "$2"`;
  const result = await runProgram('sh', ['-c', script, project, process.execPath, program]);
  expect(result).toMatchObject({ code: 0, stdout: 'function function function\n' });
});
