/**
 * Runs prepare.sh in an image, shut off from this host. What runs there is the image's own (its apt, its hooks of
 * initramfs-tools), and an image may come from anybody who may import one.
 *
 * Outside, `unshare`: the image is mounted in a mount namespace of its own, in a process namespace that dies with this
 * process, whatever way that dies. So no mount and no loop device is left behind (the kernel lets go of a loop device
 * with its last mount). Inside, bubblewrap: the image is the root of another mount namespace; it sees no process, no
 * device, no file of this host, cannot mount, change the kernel or its settings, and has no network unless packages
 * are to be installed.
 */
import { spawn } from 'node:child_process';
import { PREPARE_LINE_CHARACTERS, PREPARE_OUTPUT_BYTES } from './limits.ts';

export interface ContainedRun {
  /** A raw file, or a folder. */
  readonly image: string;
  /** An empty folder, to mount it at. */
  readonly tree: string;
  /** Of a file: how it is mounted; undefined for a folder. */
  readonly mountOptions: string | undefined;
  /** Of a file: names of its file systems, as fstab(5) calls them, each with how it is mounted. */
  readonly volumes: readonly NamedVolume[];
  /** prepare.sh and what it needs beside it. */
  readonly stage: string;
  readonly install: boolean;
}

export interface NamedVolume {
  /** `UUID=…`, `LABEL=…`, `PARTUUID=…`. */
  readonly name: string;
  readonly mountOptions: string;
}

export interface ContainedHooks {
  /** A line of what was said, without control characters. `told`: on standard output, where prepare.sh says what it does. */
  readonly onLine: (line: string, told: boolean) => void;
  readonly signal: AbortSignal;
}

export type ContainedEnd =
  | 'done'
  | 'failed'
  /** It cannot be mounted, or is no system. */
  | 'no-system'
  /** It said more than PREPARE_OUTPUT_BYTES. */
  | 'too-much-output'
  /** By the signal, or by somebody. */
  | 'killed';

/** Exit codes of the script. */
const ENDS: Readonly<Record<number, ContainedEnd>> = { 0: 'done', 77: 'no-system' };

const CAPABILITIES = [
  ...['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID', 'SETFCAP'],
  // dracut makes devices for the initramfs; none can be opened, for every mount is `nodev`. `ldconfig -r` of both.
  ...['MKNOD', 'SYS_CHROOT'],
];

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** What apt asks the environment for, on a host whose way out is a proxy. */
const PROXIES = ['http_proxy', 'https_proxy', 'no_proxy'];

const SCRIPT = `set -u
image=$1 tree=$2 options=$3 stage=$4 install=$5
shift 5
if [ -n "$options" ]; then
  mount -o "$options,nosuid,nodev" -- "$image" "$tree" || exit 77
else
  mount --bind -- "$image" "$tree" && mount -o remount,bind,nosuid,nodev -- "$tree" || exit 77
fi
for name in etc boot; do
  [ -d "$tree/$name" ] && [ ! -L "$tree/$name" ] || exit 77
done
[ -e "$tree/etc/os-release" ] || [ -L "$tree/etc/os-release" ] || exit 77
for name in dev proc sys run; do
  [ ! -L "$tree/$name" ] || { echo "refused: its /$name is a link"; exit 1; }
done
boot=
if [ -n "$options" ] && [ -f "$tree/etc/fstab" ] && [ ! -L "$tree/etc/fstab" ]; then
  while read -r what where _; do
    case "$what" in '#'*) continue ;; esac
    [ "$where" != /boot ] || boot=$what
  done < "$tree/etc/fstab"
fi
if [ -n "$boot" ]; then
  # What is left of the words: a name and mount options, and so on.
  while [ $# -gt 0 ] && [ "$1" != "$boot" ]; do shift 2; done
  [ $# -gt 0 ] || { echo "refused: its /boot is $boot, which is not on this disk"; exit 1; }
  mount -o "$2,nosuid,nodev" -- "$image" "$tree/boot" || { echo "refused: its /boot ($boot) cannot be mounted"; exit 1; }
fi
# bubblewrap lets root write to the kernel's settings.
set -- --bind "$tree" / --dev /dev --proc /proc --ro-bind /proc/sys /proc/sys \\
  --ro-bind-try /proc/sysrq-trigger /proc/sysrq-trigger --ro-bind /sys /sys --tmpfs /run \\
  --ro-bind "$stage" /run/rootcast-prepare \\
  --unshare-pid --unshare-ipc --unshare-uts --die-with-parent --new-session --chdir / --cap-drop ALL \\
  ${CAPABILITIES.map((name) => `--cap-add CAP_${name}`).join(' ')} \\
  --clearenv --setenv PATH ${PATH} --setenv LC_ALL C --setenv HOME /root
if [ -n "$install" ]; then
  ${PROXIES.map((name) => `[ -z "\${${name}:-}" ] || set -- "$@" --setenv ${name} "$${name}"`).join('\n  ')}
else
  set -- "$@" --unshare-net
fi
bwrap "$@" -- /bin/sh /run/rootcast-prepare/prepare.sh $install || exit 1
# Here it shows when there was no room for what was written.
if [ -n "$boot" ]; then
  sync -f "$tree/boot" && umount "$tree/boot" || { echo 'refused: its /boot could not be written (is there room?)'; exit 1; }
fi
sync -f "$tree" && umount "$tree" && exit 0
echo 'refused: what was changed could not be written (is there room?)'
exit 1
`;

/** Settles when nothing of it runs any more. @throws Error: it cannot be started */
export function runContained(run: ContainedRun, hooks: ContainedHooks): Promise<ContainedEnd> {
  const { image, tree, mountOptions = '', volumes, stage, install } = run;
  const { promise, resolve, reject } = Promise.withResolvers<ContainedEnd>();
  const namespaces = ['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child'];
  const words = [
    ...[image, tree, mountOptions, stage, install ? '--install' : ''],
    ...volumes.flatMap((volume) => [volume.name, volume.mountOptions]),
  ];
  const child = spawn(
    'setpriv',
    [
      ...['--pdeathsig', 'KILL', '--', 'unshare', ...namespaces, '--'],
      ...['sh', '-c', SCRIPT, 'sh', ...words],
    ],
    { env: environment(), stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let bytes = 0;
  let end: ContainedEnd | undefined;
  const kill = (why: ContainedEnd): void => {
    end ??= why;
    // What it is the parent of dies with it.
    child.kill('SIGKILL');
  };
  const onAbort = (): void => kill('killed');
  if (hooks.signal.aborted) onAbort();
  hooks.signal.addEventListener('abort', onAbort, { once: true });
  for (const stream of ['stdout', 'stderr'] as const) {
    const hear = lines((line) => hooks.onLine(line, stream === 'stdout'));
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      bytes += text.length;
      if (bytes > PREPARE_OUTPUT_BYTES) kill('too-much-output');
      else hear(text);
    });
    child[stream].once('end', () => hear('\n'));
  }
  child.once('error', reject);
  // All that ran in there has ended: nobody has its standard output any more.
  child.once('close', (code) => {
    hooks.signal.removeEventListener('abort', onAbort);
    resolve(end ?? (code === null ? 'killed' : (ENDS[code] ?? 'failed')));
  });
  return promise;
}

function environment(): Record<string, string> {
  const proxies = PROXIES.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { PATH, LC_ALL: 'C', ...Object.fromEntries(proxies) };
}

/** Cuts text into lines, of which no more than PREPARE_LINE_CHARACTERS is kept. */
function lines(each: (line: string) => void): (text: string) => void {
  let rest = '';
  return (text) => {
    const parts = (rest + text).split('\n');
    rest = (parts.pop() ?? '').slice(0, PREPARE_LINE_CHARACTERS);
    for (const part of parts) {
      const line = part.slice(0, PREPARE_LINE_CHARACTERS).replaceAll(/\p{Cc}+/gu, ' ');
      if (line.trim() !== '') each(line.trimEnd());
    }
  };
}
