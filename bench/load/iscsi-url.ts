/** The URL of a LUN as libiscsi and QEMU spell it; credentials are in the environment, as libiscsi reads them too. */
import type { IscsiOpen } from '../../src/iscsi/index.ts';

export const ISCSI_URL = 'iscsi://HOST[:PORT]/IQN/LUN';

const URL_FORM = /^iscsi:\/\/([^/@]+)\/((?:iqn|eui|naa)\.[^/]+)\/([0-9]{1,5})$/i;

type Where = Pick<IscsiOpen, 'portals' | 'iqn' | 'lun'>;

/** @returns undefined: no such URL */
export function parseIscsiUrl(text: string): Where | undefined {
  const [, portal, iqn, lun] = URL_FORM.exec(text) ?? [];
  if (portal === undefined || iqn === undefined || lun === undefined) return undefined;
  return { portals: [portal], iqn, lun: Number(lun) };
}

/** Who we are to the target. */
export function iscsiCredentials(
  environment: NodeJS.ProcessEnv,
): Pick<IscsiOpen, 'initiatorName' | 'chap'> {
  const user = environment['LIBISCSI_CHAP_USERNAME'];
  const password = environment['LIBISCSI_CHAP_PASSWORD'];
  const initiatorName = 'iqn.2026-01.dev.rootcast:bench';
  if (user === undefined || password === undefined) return { initiatorName };
  return { initiatorName, chap: { user, password } };
}
