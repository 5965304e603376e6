/** What `tgtadm --mode target --op show` prints, as data. Made for people: indented lines of `name: value`. */

export interface ShownSession {
  /** I_T nexus. */
  readonly id: string;
  readonly initiator: string;
  readonly connections: readonly { readonly id: string; readonly address: string }[];
}

export interface ShownLun {
  readonly number: number;
  readonly scsiId: string;
  readonly serial: string;
  readonly online: boolean;
  readonly readOnly: boolean;
  readonly path: string;
}

export interface ShownTarget {
  readonly tid: number;
  readonly iqn: string;
  readonly sessions: readonly ShownSession[];
  readonly luns: readonly ShownLun[];
  readonly accounts: readonly string[];
  readonly outgoing: string | undefined;
  readonly initiators: readonly string[];
}

interface Draft {
  tid: number;
  iqn: string;
  sessions: { id: string; initiator: string; connections: { id: string; address: string }[] }[];
  luns: Record<string, string>[];
  accounts: string[];
  outgoing: string | undefined;
  initiators: string[];
}

const TARGET = /^Target (\d+): (\S+)$/;
const SECTION = /^ {4}(\S[^:]*):$/;
const FIELD = /^([^:]+):\s?(.*)$/;

/** Lines that are not understood are passed over: other versions print more. */
export function parseTargets(printed: string): readonly ShownTarget[] {
  const targets: Draft[] = [];
  let section = '';
  for (const line of printed.split('\n')) {
    const target = TARGET.exec(line);
    if (target !== null) {
      const lists = { sessions: [], luns: [], accounts: [], initiators: [] };
      targets.push({ tid: Number(target[1]), iqn: target[2] ?? '', outgoing: undefined, ...lists });
      section = '';
      continue;
    }
    const named = SECTION.exec(line)?.[1];
    const draft = targets.at(-1);
    if (named !== undefined) section = named;
    else if (draft !== undefined && line.trim() !== '') take(draft, section, line.trim());
  }
  return targets.map(({ luns, ...target }) => ({ ...target, luns: luns.map(lunOf) }));
}

function take(target: Draft, section: string, line: string): void {
  switch (section) {
    case 'I_T nexus information':
      takeSession(target, line);
      return;
    case 'LUN information':
      takeLun(target, line);
      return;
    case 'Account information': {
      const outgoing = /^(.*) \(outgoing\)$/.exec(line)?.[1];
      if (outgoing === undefined) target.accounts.push(line);
      else target.outgoing = outgoing;
      return;
    }
    case 'ACL information':
      target.initiators.push(line);
      return;
    default:
      return;
  }
}

function takeSession(target: Draft, line: string): void {
  const [, name = '', value = ''] = FIELD.exec(line) ?? [];
  const session = target.sessions.at(-1);
  if (name === 'I_T nexus') target.sessions.push({ id: value, initiator: '', connections: [] });
  else if (name === 'Initiator' && session) session.initiator = value.split(' alias:')[0] ?? '';
  else if (name === 'Connection') session?.connections.push({ id: value, address: '' });
  else if (name === 'IP Address') {
    const connection = session?.connections.at(-1);
    if (connection !== undefined) connection.address = value;
  }
}

function takeLun(target: Draft, line: string): void {
  const [, name = '', value = ''] = FIELD.exec(line) ?? [];
  if (name === 'LUN') target.luns.push({ LUN: value });
  else {
    const lun = target.luns.at(-1);
    if (lun !== undefined) lun[name] = value;
  }
}

function lunOf(fields: Record<string, string>): ShownLun {
  return {
    number: Number(fields['LUN']),
    scsiId: (fields['SCSI ID'] ?? '').trim(),
    serial: (fields['SCSI SN'] ?? '').trim(),
    online: fields['Online'] === 'Yes',
    readOnly: fields['Readonly'] === 'Yes',
    path: fields['Backing store path'] ?? '',
  };
}

/** `Portal: 127.0.0.1:3260,1` a line. */
export function parsePortals(printed: string): readonly string[] {
  return [...printed.matchAll(/^Portal: (\S+),\d+$/gm)].map((match) => match[1] ?? '');
}
