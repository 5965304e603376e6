/** What the quicktest suites ask of a client: messages by name, and blocks. Over any wire, or none. */
export interface QuicktestClient {
  /**
   * A message with the parameters behind the session. Maps are given as Map, structs as plain objects, no
   * times; what comes back may have the form of the wire: see the functions below.
   * @throws an error with the codes of failureOf
   */
  call(method: string, ...parameters: readonly unknown[]): Promise<unknown>;
  /** What a failure says, code first. undefined: it is no failure of XenAPI. */
  failureOf(error: unknown): readonly string[] | undefined;
  /** A plugged SR. */
  readonly sr: string;
  readonly host: string;
  read(vdi: string, offset: number, length: number): Promise<Buffer>;
  write(vdi: string, offset: number, bytes: Buffer): Promise<void>;
  /** Whole images by HTTP; absent: it has none. */
  readonly images?: {
    export(vdi: string, format: ImageFormat, base?: string): Promise<Buffer>;
    /** Settles when the task of it has succeeded. */
    import(vdi: string, format: ImageFormat, image: Buffer): Promise<void>;
  };
  close(): Promise<void>;
}

export type ImageFormat = 'raw' | 'vhd' | 'tar' | 'qcow2';

export type MakeClient = () => Promise<QuicktestClient>;

/** What clients have that not all of them have. */
export interface Has {
  readonly images: boolean;
  /** Class task, for `Async.`. */
  readonly tasks: boolean;
}

export const NULL = 'OpaqueRef:NULL';
export const MIB = 1_048_576;

/** A number of a wire on which it is a text. */
export const int = (value: unknown): number => Number(value);

/** Milliseconds. */
export function time(value: unknown): number {
  if (typeof value === 'number') return value;
  if (value instanceof Date) return value.getTime();
  const [, year, month, day, rest] = /^(\d{4})-?(\d\d)-?(\d\d)(T.*)$/.exec(String(value)) ?? [];
  return Date.parse(`${year}-${month}-${day}${rest}`);
}

/** Of a map, or of the struct that it is on the wire. */
export function entry(map: unknown, key: string): unknown {
  return map instanceof Map ? map.get(key) : (map as Readonly<Record<string, unknown>>)[key];
}

/** One of the client's own calls must fail. @returns what it says */
export async function failure(
  client: QuicktestClient,
  method: string,
  ...parameters: readonly unknown[]
): Promise<readonly string[]> {
  try {
    await client.call(method, ...parameters);
  } catch (error) {
    const description = client.failureOf(error);
    if (description !== undefined) return description;
    throw error;
  }
  throw new Error(`${method} did not fail`);
}

export async function newVdi(client: QuicktestClient, size = 4 * MIB, label = 'quicktest') {
  const struct = {
    ...{ name_label: label, name_description: 'of a test', SR: client.sr, virtual_size: size },
    ...{ type: 'user', sharable: false, read_only: false, other_config: new Map() },
    ...{ xenstore_data: new Map(), sm_config: new Map(), tags: [] },
  };
  return String(await client.call('VDI.create', struct));
}

/** With a new VDI that is destroyed afterwards. */
export async function withVdi(
  client: QuicktestClient,
  work: (vdi: string) => Promise<void>,
  size?: number,
): Promise<void> {
  const vdi = await newVdi(client, size);
  await withDestroyed(client, vdi, () => work(vdi));
}

export async function withDestroyed(
  client: QuicktestClient,
  vdi: string,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } finally {
    await client.call('VDI.destroy', vdi);
  }
}

/** VDI.update leaves the record as it is. */
export async function updated(client: QuicktestClient, vdi: string): Promise<readonly unknown[]> {
  const fields = ['cbt_enabled', 'is_a_snapshot', 'location', 'managed', 'name_description'];
  const all = [...fields, 'name_label', 'snapshot_of', 'snapshot_time', 'virtual_size'];
  const look = () =>
    Promise.all(all.map(async (name) => [name, await client.call(`VDI.get_${name}`, vdi)]));
  const before = await look();
  await client.call('VDI.update', vdi);
  const after = await look();
  return after.filter(([, value], at) => String(value) !== String(before[at]?.[1]));
}
