/**
 * Names of exports as `VDI.get_nbd_info` gives them: `/UUID?session_id=REF`. Read as leniently as xapi-nbd reads them
 * (xapi-project/xen-api, ocaml/nbd: a URI; the first session_id counts, everything else is ignored).
 *
 * The session is a secret: what is said of such a connection names the disk alone (`shown`).
 */
import { percentDecoded } from '../../base/index.ts';

export interface DiskExportName {
  readonly uuid: string;
  /** Undefined: none was given. */
  readonly session: string | undefined;
  /** What everybody may see: `/UUID`. */
  readonly shown: string;
}

/** Characters of a UUID that are shown of a name: whatever else it is, it is not repeated to everybody. */
const SHOWN_CHARACTERS = 64;

export function isDiskExport(name: string): boolean {
  return name.startsWith('/');
}

export function parseDiskExport(name: string): DiskExportName {
  const [beforeFragment = ''] = name.split('#', 1);
  const question = beforeFragment.indexOf('?');
  const path = question === -1 ? beforeFragment : beforeFragment.slice(0, question);
  const query = question === -1 ? '' : beforeFragment.slice(question + 1);
  const uuid = percentDecoded(path.slice(1));
  return { uuid, session: sessionOf(query), shown: `/${shownOf(uuid)}` };
}

function sessionOf(query: string): string | undefined {
  for (const pair of query.split(/[&;]/)) {
    const equals = pair.indexOf('=');
    const key = equals === -1 ? pair : pair.slice(0, equals);
    if (percentDecoded(key) !== 'session_id') continue;
    const value = equals === -1 ? '' : pair.slice(equals + 1);
    return percentDecoded(value.replaceAll('+', ' '));
  }
  return undefined;
}

/** A name that is no UUID may be anything, a session that somebody put in the wrong place among it. */
function shownOf(uuid: string): string {
  const isName = uuid.length <= SHOWN_CHARACTERS && /^[0-9A-Za-z-]+$/.test(uuid);
  return isName ? uuid : '…';
}
