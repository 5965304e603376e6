/** What the data ports of a repository ask its control port (AskControl), as plain data; and who keeps the count. */
import { BlockError } from '../../errors/index.ts';
import { countPorts, newSharing } from './file/sharing.ts';

export interface Question {
  /** A data port opens a file, or has closed it. */
  readonly ask: 'join' | 'leave';
  readonly port: string;
  /** Its number on the server. */
  readonly file: string;
}

interface OpenFile {
  readonly memory: SharedArrayBuffer;
  /** How often each port has it open. */
  readonly ports: Map<string, number>;
}

/** The files that data ports have open (file/sharing.ts). */
export class OpenFiles {
  readonly #files = new Map<string, OpenFile>();

  /** @throws BlockError EINVAL */
  answer(value: unknown): SharedArrayBuffer | undefined {
    const { ask, port, file } = (value ?? {}) as Partial<Record<keyof Question, unknown>>;
    if ((ask === 'join' || ask === 'leave') && typeof port === 'string' && typeof file === 'string')
      return ask === 'join' ? this.#join(port, file) : this.#leave(port, file);
    throw new BlockError('EINVAL', 'open', 0, 0, 'not a question that this repository knows');
  }

  #join(port: string, name: string): SharedArrayBuffer {
    const file = this.#files.get(name) ?? { memory: newSharing(), ports: new Map() };
    this.#files.set(name, file);
    const before = file.ports.get(port) ?? 0;
    file.ports.set(port, before + 1);
    if (before === 0) countPorts(file.memory, file.ports.size, true);
    return file.memory;
  }

  #leave(port: string, name: string): undefined {
    const file = this.#files.get(name);
    const before = file?.ports.get(port);
    if (file === undefined || before === undefined) return;
    if (before > 1) {
      file.ports.set(port, before - 1);
      return;
    }
    file.ports.delete(port);
    countPorts(file.memory, file.ports.size, false);
    if (file.ports.size === 0) this.#files.delete(name);
  }
}

/** @throws BlockError EIO: what should have been an answer to `join` is none */
export function sharingOf(answer: unknown): SharedArrayBuffer {
  if (answer instanceof SharedArrayBuffer) return answer;
  throw new BlockError('EIO', 'open', 0, 0, 'the control port gave no shared memory');
}
