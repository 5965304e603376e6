import { describe, expect, it } from 'vitest';
import { runProgram } from '../../../src/base/index.ts';

const env = { PATH: process.env['PATH'] ?? '' };
const options = { timeoutMs: 20_000, outputBytes: 1000, env };

describe('a program that is run', () => {
  it('gives what it said, and how it ended', async () => {
    const script = 'echo out; echo err >&2; exit 3';
    const heard: string[] = [];
    const onErrorText = (text: string): void => {
      heard.push(text);
    };
    expect(await runProgram('sh', ['-c', script], { ...options, onErrorText })).toEqual({
      ...{ outcome: 'exited', code: 3, stdout: 'out\n', stderr: 'err\n' },
    });
    expect(heard.join('')).toBe('err\n');
  });

  it('gets its arguments as they are, and no other environment', async () => {
    const end = await runProgram('sh', ['-c', 'echo "$1$HOME"', 'sh', '$(x) "; y'], options);
    expect(end).toMatchObject({ stdout: '$(x) "; y\n' });
  });

  it('is killed when it takes too long, says too much, or is not wanted any more', async () => {
    const late = await runProgram('sleep', ['60'], { ...options, timeoutMs: 20 });
    expect(late).toMatchObject({ outcome: 'killed', why: 'timeout' });
    const loud = await runProgram('sh', ['-c', 'yes'], options);
    expect(loud).toMatchObject({ outcome: 'killed', why: 'output' });
    const controller = new AbortController();
    const running = runProgram('sleep', ['60'], { ...options, signal: controller.signal });
    controller.abort();
    expect(await running).toMatchObject({ outcome: 'killed', why: 'aborted' });
    const { signal } = controller;
    expect(await runProgram('sleep', ['60'], { ...options, signal })).toMatchObject({
      outcome: 'killed',
    });
    const killed = await runProgram('sh', ['-c', 'kill -9 $$'], options);
    expect(killed).toMatchObject({ outcome: 'killed', why: 'signal' });
  });

  it('that is not installed is missing', async () => {
    expect(await runProgram('no-such-program', [], options)).toMatchObject({ outcome: 'missing' });
  });
});
