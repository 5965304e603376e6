/** Where a VDI can be read by NBD (reference 1.9): the session is the password, and the export name holds it. */
import { X509Certificate } from 'node:crypto';
import { isIP, isIPv4 } from 'node:net';
import type { Handlers } from '../../call.ts';
import type { VDI } from '../../datamodel/vdi.ts';
import { diskOf } from '../../disks/disk.ts';
import type { AnyRecord, Objects } from '../../objects/objects.ts';
import type { Xen } from '../../xen.ts';
import { xenError } from '../../xen-error.ts';
import { requireReadable } from './parts.ts';

const PURPOSES: ReadonlySet<unknown> = new Set(['nbd', 'insecure_nbd']);

export const nbdInfo =
  (xen: Xen): Handlers<typeof VDI>['get_nbd_info'] =>
  ({ caller }, { self }) => {
    const { record } = diskOf(xen, self);
    if (record.type === 'cbt_metadata') {
      throw xenError('VDI_INCOMPATIBLE_TYPE', self, record.type);
    }
    if (!isPlugged(xen, record.SR)) return [];
    const { port, tls, certificate } = xen.settings.nbd;
    const cert = tls === 'off' ? undefined : certificate;
    const subject = subjectOf(cert) ?? xen.settings.address;
    const exportname = `/${record.uuid}?session_id=${caller.session}`;
    return listening(addresses(xen.objects), xen.settings.nbd.host).map((address) => ({
      ...{ exportname, address, port, cert, subject },
    }));
  };

function isPlugged(xen: Xen, sr: string): boolean {
  try {
    requireReadable(xen, sr);
    return true;
  } catch {
    return false;
  }
}

/** Those on which the NBD server can be reached at all. @param host where it listens */
function listening(all: readonly string[], host: string | undefined): readonly string[] {
  if (host === '0.0.0.0') return all.filter(isIPv4);
  // A name, or what stands for every address, leaves nothing out.
  if (host === undefined || isIP(host) === 0 || host === '::') return all;
  return all.length === 0 ? [] : [host];
}

/** Of interfaces on networks that are for it: IPv4 first. */
function addresses(objects: Objects): readonly string[] {
  if (!objects.has('network') || !objects.has('PIF')) return [];
  const networks = new Set<unknown>();
  for (const [ref, { purpose }] of objects.allAny('network')) {
    if (Array.isArray(purpose) && purpose.some((one) => PURPOSES.has(one))) networks.add(ref);
  }
  return [...objects.allAny('PIF')].flatMap(([, pif]) =>
    pif['currently_attached'] === true && networks.has(pif['network']) ? addressesOf(pif) : [],
  );
}

/** A PIF's IPv6 addresses have the length of their prefix behind a slash. */
function addressesOf({ IP, IPv6 }: AnyRecord): readonly string[] {
  const all = [IP, ...(Array.isArray(IPv6) ? (IPv6 as readonly unknown[]) : [])];
  return all
    .filter((one): one is string => typeof one === 'string' && one !== '')
    .map((one) => one.replace(/\/.*$/, ''));
}

/** A name that the certificate is for: strict ones before wildcards. */
function subjectOf(certificate: string | undefined): string | undefined {
  if (certificate === undefined) return undefined;
  try {
    const { subjectAltName, subject } = new X509Certificate(certificate);
    const names = (subjectAltName ?? '')
      .split(', ')
      .flatMap((entry) => (entry.startsWith('DNS:') ? [entry.slice('DNS:'.length)] : []));
    const strict = names.find((name) => !name.startsWith('*'));
    return strict ?? names[0] ?? /^CN=(.+)$/m.exec(subject)?.[1];
  } catch {
    return undefined; // the service has told of it when it read the file
  }
}
