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

/** Debian's build that has Secure Boot, with the variables that turn it on and hold Microsoft's keys. */
const SECURE_OVMF: Ovmf = {
  code: '/usr/share/OVMF/OVMF_CODE_4M.ms.fd',
  variables: '/usr/share/OVMF/OVMF_VARS_4M.ms.fd',
};

/** The UEFI firmware of Debian's package `ovmf`; undefined when it is not installed. */
export function findOvmf(secureBoot = false): Ovmf | undefined {
  const ovmf = secureBoot ? SECURE_OVMF : OVMF;
  return readable(ovmf.code) && readable(ovmf.variables) ? ovmf : undefined;
}

function readable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
