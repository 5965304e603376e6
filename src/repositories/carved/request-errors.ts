import { BlockError, type BlockOperation } from '../../errors/index.ts';

/** What a request waits for, which fails with an error of that request. @throws BlockError */
export async function inWordsOf(
  operation: BlockOperation,
  offset: number,
  length: number,
  waiting: Promise<void>,
): Promise<void> {
  try {
    await waiting;
  } catch (error) {
    const { errno, message } = BlockError.from(error, operation, offset, length);
    throw new BlockError(errno, operation, offset, length, message, { cause: error });
  }
}
