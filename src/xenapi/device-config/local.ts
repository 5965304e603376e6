/** sm FileSR.py: a folder of this server. */
import { type KeyRules, simpleType } from './storage-type.ts';

/** What XenServer calls `path`. */
export const LOCATION: KeyRules = {
  renamed: new Map([['location', 'path']]),
  ignored: new Set(['legacy_mode', 'preferred-image-formats']),
};

/** 61 FileSRCreate. */
export const LOCAL_FAILURES = { NOT_FOUND: 61, PERMISSION_DENIED: 61 } as const;

const common = {
  ...{ kind: 'local', shared: false, features: [], failures: LOCAL_FAILURES },
  description: 'A folder of this server: its files become volumes.',
} as const;

export const LOCAL_TYPES = [
  simpleType({
    ...common,
    ...{ name: 'file', label: 'Folder', rules: LOCATION },
    keys: new Map([['location', 'Folder of this server, with its whole path']]),
    needs: [{ oneOf: ['location', 'path'], number: 94 }],
  }),
  simpleType({
    ...common,
    ...{ name: 'local', label: 'Folder (as file)', rules: LOCATION, keys: new Map() },
    needs: [{ oneOf: ['path', 'location'], number: 94 }],
  }),
];
