/** Who is logged in: logins, their ends, and whose session a call is of. */
import { randomUUID } from 'node:crypto';
import {
  authenticateXenUser,
  type Control,
  findXenUser,
  recordEvent,
  type XenUser,
} from '../../control/index.ts';
import { Fault } from '../../errors/index.ts';
import type { Caller } from '../call.ts';
import type { Ref } from '../datamodel/description.ts';
import { newRef } from '../objects/refs.ts';
import { xenError } from '../xen-error.ts';
import { FailedLogins } from './failed-logins.ts';
import {
  MAX_LOGIN_NAME_LENGTH,
  MAX_ORIGINATOR_LENGTH,
  MAX_SESSION_CONFIG_LENGTH,
  MAX_SESSIONS_PER_ORIGINATOR,
  MAX_SESSIONS_PER_USER,
  SESSION_UNUSED_MS,
} from './limits.ts';
import { type LoginAttempt, LoginTurns } from './login-turns.ts';
import type { Session } from './session.ts';

export interface SessionsOptions {
  readonly control: Control;
  /** Settles after so many milliseconds; a timer that holds up nothing. */
  readonly sleep: (ms: number) => Promise<void>;
}

export interface LoginRequest {
  readonly name: string;
  readonly password: string;
  /** Of the client. */
  readonly address: string;
  readonly originator?: string;
  readonly isLocal?: boolean;
}

export class Sessions {
  readonly #control: Control;
  /** By ref, the one that was made first first. */
  readonly #sessions = new Map<Ref, Session>();
  readonly #turns: LoginTurns;
  readonly #failed = new FailedLogins();
  readonly #unfollow: () => void;

  constructor({ control, sleep }: SessionsOptions) {
    this.#control = control;
    this.#turns = new LoginTurns(sleep);
    this.#unfollow = control.catalog.onRowsChanged((changes) => {
      for (const { table, id } of changes) if (table === 'xen_users') this.#follow(id);
    });
  }

  /** All of them end. */
  close(): void {
    this.#unfollow();
    for (const ref of [...this.#sessions.keys()]) this.end(ref);
  }

  /**
   * @throws XenError SESSION_AUTHENTICATION_FAILED: late, or at once when too many logins are under way;
   *   VALUE_NOT_SUPPORTED: the originator
   */
  async login(request: LoginRequest): Promise<Session> {
    const { originator = '' } = request;
    if (originator.length > MAX_ORIGINATOR_LENGTH) {
      const most = `at most ${MAX_ORIGINATOR_LENGTH} characters`;
      throw xenError('VALUE_NOT_SUPPORTED', 'originator', originator.slice(0, 64), most);
    }
    await this.checkPassword(request, request.password);
    // Who was disabled since is not let in.
    const user = findXenUser(this.#control, request.name);
    if (user === undefined) throw refusal(request.name, 'the user is gone');
    return this.#begin(user, request);
  }

  /** The same without a session: what asks for the password again. @throws XenError SESSION_AUTHENTICATION_FAILED */
  async checkPassword({ name, address }: LoginAttempt, password: string): Promise<void> {
    const attempt = { name, address };
    if (name.length > MAX_LOGIN_NAME_LENGTH) throw refusal('', 'the name is too long');
    let isBusy = false;
    const user = await this.#turns.take(attempt, async () => {
      try {
        const found = await authenticateXenUser(this.#control, name, password);
        if (found === undefined) this.#tellFailed(attempt);
        return found;
      } catch (error) {
        if (!(error instanceof Fault) || error.code !== 'LIMIT_EXCEEDED') throw error;
        isBusy = true;
        return 'refused' as const;
      }
    });
    if (user === 'refused') {
      const what = isBusy ? 'too many logins' : 'too many logins from this address';
      throw refusal(name, `${what} are under way; try again later`);
    }
    if (user === undefined) throw refusal(name, 'the name or the password is wrong');
    this.#failed.succeeded(attempt);
  }

  /** Counts as a use of it. @throws XenError SESSION_INVALID */
  callerOf(ref: Ref): Caller {
    const session = this.get(ref);
    session.usedAt = this.#control.clock.now();
    return { session: ref, user: session.user, role: session.role };
  }

  /** @throws XenError SESSION_INVALID */
  get(ref: Ref): Session {
    const session = this.#sessions.get(ref);
    if (session === undefined) throw xenError('SESSION_INVALID', ref);
    if (this.#control.clock.now() - session.usedAt < SESSION_UNUSED_MS) return session;
    this.end(ref);
    throw xenError('SESSION_INVALID', ref);
  }

  /** Aborted when the session ends: the reason is XenError SESSION_INVALID. @throws XenError SESSION_INVALID */
  endOf(ref: Ref): AbortSignal {
    return this.get(ref).ended.signal;
  }

  /** Who waits in it is told. Of one that is no more: nothing. */
  end(ref: Ref): void {
    const session = this.#sessions.get(ref);
    if (session === undefined) return;
    this.#sessions.delete(ref);
    session.ended.abort(xenError('SESSION_INVALID', ref));
  }

  /** @param but stays */
  endOfUser(name: string, but?: Ref): void {
    for (const session of this.#ofUser(name)) if (session.ref !== but) this.end(session.ref);
  }

  /** Names of those who have a session. */
  users(): readonly string[] {
    this.#expire();
    return [...new Set([...this.#sessions.values()].map(({ user }) => user))].sort();
  }

  /** @throws XenError SESSION_INVALID, VALUE_NOT_SUPPORTED: it is too long */
  setOtherConfig(ref: Ref, otherConfig: ReadonlyMap<string, string>): void {
    const session = this.get(ref);
    const length = [...otherConfig].reduce(
      (sum, [key, value]) => sum + key.length + value.length,
      0,
    );
    if (length > MAX_SESSION_CONFIG_LENGTH) {
      const most = `at most ${MAX_SESSION_CONFIG_LENGTH} characters`;
      throw xenError('VALUE_NOT_SUPPORTED', 'other_config', `${length} characters`, most);
    }
    session.otherConfig = new Map(otherConfig);
  }

  #begin({ name, role }: XenUser, request: LoginRequest): Session {
    const { address, originator = '', isLocal = false } = request;
    this.#expire();
    const ofUser = this.#ofUser(name);
    const ofOriginator = ofUser.filter((session) => session.originator === originator);
    this.#makeRoom(ofOriginator, MAX_SESSIONS_PER_ORIGINATOR);
    this.#makeRoom(this.#ofUser(name), MAX_SESSIONS_PER_USER);
    const now = this.#control.clock.now();
    const session: Session = {
      ref: newRef(),
      uuid: randomUUID(),
      ...{ user: name, role, address, originator, isLocal, createdAt: now, usedAt: now },
      otherConfig: new Map(),
      ended: new AbortController(),
    };
    this.#sessions.set(session.ref, session);
    return session;
  }

  /** Those unused for longest go. */
  #makeRoom(sessions: readonly Session[], most: number): void {
    const tooMany = sessions.length + 1 - most;
    if (tooMany <= 0) return;
    const oldest = sessions.toSorted((a, b) => a.usedAt - b.usedAt).slice(0, tooMany);
    for (const { ref } of oldest) this.end(ref);
  }

  #expire(): void {
    const before = this.#control.clock.now() - SESSION_UNUSED_MS;
    for (const { ref, usedAt } of [...this.#sessions.values()]) if (usedAt <= before) this.end(ref);
  }

  #ofUser(name: string): readonly Session[] {
    return [...this.#sessions.values()].filter(({ user }) => user === name);
  }

  /** What became of a user is true of its sessions at once. */
  #follow(name: string): void {
    const user = findXenUser(this.#control, name);
    if (user === undefined) this.endOfUser(name);
    else for (const session of this.#ofUser(name)) session.role = user.role;
  }

  #tellFailed(attempt: LoginAttempt): void {
    const isUser = findXenUser(this.#control, attempt.name) !== undefined;
    const told = this.#failed.note(attempt, isUser, this.#control.clock.now());
    if (told === undefined) return;
    const { address, name, failures, untold } = told;
    recordEvent(this.#control, {
      kind: 'xen-login.failed',
      subject: name === undefined ? 'xen-users' : `xen-user/${name}`,
      message: `login to XenAPI from ${address} failed: ${name === undefined ? 'no such user, or it is disabled' : `wrong password for ${name}`}, ${failures} in a row`,
      data: { address, failures, sinceLastEvent: untold },
    });
  }
}

function refusal(name: string, why: string) {
  return xenError('SESSION_AUTHENTICATION_FAILED', name, why);
}
