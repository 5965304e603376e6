/** Composition: the boot HTTP server, TFTP and DHCP over one catalog. */

import { parseIpv4 } from '../base/index.ts';
import { Fault } from '../errors/index.ts';
import type { BootCatalog, LeaseStore } from './boot-catalog.ts';
import { createLoaderFiles, filesOfLoader, type LoaderFiles, loaderFor } from './boot-loaders.ts';
import type { PxeConfig } from './config.ts';
import { type BoundPort, responderMode, startDhcpServer } from './dhcp/server.ts';
import type { PxeEvent, PxeReporter } from './events.ts';
import { startHttpServer } from './http/server.ts';
import { IPXE_SCRIPT } from './script/boot-script.ts';
import { GRUB_CONFIG, GRUB_START } from './script/grub-config.ts';
import { bootScriptFor } from './script/script-service.ts';
import type { ServedScript } from './served-script.ts';
import { startTftpServer } from './tftp/server.ts';

export interface PxeDependencies {
  /** Asked in full mode only. */
  readonly leases: LeaseStore;
  /** Called synchronously; what it throws is lost. */
  readonly report: PxeReporter;
  /** Milliseconds since the epoch. */
  readonly clock: { now(): number };
}

export interface RunningPxe {
  /** What was bound; undefined where that server is off. */
  readonly addresses: {
    readonly dhcp: BoundPort | undefined;
    readonly bootServer: BoundPort | undefined;
    readonly tftp: BoundPort | undefined;
    readonly http: BoundPort & { readonly baseUrl: string };
  };
  /** Boot loaders for x86-64 that are not installed; reported as `loader-missing` too. */
  readonly missingLoaders: readonly string[];
  close(): Promise<void>;
}

interface Part {
  close(): Promise<void>;
}

/**
 * Starts what the configuration says; when anything fails, nothing stays open.
 * @throws Fault ADDRESS_IN_USE, PERMISSION_DENIED, INVALID_INPUT (`details.field` begins with `pxe.`)
 */
export async function startPxe(
  config: PxeConfig,
  catalog: BootCatalog,
  dependencies: PxeDependencies,
): Promise<RunningPxe> {
  const serverAddress = ipv4Field('pxe.serverAddress', config.serverAddress);
  ipv4Field('pxe.broadcastAddress', config.broadcastAddress);
  ipv4Field('pxe.nbd.address', config.nbd.address);
  const parts: Part[] = [];
  const close = async () => {
    // Last started, first closed: no machine is sent to a server that is gone.
    for (const part of parts.splice(0).reverse()) await part.close();
  };
  try {
    const addresses = await startParts(config, catalog, dependencies, { serverAddress, parts });
    const missingLoaders = await checkLoaders(config, dependencies);
    return { addresses, missingLoaders, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startParts(
  config: PxeConfig,
  catalog: BootCatalog,
  dependencies: PxeDependencies,
  { serverAddress, parts }: { readonly serverAddress: number; readonly parts: Part[] },
): Promise<RunningPxe['addresses']> {
  const { leases, clock } = dependencies;
  const report = guarded(dependencies.report);
  const now = () => clock.now();
  const mode = await responderMode(config, serverAddress, leases, catalog);
  const loaders = createLoaderFiles(config.loaderFolders);
  // The base URL is known once the port is bound, and no request arrives before that.
  let baseUrl = config.httpBaseUrl ?? '';
  const script = async (wanted: ServedScript): Promise<string> => {
    if (wanted.kind === 'grub-start') return GRUB_START;
    const language = wanted.language === 'grub' ? GRUB_CONFIG : IPXE_SCRIPT;
    return bootScriptFor(wanted, language, { catalog, baseUrl, nbd: config.nbd, report });
  };
  const { serverAddress: address, ports } = config;
  const http = await startHttpServer({
    address,
    port: ports.http,
    catalog,
    loaders,
    script,
    report,
  });
  parts.push(http);
  baseUrl = checkedBaseUrl(config.httpBaseUrl ?? `http://${address}:${http.bound.port}`);
  const tftp = config.tftp
    ? await startTftpServer({ address, port: ports.tftp, loaders, catalog, script, report, now })
    : undefined;
  if (tftp !== undefined) parts.push(tftp);
  const bootFiles = { baseUrl, uefiLoader: config.uefiLoader };
  const dhcp =
    mode === undefined
      ? undefined
      : await startDhcpServer(config, {
          mode,
          serverAddress,
          bootFiles,
          catalog,
          leases,
          report,
          now,
        });
  if (dhcp !== undefined) parts.push(dhcp);
  return {
    dhcp: dhcp?.dhcp,
    bootServer: dhcp?.bootServer,
    tftp: tftp?.bound,
    http: { ...http.bound, baseUrl },
  };
}

function ipv4Field(field: string, text: string): number {
  const value = parseIpv4(text);
  if (value === undefined || value === 0) {
    const expected = 'an IPv4 address';
    throw new Fault('INVALID_INPUT', `${field}: expected ${expected}`, {
      field,
      value: text,
      expected,
    });
  }
  return value;
}

/** It goes into DHCP replies and scripts as it is. The rest of a URL needs 60 bytes of 255. */
function checkedBaseUrl(text: string): string {
  if (
    text.length <= 190 &&
    /^http:\/\/[A-Za-z0-9.-]+(:\d{1,5})?(\/[A-Za-z0-9._~/-]*[A-Za-z0-9._~-])?$/.test(text)
  ) {
    return text;
  }
  const field = 'pxe.httpBaseUrl';
  const expected = 'http://host[:port][/path], without a slash at the end, 190 characters or fewer';
  throw new Fault('INVALID_INPUT', `${field}: expected ${expected}`, {
    field,
    value: text,
    expected,
  });
}

/** A reporter that throws must not take a boot server down. */
function guarded(report: PxeReporter): PxeReporter {
  return (event: PxeEvent) => {
    try {
      report(event);
    } catch {
      // the reporter's own trouble
    }
  };
}

/** Says at start what would fail at the first boot. arm64 has no file in Debian: said when asked. */
async function checkLoaders(
  config: PxeConfig,
  { report }: PxeDependencies,
): Promise<readonly string[]> {
  const loaders: LoaderFiles = createLoaderFiles(config.loaderFolders);
  const wanted = [
    loaderFor('x86-bios', config.uefiLoader),
    ...filesOfLoader(loaderFor('x64-uefi', config.uefiLoader)),
  ];
  const missing: string[] = [];
  for (const file of wanted) {
    const loader = await loaders.load(file);
    if (loader.kind === 'loaded') continue;
    missing.push(file);
    guarded(report)({ type: 'loader-missing', file, message: loader.message });
  }
  return missing;
}
