import type { ShareOptions } from './share/rpc-share.ts';
import type { NfsShare } from './share/share.ts';
import { Share3 } from './share/share3.ts';
import { Share4 } from './share/share4.ts';

/** @throws NfsError, RpcFailure, Error */
export function mountShare(version: 3 | 4, options: ShareOptions): Promise<NfsShare> {
  return version === 3 ? Share3.mount(options) : Share4.mount(options);
}
