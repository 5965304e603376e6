import { BlockError } from '../../errors/index.ts';
import type { Answer, ToWorker } from './messages.ts';

/** What a control port says to what a thread's data port asked (control-client.ts). Never throws. */
export async function portAnswer(
  request: number,
  ask: () => Promise<unknown>,
): Promise<Extract<ToWorker, { kind: 'answer' }>> {
  return { kind: 'answer', request, answer: await answerOf(ask) };
}

async function answerOf(ask: () => Promise<unknown>): Promise<Answer> {
  try {
    return { ok: true, value: await ask() };
  } catch (error) {
    const { errno, message } = BlockError.from(error, 'open', 0, 0);
    return { ok: false, errno, message };
  }
}
