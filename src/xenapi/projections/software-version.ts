/**
 * What the host says that it is. Everything is true of this server, but for the versions that clients take decisions
 * by: those are of the product whose calls it answers as that does (docs/XENAPI.md says which client reads which).
 */

export const API_VERSION = { major: 2, minor: 21 };

/** The release whose storage calls these are: XenServer 8 and XCP-ng 8.3 have this API version. */
const LIKE = { product: '8.3.0', platform: '3.4.0', xapi: '24.19.2' };

export const VENDOR = 'Rootcast';

export function softwareVersion(version: string, kernel: string): ReadonlyMap<string, string> {
  return new Map([
    // A name of its own: by it XO and CloudStack know whose updates to look for, and that these are none of theirs.
    ['product_brand', VENDOR],
    ['product_version', LIKE.product],
    ['product_version_text', `${VENDOR} ${version}`],
    ['product_version_text_short', version],
    ['build_number', version],
    ['platform_name', VENDOR],
    ['platform_version', LIKE.platform],
    ['xapi', LIKE.xapi],
    ['linux', kernel],
    ['rootcast', version],
  ]);
}
