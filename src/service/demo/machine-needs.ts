import { accessSync, constants } from 'node:fs';

export interface Ovmf {
  readonly code: string;
  /** A template: every machine gets its own copy. */
  readonly variables: string;
}

const OVMF: Ovmf = {
  code: '/usr/share/OVMF/OVMF_CODE_4M.fd',
  variables: '/usr/share/OVMF/OVMF_VARS_4M.fd',
};

/** The UEFI firmware of Debian's package `ovmf`; undefined when it is not installed. */
export function findOvmf(): Ovmf | undefined {
  return readable(OVMF.code) && readable(OVMF.variables) ? OVMF : undefined;
}

function readable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
