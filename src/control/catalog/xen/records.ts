/** What the catalog holds for XenAPI. Times are milliseconds since the epoch. */

/** What only XenAPI knows of an object. */
export interface XenObjectRecord {
  /** As XenAPI spells it. */
  readonly class: string;
  /** Of what it stands for (a volume, a snapshot, a machine ...), or one of its own. */
  readonly id: string;
  /** One that a client chose; undefined: the id is it. */
  readonly uuid: string | undefined;
  /** Plain JSON. Names may come from clients: `__proto__` is one as good as any other. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** In the order of what they may: each may what those before it may. */
export const XEN_ROLES = [
  'read-only',
  'vm-operator',
  'vm-admin',
  'vm-power-admin',
  'pool-operator',
  'pool-admin',
] as const;
export type XenRole = (typeof XEN_ROLES)[number];

/** Who may log in to XenAPI. */
export interface XenUserRecord {
  readonly name: string;
  readonly role: XenRole;
  /** Hashed (values/password-hash.ts). Never to be shown. */
  readonly password: string;
  readonly enabled: boolean;
  readonly createdAt: number;
  /** undefined: never. */
  readonly lastLoginAt: number | undefined;
}
