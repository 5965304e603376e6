/** JSON-RPC as the typed SDKs speak it (reference 1.3, 4.3), with nothing between a test and the wire. */

/** What a call ends with when it fails: the error's code, and its parameters as they came. */
export class RpcFailure extends Error {
  readonly code: string;
  readonly params: readonly unknown[];

  constructor(code: string, params: readonly unknown[]) {
    super(`${code}(${params.join(', ')})`);
    this.code = code;
    this.params = params;
  }
}

interface Reply {
  readonly jsonrpc?: string;
  readonly id?: unknown;
  readonly result?: unknown;
  readonly error?:
    | readonly string[]
    | { readonly code: number; readonly message: string; readonly data: readonly unknown[] }
    | null;
}

export class JsonRpc {
  readonly #url: string;
  readonly #version: 1 | 2;
  readonly #headers: Readonly<Record<string, string>>;
  session = '';

  constructor(url: string, version: 1 | 2, headers: Readonly<Record<string, string>> = {}) {
    this.#url = url;
    this.#version = version;
    this.#headers = headers;
  }

  async login(user: string, password: string, ...more: readonly string[]): Promise<string> {
    this.session = await this.bare('session.login_with_password', user, password, ...more);
    return this.session;
  }

  /** With the session as its first parameter. @throws RpcFailure */
  // biome-ignore lint/suspicious/noExplicitAny: what every method answers
  call(method: string, ...params: readonly unknown[]): Promise<any> {
    return this.bare(method, this.session, ...params);
  }

  /** @throws RpcFailure */
  // biome-ignore lint/suspicious/noExplicitAny: what every method answers
  async bare(method: string, ...params: readonly unknown[]): Promise<any> {
    const version = this.#version === 2 ? { jsonrpc: '2.0' } : {};
    const response = await fetch(`${this.#url}/jsonrpc`, {
      method: 'POST',
      headers: { 'content-type': 'application/json; charset=utf-8', ...this.#headers },
      body: JSON.stringify({ ...version, method, params, id: 0 }),
    });
    if (!response.ok) throw new Error(`${method}: HTTP ${response.status}`);
    const type = response.headers.get('content-type');
    if (type !== 'application/json') throw new Error(`${method}: content type ${type}`);
    return resultOf((await response.json()) as Reply, this.#version);
  }
}

function resultOf(reply: Reply, version: 1 | 2): unknown {
  if (reply.id !== 0) throw new Error(`the id is ${reply.id}`);
  const { error } = reply;
  const keys = Object.keys(reply).sort().join(' ');
  if (version === 1) {
    if (keys !== 'error id result') throw new Error(`a reply with ${keys}`);
    if (error === null || error === undefined) return reply.result;
    if (!Array.isArray(error)) throw new Error('the error is no array');
    throw new RpcFailure(String(error[0]), error.slice(1));
  }
  if (reply.jsonrpc !== '2.0') throw new Error(`JSON-RPC ${reply.jsonrpc}`);
  if (error === undefined) {
    if (keys !== 'id jsonrpc result') throw new Error(`a reply with ${keys}`);
    return reply.result;
  }
  if (keys !== 'error id jsonrpc') throw new Error(`a reply with ${keys}`);
  if (error === null || !('data' in error)) throw new Error('the error is no object');
  if (error.code !== 1) throw new Error(`the code of an error is ${error.code}`);
  throw new RpcFailure(error.message, error.data);
}
