/** Where a target listens: `host`, `host:port`, `[v6]:port`, with or without `,group` (RFC 7143, 4.2.7.1 and 13.8). */
export interface Portal {
  readonly host: string;
  readonly port: number;
}

export const ISCSI_PORT = 3260;

/** undefined: not a portal. */
export function parsePortal(text: string): Portal | undefined {
  const address = text.trim().replace(/,\d+$/, '');
  const match = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^:[\]\s/]+))(?::(\d{1,5}))?$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined) return undefined;
  const port = match?.[3] === undefined ? ISCSI_PORT : Number(match[3]);
  return port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

export function portalText({ host, port }: Portal): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
