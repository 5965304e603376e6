import { CONFIG_SCHEMA } from './schema.ts';

export type SettingKind = 'string' | 'integer' | 'boolean' | 'bytes' | 'list';

/** One leaf of the schema, with every way to set it. */
export interface Setting {
  /** `['nbd', 'tls', 'mode']` */
  readonly path: readonly string[];
  readonly kind: SettingKind;
  /** `--nbd-tls-mode`; the flag of a `listen` is that of its section, `--nbd`. */
  readonly flag: string;
  /** `ROOTCAST_NBD_TLS_MODE` */
  readonly environment: string;
  readonly description: string;
  readonly byDefault: unknown;
}

/** The part of a JSON schema that this file walks over. */
interface SchemaNode {
  readonly type?: string;
  readonly format?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly anyOf?: readonly SchemaNode[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
}

const words = (name: string): string => name.replace(/([a-z])([A-Z])/g, '$1-$2').toLowerCase();

function kindOf(node: SchemaNode): SettingKind {
  if (node.format === 'bytes') return 'bytes';
  if (node.type === 'array') return 'list';
  if (node.type === 'integer') return 'integer';
  if (node.type === 'boolean') return 'boolean';
  return 'string';
}

function leaves(node: SchemaNode, path: readonly string[]): Setting[] {
  if (node.properties !== undefined) {
    return Object.entries(node.properties).flatMap(([name, child]) =>
      leaves(child, [...path, name]),
    );
  }
  const spoken = path.filter((name, index) => !(name === 'listen' && index === path.length - 1));
  const dashed = spoken.map(words).join('-');
  return [
    {
      path,
      kind: kindOf(node),
      flag: `--${dashed}`,
      environment: `ROOTCAST_${dashed.replaceAll('-', '_').toUpperCase()}`,
      description: node.description ?? '',
      byDefault: node.default === '' ? undefined : node.default,
    },
  ];
}

export const SETTINGS: readonly Setting[] = leaves(CONFIG_SCHEMA as SchemaNode, []);
