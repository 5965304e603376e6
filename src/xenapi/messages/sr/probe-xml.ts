/**
 * What probes answer with (sm nfs.py, BaseISCSI.py, LVHDoISCSISR.py, devscan.py, util.py): XML of a few elements, whose
 * names clients look for. Their values are texts of arrays, so each is escaped.
 */
import type { ProbeView } from '../../../control/index.ts';
import type { Choices, DeviceConfig } from '../../device-config/storage-type.ts';

type Finding = ProbeView['found'][number];

/** Of what is not known. Clients take the text of every element. */
const UNKNOWN = '-';
const ISCSI_PORT = '3260';

export function choicesXml(
  choices: Choices,
  found: readonly Finding[],
  config: DeviceConfig,
): string {
  switch (choices) {
    case 'nfs-exports':
      return document(
        choices,
        found.map((one) => exportXml(one, config)),
      );
    case 'iscsi-target-iqns':
      return document(choices, targetsXml(found));
    case 'iscsi-target':
      return document(choices, found.map(lunXml));
    case 'Devlist':
      return document(choices, found.map(deviceXml));
  }
}

/** Repositories that lie there. */
export function listXml(found: readonly Finding[], config: DeviceConfig): string {
  const srs = found.flatMap(({ holds, size }) => {
    if (holds === null) return [];
    const values: [string, string][] = [['UUID', holds.repositoryId]];
    if (size !== null) values.push(['size', String(size)]);
    if (holds.name !== null) values.push(['name_label', holds.name]);
    for (const [name, key] of TARGET) {
      const value = config.get(key);
      if (value !== undefined) values.push([name, value]);
    }
    return [element('SR', values)];
  });
  return document('SRlist', srs);
}

const TARGET = [
  ['Target', 'target'],
  ['TargetIQN', 'targetIQN'],
] as const;

function exportXml({ value, description }: Finding, config: DeviceConfig): string {
  return element('Export', [
    ['Target', config.get('server') ?? UNKNOWN],
    ['Path', value],
    ['Accesslist', description],
  ]);
}

/** One for each portal: clients look for the address that they have asked. */
function targetsXml(found: readonly Finding[]): readonly string[] {
  const portals = found.flatMap(({ value, settings }) => {
    const listed = settings['portals'];
    return (Array.isArray(listed) ? listed : []).map((portal) => ({ iqn: value, portal }));
  });
  return portals.map(({ iqn, portal }, index) => {
    const { host = portal, port = ISCSI_PORT } = PORTAL.exec(portal)?.groups ?? {};
    return element('TGT', [
      ['Index', String(index)],
      ['IPAddress', host.replace(/^\[(.*)\]$/, '$1')],
      ['Port', port],
      ['TargetIQN', iqn],
    ]);
  });
}

const PORTAL = /^(?<host>\[[^\]]*\]|[^:]*):(?<port>\d+)$/;

function lunXml({ value, settings, size, disk }: Finding): string {
  return element('LUN', [
    ['vendor', disk?.vendor || UNKNOWN],
    ['serial', disk?.serial || UNKNOWN],
    ['LUNid', String(settings['LUNid'] ?? UNKNOWN)],
    ['size', String(size ?? 0)],
    ['SCSIid', value],
  ]);
}

/** Where it is on its bus is nothing that a disk is chosen by here. */
function deviceXml({ value, settings, size, disk }: Finding): string {
  return element('BlockDevice', [
    ['path', value],
    ['numpaths', String(disk?.paths ?? 1)],
    ['SCSIid', String(settings['SCSIid'] ?? UNKNOWN)],
    ['vendor', disk?.vendor || UNKNOWN],
    ['serial', disk?.serial || UNKNOWN],
    ['size', String(size ?? 0)],
    ...(['adapter', 'channel', 'id', 'lun', 'hba'] as const).map((name): [string, string] => [
      name,
      UNKNOWN,
    ]),
  ]);
}

function document(root: string, elements: readonly string[]): string {
  return `<?xml version="1.0" ?>\n<${root}>\n${elements.join('')}</${root}>\n`;
}

function element(name: string, values: readonly (readonly [string, string])[]): string {
  const lines = values.map(([child, value]) => `\t\t<${child}>${escaped(value)}</${child}>\n`);
  return `\t<${name}>\n${lines.join('')}\t</${name}>\n`;
}

/** XML 1.0 has no other control characters than these. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
const IMPOSSIBLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;
const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

function escaped(text: string): string {
  return text.replace(IMPOSSIBLE, '').replace(/[&<>]/g, (mark) => ESCAPES[mark] ?? mark);
}
