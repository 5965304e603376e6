/** What a repository on iSCSI is told, under the names that XenServer's device_config has for it. */
import { ArrayError } from '../../errors/index.ts';
import {
  type ChapCredentials,
  ISCSI_PORT,
  type Portal,
  parsePortal,
  portalText,
} from '../../iscsi/index.ts';
import {
  CARVED_SETTINGS,
  type Connection,
  type SettingField,
  type SettingValue,
} from '../../repositories/index.ts';

const text = (name: string, description: string, required = false, secret = false) =>
  ({ name, type: 'text', required, secret, description }) as const;

export const ISCSI_SETTINGS: readonly SettingField[] = [
  text('target', 'Address of the array: HOST or HOST:PORT, several with commas.', true),
  {
    name: 'port',
    type: 'integer',
    required: false,
    secret: false,
    description: `TCP port of addresses that name none; ${ISCSI_PORT} unless given.`,
  },
  text('targetIQN', 'Name of the target on the array.'),
  {
    name: 'LUNid',
    type: 'integer',
    required: false,
    secret: false,
    description: 'Number of the LUN; found by its SCSIid unless given.',
  },
  text('SCSIid', 'WWID of the LUN, as scsi_id prints it. No other disk is ever taken for it.'),
  {
    name: 'portals',
    type: 'list',
    required: false,
    secret: false,
    description:
      'HOST:PORT of each path, best first; the addresses of `target` unless given. What the array announces is not used by itself.',
  },
  text('chapuser', 'CHAP user, where the target wants one.'),
  text('chappassword', 'CHAP secret of that user.', false, true),
  text('incoming_chapuser', 'Mutual CHAP: name that the target must prove to be.'),
  text('incoming_chappassword', 'Mutual CHAP: secret of the target.', false, true),
  {
    name: 'patience',
    type: 'integer',
    required: false,
    secret: false,
    description: 'Seconds without any path before requests fail; 120 unless given.',
  },
  {
    name: 'headerDigest',
    type: 'boolean',
    required: false,
    secret: false,
    description: 'Insist on CRC32C over headers; off unless given.',
  },
  {
    name: 'dataDigest',
    type: 'boolean',
    required: false,
    secret: false,
    description: 'Insist on CRC32C over data; off unless given. Costs CPU.',
  },
  ...CARVED_SETTINGS,
];

type Settings = Readonly<Record<string, SettingValue>>;

/** What of a connection this adapter reads. */
export type IscsiConnection = Pick<Connection, 'settings' | 'secrets' | 'initiatorName'>;

/** The same, checked. Absent: not given. */
export interface IscsiSettings {
  readonly initiatorName: string;
  /** Where discovery asks. */
  readonly addresses: readonly Portal[];
  /** The paths. */
  readonly portals: readonly Portal[];
  readonly iqn: string | undefined;
  readonly lun: number | undefined;
  readonly wwid: string | undefined;
  readonly chap: ChapCredentials | undefined;
  readonly patienceMs: number | undefined;
  readonly headerDigest: boolean;
  readonly dataDigest: boolean;
}

/** @throws ArrayError INVALID_ARGUMENT */
export function iscsiSettings({
  settings,
  secrets,
  initiatorName,
}: IscsiConnection): IscsiSettings {
  const port = numberOf(settings, 'port') ?? ISCSI_PORT;
  const addresses = portalsOf('target', (textOf(settings, 'target') ?? '').split(','), port);
  const listed = settings['portals'];
  const portals = portalsOf('portals', Array.isArray(listed) ? listed : [], port);
  const patience = numberOf(settings, 'patience');
  if (patience !== undefined && patience <= 0) throw invalid('patience', 'more than 0 seconds');
  return {
    initiatorName,
    addresses,
    portals: portals.length === 0 ? addresses : portals,
    iqn: textOf(settings, 'targetIQN'),
    lun: numberOf(settings, 'LUNid'),
    wwid: textOf(settings, 'SCSIid'),
    chap: chapOf(settings, secrets),
    patienceMs: patience === undefined ? undefined : patience * 1000,
    headerDigest: settings['headerDigest'] === true,
    dataDigest: settings['dataDigest'] === true,
  };
}

function chapOf(
  settings: Settings,
  secrets: Readonly<Record<string, string>>,
): ChapCredentials | undefined {
  const user = textOf(settings, 'chapuser');
  const password = secrets['chappassword'];
  const incomingUser = textOf(settings, 'incoming_chapuser');
  const incomingPassword = secrets['incoming_chappassword'];
  if (user === undefined && incomingUser === undefined) return undefined;
  // Mutual CHAP is the target's proof on top of ours, never alone (RFC 7143, 12.1.3).
  if (user === undefined) throw invalid('chapuser', 'a user, because incoming_chapuser is given');
  if (password === undefined) throw invalid('chappassword', 'a secret, because chapuser is given');
  if (incomingUser === undefined) return { user, password };
  if (incomingPassword === undefined) {
    throw invalid('incoming_chappassword', 'a secret, because incoming_chapuser is given');
  }
  if (incomingPassword === password) {
    throw invalid('incoming_chappassword', 'another secret than chappassword (RFC 7143, 9.2.1)');
  }
  return { user, password, incoming: { user: incomingUser, password: incomingPassword } };
}

function portalsOf(field: string, texts: readonly string[], port: number): readonly Portal[] {
  const portals = texts.flatMap((text) => {
    if (text.trim() === '') return [];
    const portal = parsePortal(text, port);
    if (portal === undefined) throw invalid(field, 'HOST, HOST:PORT or [IPv6]:PORT', text);
    return [portal];
  });
  return portals.filter(
    (portal, index) =>
      portals.findIndex((other) => portalText(other) === portalText(portal)) === index,
  );
}

function textOf(settings: Settings, name: string): string | undefined {
  const value = settings[name];
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
}

function numberOf(settings: Settings, name: string): number | undefined {
  const value = settings[name];
  return typeof value === 'number' ? value : undefined;
}

function invalid(field: string, expected: string, value?: string): ArrayError {
  const message = `${field}: ${expected} is expected`;
  return new ArrayError('INVALID_ARGUMENT', message, { field, expected, value });
}
