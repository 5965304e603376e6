/** The service with XenAPI, and clients of it that nobody here wrote. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Xapi, type XapiOptions } from 'xen-api';
import { type ServiceOptions, ServiceProcess } from '../service-process.ts';

export class XenService {
  readonly process: ServiceProcess;
  readonly #clients = new Set<Xapi>();
  readonly #folders: string[] = [];

  private constructor(process: ServiceProcess) {
    this.process = process;
  }

  static async start(options: ServiceOptions = {}): Promise<XenService> {
    return new XenService(await ServiceProcess.start(options));
  }

  /** Without a slash at its end. */
  get url(): string {
    return this.process.xenapi.replace(/\/$/, '');
  }

  /** Of root. */
  get credentials(): { readonly user: string; readonly password: string } {
    return { user: 'root', password: this.process.token };
  }

  /** Not connected yet. It is disconnected when the service is removed. */
  client(options: Partial<XapiOptions> = {}): Xapi {
    const client = new Xapi({
      ...{ url: this.url, auth: this.credentials, allowUnauthorized: true, debounce: 10 },
      ...options,
    });
    this.#clients.add(client);
    return client;
  }

  async connect(options: Partial<XapiOptions> = {}): Promise<Xapi> {
    const client = this.client(options);
    await client.connect();
    if (options.watchEvents !== false) await client.objectsFetched;
    return client;
  }

  /** An empty folder that goes with the service. */
  async folder(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'rootcast-sr-'));
    this.#folders.push(path);
    return path;
  }

  /** An SR in a folder of its own. @returns its ref */
  async folderSr(xapi: Xapi, name: string): Promise<string> {
    return createSr(xapi, { type: 'file', name, config: { location: await this.folder() } });
  }

  /** As a client of the REST API. */
  async rest<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await fetch(`${this.process.http}/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.process.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  async remove(): Promise<void> {
    for (const client of this.#clients) await client.disconnect();
    await this.process.remove();
    for (const path of this.#folders) await rm(path, { recursive: true, force: true });
  }
}

export interface NewSr {
  readonly type: string;
  readonly name: string;
  readonly config: Readonly<Record<string, string>>;
  readonly shared?: boolean;
}

/** As Xen Orchestra creates one (reference 4.1). @returns its ref */
export async function createSr(
  xapi: Xapi,
  { type, name, config, shared = false }: NewSr,
): Promise<string> {
  const { master } = xapi.pool;
  return xapi.call('SR.create', master, config, 0, name, '', type, 'user', shared, {});
}

export interface NewVdi {
  readonly SR: string;
  readonly virtual_size: number;
  readonly name_label?: string;
  readonly [field: string]: unknown;
}

/** As Xen Orchestra creates one. @returns its ref */
export function createVdi(xapi: Xapi, vdi: NewVdi): Promise<string> {
  return xapi.call('VDI.create', {
    ...{ name_label: 'disk', name_description: '', type: 'user' },
    ...{ read_only: false, sharable: false, other_config: {}, sm_config: {}, tags: [] },
    ...vdi,
  });
}
