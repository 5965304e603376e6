/** The array's side of the data port: who may open what, and pages for what is written. */
import { BlockError, type Errno } from '../../errors/index.ts';
import { type ArraySession, blockErrorOf } from './array-session.ts';
import { pagesOf } from './page-table.ts';
import { type OpenAnswer, type Question, questionOf } from './questions.ts';
import type { Session } from './sessions.ts';
import type { StoredMapping, StoredSnapshot, StoredVolume } from './simulated-array.ts';

type Of<Ask extends Question['ask']> = Extract<Question, { readonly ask: Ask }>;

/** @throws BlockError */
export async function answerQuestion(arraySession: ArraySession, value: unknown): Promise<unknown> {
  const question = questionOf(value);
  if (question === undefined) throw refusal('EINVAL', 'not a question of a simulated array');
  try {
    switch (question.ask) {
      case 'open':
        return await arraySession.change('open', undefined, () => open(arraySession, question));
      case 'allocate':
      case 'free':
        return changePages(arraySession, question);
      case 'chunk':
        sessionOf(arraySession, question.session);
        return arraySession.array.pool.chunk(question.index);
      case 'close': {
        const session = arraySession.array.sessions.get(question.session);
        if (session !== undefined) arraySession.array.sessions.end(session);
        return undefined;
      }
    }
  } catch (error) {
    throw blockErrorOf(error);
  }
}

function open(arraySession: ArraySession, question: Of<'open'>): OpenAnswer {
  const { array, settings } = arraySession;
  if (settings.portals.every((portal) => array.pathsDown.has(portal))) {
    throw refusal('ETIMEDOUT', 'no portal of the simulated array answers');
  }
  const { initiator, write } = question;
  if (array.fenced.has(initiator)) throw refusal('EPERM', `${initiator} is fenced`);
  const object = array.find(question.object);
  if (object === undefined) throw refusal('ESTALE', `there is no ${question.object} any more`);
  if (write) checkWritable(object);
  if (settings.enforceMasking) checkMapped(array.mappingsOf(object.id), question);
  const { table, size } = object.disk;
  const session = array.sessions.begin({ object: object.id, initiator, write, table });
  return { session: session.number, state: session.state, table: table.buffer, size };
}

function checkWritable(object: StoredVolume | StoredSnapshot): void {
  if (!('link' in object)) throw refusal('EROFS', `${object.name} is a snapshot`);
  if (object.link?.role === 'secondary') {
    throw refusal('EROFS', `${object.name} is the secondary of a replicated volume`);
  }
}

function checkMapped(mappings: readonly StoredMapping[], question: Of<'open'>): void {
  const { initiator, write, chap } = question;
  const mapping = mappings.find(({ host }) => host.iqns.includes(initiator));
  if (mapping === undefined) throw refusal('EPERM', `not mapped to ${initiator}`);
  if (write && mapping.mode === 'ro') throw refusal('EROFS', 'mapped for reading only');
  const { chap: wanted } = mapping;
  if (wanted === undefined) return;
  if (chap?.user !== wanted.user || chap.password !== wanted.password) {
    throw refusal('EPERM', 'CHAP failed');
  }
}

function changePages(arraySession: ArraySession, question: Of<'allocate'> | Of<'free'>): void {
  const session = sessionOf(arraySession, question.session);
  const volume = arraySession.array.volumes.get(session.object);
  const { first, count } = question;
  if (volume === undefined || !session.write || first + count > pagesOf(volume.disk.size)) {
    throw refusal('EINVAL', 'not pages that this session may change');
  }
  if (question.ask === 'allocate') {
    volume.disk.makeWritable(first, count);
  } else if (volume.thin) {
    volume.disk.makeHoles(first, count);
  } else {
    // A thick volume keeps what it was promised.
    volume.disk.makeWritable(first, count);
    for (let index = first; index < first + count; index += 1)
      volume.disk.pageBytes(index)?.fill(0);
  }
}

function sessionOf(arraySession: ArraySession, number: number): Session {
  const session = arraySession.array.sessions.get(number);
  if (session === undefined) throw refusal('ESTALE', 'the array has ended the session');
  return session;
}

function refusal(errno: Errno, detail: string): BlockError {
  return new BlockError(errno, 'open', 0, 0, detail);
}
