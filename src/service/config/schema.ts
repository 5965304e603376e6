import { type Static, type TSchema, Type } from 'typebox';

/**
 * Every setting of the service, once: its type, default, meaning, environment variable and flag all
 * follow from here (settings.ts). Nested the way a configuration file is written.
 */

const HOST_PORT = '(\\[[0-9a-fA-F:.]+\\]|[^:\\s]+):[0-9]{1,5}';

const hostPort = (description: string, byDefault: string) =>
  Type.String({
    description: `HOST:PORT ${description}`,
    default: byDefault,
    pattern: `^${HOST_PORT}$`,
  });

const ipv4 = (description: string) =>
  Type.String({ description, pattern: '^([0-9]{1,3}\\.){3}[0-9]{1,3}$' });

const port = (description: string, byDefault: number) =>
  Type.Integer({ description, default: byDefault, minimum: 0, maximum: 65535 });

/** Worker threads, at most: an overlay's shared state has room for so many. */
export const WORKERS_MAX = 64;

/** Sizes are written 512M, 2GiB …; settings.ts turns them into bytes. */
const bytes = (description: string, byDefault: number, minimum: number) =>
  Type.Integer({ description, default: byDefault, minimum, format: 'bytes' });

const tls = Type.Object({
  mode: Type.Union([Type.Literal('off'), Type.Literal('allowed'), Type.Literal('required')], {
    default: 'off',
    description: 'TLS of the NBD server: off, allowed (the client may ask) or required',
  }),
  certificate: Type.Optional(
    Type.String({ description: 'PEM file with the server certificate chain' }),
  ),
  key: Type.Optional(
    Type.String({ description: 'PEM file with the private key of the certificate' }),
  ),
  ca: Type.Optional(
    Type.String({ description: 'PEM file with the authorities that sign client certificates' }),
  ),
  clientCertificates: Type.Boolean({
    default: false,
    description: 'refuse NBD clients without a certificate signed by nbd.tls.ca',
  }),
  psk: Type.Optional(
    Type.String({ description: 'file of pre-shared keys, a line each: identity:hex' }),
  ),
});

const nbd = Type.Object({
  listen: hostPort('where the NBD server listens', '0.0.0.0:10809'),
  unix: Type.Optional(Type.String({ description: 'also listen for NBD on this Unix socket' })),
  advertise: Type.Optional(
    hostPort(
      'address of the NBD server as booting machines reach it; default: pxe.address and the port',
      '',
    ),
  ),
  connectionsMax: Type.Integer({
    default: 4096,
    minimum: 1,
    maximum: 65536,
    description: 'NBD connections at once, over all workers',
  }),
  busyPoll: Type.Boolean({
    default: false,
    description:
      'stay awake for the next request of a client that asks one after the other: halves its latency where the clients are as near as the same host; needs a core to spare',
  }),
  coalesce: Type.Boolean({
    default: true,
    description:
      'let the requests of busy clients gather for 60 to 160 µs where that costs no throughput; saves CPU',
  }),
  tls,
});

const dhcp = Type.Object({
  mode: Type.Union([Type.Literal('off'), Type.Literal('proxy'), Type.Literal('full')], {
    default: 'off',
    description: 'off; proxy: beside an existing DHCP server; full: hand out addresses too',
  }),
  rangeStart: Type.Optional(ipv4('first address of the range (full mode)')),
  rangeEnd: Type.Optional(ipv4('last address of the range (full mode)')),
  netmask: Type.Optional(ipv4('network mask given to machines (full mode)')),
  router: Type.Optional(ipv4('default gateway given to machines (full mode)')),
  dns: Type.Array(ipv4('name server'), {
    default: [],
    description: 'name servers given to machines',
  }),
  reservations: Type.Array(
    Type.String({ pattern: '^[0-9a-fA-F:.-]+=([0-9]{1,3}\\.){3}[0-9]{1,3}$' }),
    {
      default: [],
      description: 'fixed addresses, each MAC=ADDRESS (full mode)',
    },
  ),
  subnets: Type.Array(
    Type.String({
      pattern: '^[0-9.]{7,15}/[0-9]{1,2}=[0-9.]{7,15}-[0-9.]{7,15}@[0-9.]{7,15}$',
    }),
    {
      default: [],
      description:
        'networks behind DHCP relays, each NETWORK/BITS=FIRST-LAST@ROUTER, e.g. 10.78.0.0/24=10.78.0.100-10.78.0.199@10.78.0.1 (full mode)',
    },
  ),
  domain: Type.Optional(Type.String({ description: 'domain name given to machines (full mode)' })),
  leaseSeconds: Type.Integer({
    default: 86_400,
    minimum: 60,
    description: 'lease time (full mode)',
  }),
  port: port('UDP port of the DHCP server', 67),
  proxyPort: port('UDP port of the proxy boot server', 4011),
  clientPort: port('UDP port that clients listen on', 68),
});

const pxe = Type.Object({
  address: Type.Optional(
    ipv4('address of this server on the boot network; setting it starts the PXE services'),
  ),
  broadcast: Type.Optional(
    ipv4(
      'where replies to machines without an address go; default 255.255.255.255, and OVMF ignores any other',
    ),
  ),
  dhcp,
  tftp: Type.Object({
    enabled: Type.Boolean({ default: true, description: 'serve boot loaders by TFTP' }),
    port: port('UDP port of the TFTP server', 69),
  }),
  http: Type.Object({ port: port('TCP port of the boot HTTP server', 8481) }),
  uefiLoader: Type.Union(
    (['ipxe.efi', 'snponly.efi', 'shimx64.efi'] as const).map((name) => Type.Literal(name)),
    {
      default: 'ipxe.efi',
      description:
        'boot loader for UEFI machines that say nothing else; snponly.efi uses the firmware as network driver; shimx64.efi, with GRUB, is signed: for Secure Boot',
    },
  ),
  loaders: Type.String({
    default: '/usr/lib/ipxe',
    description:
      'folder with boot loaders, before those of the Debian packages ipxe, shim-signed and grub-efi-amd64-signed',
  }),
});

const xenapiTls = Type.Object({
  certificate: Type.Optional(
    Type.String({ description: 'PEM file with the certificate chain of XenAPI; none: plain HTTP' }),
  ),
  key: Type.Optional(
    Type.String({ description: 'PEM file with the private key of that certificate' }),
  ),
});

const xenapi = Type.Object({
  listen: Type.String({
    description: 'HOST:PORT where XenAPI listens, or off',
    default: '127.0.0.1:8482',
    pattern: `^(|off|${HOST_PORT})$`,
  }),
  address: Type.Optional(
    Type.String({
      description:
        'name or address of this server as XenAPI clients reach it, also for NBD; default: that of xenapi.listen, else one of its own',
      pattern: '^[0-9A-Za-z:._-]{1,255}$',
    }),
  ),
  root: Type.Boolean({
    default: true,
    description: 'the user root of XenAPI, whose password is the token of the REST API',
  }),
  tls: Type.Optional(xenapiTls), // nothing of it has a default
});

export const CONFIG_SCHEMA = Type.Object({
  data: Type.String({
    default: './data',
    minLength: 1,
    description: 'folder that holds everything',
  }),
  workers: Type.Integer({
    default: 0,
    minimum: 0,
    maximum: WORKERS_MAX,
    description: 'NBD worker threads; 0: one less than the machine has cores, at least 1',
  }),
  http: Type.Object({ listen: hostPort('where the REST API listens', '127.0.0.1:8480') }),
  nbd,
  cache: Type.Object({
    read: bytes(
      'memory for the read cache of base images, over all workers; at least 16M',
      512 * 1024 * 1024,
      16 * 1024 * 1024, // some blocks for each of WORKERS_MAX
    ),
    shared: bytes(
      'memory in which NBD workers share blocks of slow repositories, and boot traces are read ahead; 0: none',
      256 * 1024 * 1024,
      0,
    ),
    journal: bytes(
      'most disk space of the flush journal of each NBD worker, in which many machines share one sync; 0: none, else at least 4M',
      512 * 1024 * 1024,
      0,
    ),
  }),
  boots: Type.Object({
    most: Type.Integer({
      default: 0,
      minimum: 0,
      description: 'machines that boot at once; the others wait their turn; 0: any number',
    }),
    perSecond: Type.Integer({
      default: 0,
      minimum: 0,
      description: 'machines that begin to boot in a second; 0: any number',
    }),
    slotSeconds: Type.Integer({
      default: 180,
      minimum: 10,
      description: 'a boot that has not ended after so long makes room for the next',
    }),
  }),
  log: Type.Object({
    level: Type.Union(
      (['debug', 'info', 'warn', 'error', 'silent'] as const).map((level) => Type.Literal(level)),
      { default: 'info', description: 'least severe log line to write (JSON, on standard error)' },
    ),
  }),
  maintenance: Type.Object({
    lease: Type.Integer({
      default: 60,
      minimum: 45,
      description:
        'seconds after which a machine in maintenance that is not heard of any more may be succeeded by another',
    }),
  }),
  layers: Type.Object({
    most: Type.Integer({
      default: 16,
      minimum: 0,
      description:
        'layers of a version beyond which its differences are merged by themselves; 0: never',
    }),
  }),
  scrub: Type.Object({
    days: Type.Integer({
      default: 7,
      minimum: 0,
      description: 'every layer is read and verified once in so many days; 0: never',
    }),
    rate: bytes(
      'most bytes that the scrub reads in a second; at least 1M',
      16 * 1024 * 1024,
      1024 * 1024,
    ),
  }),
  drainSeconds: Type.Integer({
    default: 10,
    minimum: 0,
    description: 'how long a stop waits for requests in progress',
  }),
  pxe,
  xenapi,
}) satisfies TSchema;

export type Config = Static<typeof CONFIG_SCHEMA>;
