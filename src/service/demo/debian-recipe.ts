/**
 * What goes into the Debian image of the demo and of the boot tests: the packages, our own files (the
 * same `boot/` that a user copies into an image) and what is switched off because no diskless machine
 * needs it. The cached image is named by the hash of this recipe, so whoever changes it gets a new image.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Raise it when the way the image is put together changes (debian-image.ts). */
const RECIPE_VERSION = 1;

export const BOOT_FOLDER = join(dirname(fileURLToPath(import.meta.url)), '../../../boot');

/** Which program builds the image's initramfs. The demo's is initramfs-tools, Debian's own. */
export type ImageInitramfs = 'initramfs-tools' | 'dracut';

interface InitramfsRecipe {
  readonly packages: readonly string[];
  /** Files of `boot/` and where they go. */
  readonly bootFiles: readonly (readonly [from: string, to: string])[];
  /** How it is packed: for initramfs-tools a small one, a fast boot; for dracut what is built soon. */
  readonly packing: { readonly path: string; readonly content: string };
}

const INITRAMFS: Readonly<Record<ImageInitramfs, InitramfsRecipe>> = {
  'initramfs-tools': {
    packages: ['initramfs-tools', 'busybox'],
    bootFiles: [
      'modules.d/rootcast',
      'hooks/rootcast',
      'scripts/local-top/rootcast',
      'scripts/init-bottom/rootcast-hostname',
      'scripts/init-bottom/rootcast-identity',
    ].map((name) => [`initramfs-tools/${name}`, `usr/share/initramfs-tools/${name}`] as const),
    packing: {
      path: 'etc/initramfs-tools/conf.d/rootcast',
      content: 'MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=19\n',
    },
  },
  dracut: {
    // network-legacy needs pgrep, which no package of dracut's depends on.
    packages: ['dracut', 'dracut-network', 'procps'],
    bootFiles: [
      ['dracut/rootcast.conf', 'etc/dracut.conf.d/rootcast.conf'],
      ...[
        'module-setup.sh',
        'parse-rootcast.sh',
        'rootcastroot.sh',
        'keep-address.sh',
        'identity.sh',
      ].map(
        (name) =>
          [`dracut/99rootcast/${name}`, `usr/lib/dracut/modules.d/99rootcast/${name}`] as const,
      ),
    ],
    packing: { path: 'etc/dracut.conf.d/packing.conf', content: 'compress="zstd -3 -T0"\n' },
  },
};

function packagesOf(initramfs: ImageInitramfs): readonly string[] {
  const { packages } = INITRAMFS[initramfs];
  return [
    ...['systemd-sysv', 'udev', 'kmod', 'iproute2', 'nbd-client', 'dmsetup'],
    // It brings /etc/ssh, so that machines get host keys.
    'openssh-client',
    ...packages,
    ...['zstd', 'linux-image-cloud-amd64'],
  ];
}

/** Where the other files of `boot/` go in an image; boot/README.md tells users the same. */
const BOOT_FILES: readonly (readonly [from: string, to: string])[] = [
  ...[
    'rootcast-attach.sh',
    'rootcast-cache.sh',
    'rootcast-files.sh',
    'rootcast-http.sh',
    'rootcast-identity.sh',
    'rootcast-ram.sh',
    'rootcast-stay.sh',
    'rootcast-watch.sh',
    '59-rootcast.rules',
  ].map((name) => [`lib/${name}`, `usr/lib/rootcast/${name}`] as const),
  ['systemd/rootcast-ready.service', 'etc/systemd/system/rootcast-ready.service'],
  ['rootcast-ready', 'usr/local/sbin/rootcast-ready'],
];

/**
 * A root shell on the second serial port for whoever drives the machine. No echo and no prompt, and the kernel has the first
 * port for what it has to say, so that a program which writes a command reads its output and nothing else.
 */
const SHELL_UNIT = `[Unit]
Description=Root shell on the second serial port
After=basic.target
ConditionPathExists=/dev/ttyS1

[Service]
Type=simple
Environment=HOME=/root TERM=dumb PS1= PS2= PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
WorkingDirectory=/root
ExecStartPre=/bin/stty -F /dev/ttyS1 -echo -onlcr
ExecStart=/bin/bash --noprofile --norc
StandardInput=tty-force
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS1
Restart=always
RestartSec=0
# bash at a terminal takes no notice of SIGTERM.
KillSignal=SIGHUP

[Install]
WantedBy=multi-user.target
`;

const MASKED_UNITS = [
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'dpkg-db-backup.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
  'fstrim.timer',
  'getty.target',
  'getty-static.service',
  'serial-getty@ttyS0.service',
  'nbd-client.service',
  'systemd-pstore.service',
  'systemd-timesyncd.service',
  'systemd-networkd.service',
];

export interface RecipeFile {
  /** Below the image's root folder, no leading slash. */
  readonly path: string;
  readonly content: string;
  readonly mode: number;
}

export interface ImageRecipe {
  readonly packages: readonly string[];
  /** There before the packages are configured, so that the first initramfs is already ours. */
  readonly files: readonly RecipeFile[];
  /** Shell commands run in the finished tree; `$1` is its folder. */
  readonly finish: readonly string[];
  /** Size of the whole disk in bytes. */
  readonly diskBytes: number;
  /** Where the one partition begins, in bytes. */
  readonly partitionOffset: number;
  readonly fileSystemId: string;
  /** SHA-256 of all of the above, hex. */
  readonly hash: string;
}

/** Of the root file system; an installed Debian names it in /etc/fstab, so this one does too. */
const FILE_SYSTEM_ID = '5f0c7a3e-52c1-4d0b-9a56-726f6f746362';
const DISK_BYTES = 1024 * 1024 * 1024;
/** Where the image's only partition begins, in bytes. */
export const PARTITION_OFFSET = 1024 * 1024;

export async function imageRecipe(
  codename: string,
  initramfs: ImageInitramfs,
): Promise<ImageRecipe> {
  const { packing, bootFiles } = INITRAMFS[initramfs];
  const files: RecipeFile[] = [
    { ...packing, mode: 0o644 },
    { path: 'etc/systemd/system/rootcast-shell.service', content: SHELL_UNIT, mode: 0o644 },
    { path: 'etc/fstab', content: `UUID=${FILE_SYSTEM_ID} / ext4 defaults 0 0\n`, mode: 0o644 },
  ];
  for (const [from, to] of [...bootFiles, ...BOOT_FILES]) {
    const content = await readFile(join(BOOT_FOLDER, from), 'utf8');
    files.push({ path: to, content, mode: content.startsWith('#!') ? 0o755 : 0o644 });
  }
  const finish = [
    'chroot "$1" systemctl enable rootcast-ready.service rootcast-shell.service',
    `chroot "$1" systemctl mask ${MASKED_UNITS.join(' ')}`,
    'chroot "$1" passwd -d root',
    // An empty machine-id is made anew at every boot; without /etc/hostname DHCP's name holds.
    ': > "$1/etc/machine-id"; rm -f "$1/etc/hostname"',
    'rm -rf "$1/var/cache/apt" "$1/var/lib/apt/lists" "$1/var/cache/debconf"/*-old "$1/var/log"/*.log',
  ];
  const content = {
    version: RECIPE_VERSION,
    codename,
    packages: packagesOf(initramfs),
    files,
    finish,
    diskBytes: DISK_BYTES,
    partitionOffset: PARTITION_OFFSET,
    fileSystemId: FILE_SYSTEM_ID,
  };
  const hash = createHash('sha256').update(JSON.stringify(content)).digest('hex');
  return { ...content, hash };
}

/** Files of `boot/` and where they go: those of an initramfs's maker, or what every image gets. */
export function imageFiles(
  of: ImageInitramfs | 'any',
): readonly { readonly from: string; readonly to: string }[] {
  const files = of === 'any' ? BOOT_FILES : INITRAMFS[of].bootFiles;
  return files.map(([from, to]) => ({ from, to }));
}

/** prepare.sh puts the others there. */
const NOT_FOR_IMAGES: ReadonlySet<string> = new Set(['README.md', 'prepare.sh']);

/** Files of `boot/` that no image gets: a file added there without a place here is a mistake. */
export async function bootFilesWithoutAPlace(): Promise<string[]> {
  const initramfsFiles = Object.values(INITRAMFS).flatMap(({ bootFiles }) => bootFiles);
  const placed = new Set([...initramfsFiles, ...BOOT_FILES].map(([from]) => from));
  const entries = await readdir(BOOT_FOLDER, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !NOT_FOR_IMAGES.has(entry.name))
    .map((entry) => relative(BOOT_FOLDER, join(entry.parentPath, entry.name)))
    .filter((path) => !placed.has(path));
}
