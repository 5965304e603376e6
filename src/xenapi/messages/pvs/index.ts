/**
 * What Citrix Provisioning's classes can be asked: to be read. The site is this server, its machines are added with the
 * API or the command line of the server; what would change that is refused.
 */
import { type Implementation, implement } from '../../call.ts';
import { PVS_CACHE_STORAGE } from '../../datamodel/pvs-cache-storage.ts';
import { PVS_PROXY } from '../../datamodel/pvs-proxy.ts';
import { PVS_SERVER } from '../../datamodel/pvs-server.ts';
import { PVS_SITE } from '../../datamodel/pvs-site.ts';
import type { Objects } from '../../objects/objects.ts';
import { XenError, xenError } from '../../xen-error.ts';

export function pvsMessages(objects: Objects): readonly Implementation[] {
  return [siteMessages(objects), serverMessages(objects), proxyMessages(), cacheMessages()];
}

function siteMessages(objects: Objects): Implementation {
  const refuseRunning = (): void => {
    const running = [...objects.all(PVS_PROXY)].filter(([, proxy]) => proxy.currently_attached);
    if (running.length === 0) return;
    const refs = running.map(([ref]) => ref);
    throw new XenError('PVS_SITE_CONTAINS_RUNNING_PROXIES', refs);
  };
  return implement(PVS_SITE, {
    introduce: () => refuse('there is one site: this server'),
    forget: (_call, { self }) => {
      refuseRunning();
      throw new XenError('PVS_SITE_CONTAINS_SERVERS', objects.require(PVS_SITE, self).servers);
    },
    set_PVS_uuid: () => {
      refuseRunning();
      return refuse('the uuid of the site is its own');
    },
  });
}

function serverMessages(objects: Objects): Implementation {
  return implement(PVS_SERVER, {
    introduce: (_call, { addresses }) => {
      const own = [...objects.all(PVS_SERVER)].flatMap(([, server]) => server.addresses);
      const taken = addresses.find((address) => own.includes(address));
      if (taken !== undefined) throw xenError('PVS_SERVER_ADDRESS_IN_USE', taken);
      return refuse('there is one server: this one');
    },
    forget: () => refuse('the server is the one that you ask'),
  });
}

function proxyMessages(): Implementation {
  const reason = 'machines are added and deleted with the API or the command line of the server';
  return implement(PVS_PROXY, { create: () => refuse(reason), destroy: () => refuse(reason) });
}

function cacheMessages(): Implementation {
  return implement(PVS_CACHE_STORAGE, {
    create: (_call, { site, host }) => {
      throw xenError('PVS_CACHE_STORAGE_ALREADY_PRESENT', site, host);
    },
    destroy: (_call, { self }) => {
      throw xenError('PVS_CACHE_STORAGE_IS_IN_USE', self);
    },
  });
}

function refuse(reason: string): never {
  throw xenError('OPERATION_NOT_ALLOWED', reason);
}
