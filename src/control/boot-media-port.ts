/** THE PORT for boot media: the control plane says what is to be on one, the service makes it (src/service/boot-media). */
import type { OutgoingStream } from './transfer-port.ts';

export interface BootMediumRequest {
  /** `HOST[:PORT]` of boot HTTP servers, tried in order; none: this one. */
  readonly servers: readonly string[];
  /** Of the one machine that it is for; undefined: by DHCP. */
  readonly network:
    | { readonly address: string; readonly netmask: string; readonly router: string | undefined }
    | undefined;
}

export interface BootMedia {
  /** @throws Fault INVALID_INPUT, TOOL_MISSING (names the Debian package), UNAVAILABLE, CANCELLED */
  build(request: BootMediumRequest, signal: AbortSignal): Promise<OutgoingStream>;
}
