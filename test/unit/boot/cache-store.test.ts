/** boot/lib/rootcast-cache.sh where something fails, with the system's programs replaced by functions of the shell. */
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { succeed } from '../../support/run-program.ts';

const LIB = fileURLToPath(new URL('../../../boot/lib', import.meta.url));

/** A machine that could do everything: two marked disks' worth of sectors, memory by zram. */
const MACHINE = `
. ${LIB}/rootcast-attach.sh
. ${LIB}/rootcast-cache.sh
rootcast_say() { :; }
modprobe() { :; }
rootcast_report() { echo "report $1 $2 size=$((ROOTCAST_STORE_SECTORS * 512)): $3"; }
rootcast_cache_refuse() { echo "refused: $ROOTCAST_WHY"; return 1; }
dmsetup() {
  case "$1" in
  targets) echo 'snapshot v1.16.0' ;;
  create) [ -z "$created" ] || { echo "$2 is there"; return 1; }; created=$2; echo "create $2 $4" ;;
  remove) created=; echo "remove $3" ;;
  esac
}
rootcast_find_disk() { ROOTCAST_LOCAL=/dev/sdb ROOTCAST_DISK_SECTORS=100000; }
rootcast_zram() { ROOTCAST_RAM=/dev/loop0; }
rootcast_brd() { return 1; }
dd() { :; }
created=
`;

async function store(asked: string, fallback: string, faults: string): Promise<string[]> {
  const script = `${MACHINE}
${faults}
rootcast_cache_arguments() { ROOTCAST_CACHE=${asked} ROOTCAST_FALLBACK='${fallback}'; }
rootcast_cache_store
echo "code $?: $ROOTCAST_STORE, $ROOTCAST_STORE_SECTORS sectors"`;
  const { stdout } = await succeed('sh', ['-c', script]);
  return stdout.trimEnd().split('\n');
}

describe('the store of a write cache on the machine', () => {
  test('has the size of what it is made of, not of what could not be had', async () => {
    const said = await store('device-ram', 'device-disk', 'rootcast_zram() { return 1; }');
    expect(said).toEqual([
      'create rootcast-store 0 100000 linear /dev/sdb 2048',
      'code 0: /dev/mapper/rootcast-store, 100000 sectors',
    ]);
  });

  test('of memory that is not there is none, also when it is tried again', async () => {
    const faults = 'rootcast_zram() { return 1; }';
    expect(await store('device-ram', 'device-ram refuse', faults)).toEqual([
      'refused: the kernel has neither zram nor brd; the kernel has neither zram nor brd',
      'code 1: , 0 sectors',
    ]);
  });

  test('that cannot be written is taken down, and the server gets the writes', async () => {
    const said = await store('device-disk', 'server', 'dd() { return 1; }');
    expect(said).toEqual([
      'create rootcast-store 0 100000 linear /dev/sdb 2048',
      'remove rootcast-store',
      'report server good size=0: /dev/mapper/rootcast-store cannot be written',
      'code 0: , 0 sectors',
    ]);
  });

  test('that cannot be written makes room for the next one', async () => {
    const faults = 'tries=0; dd() { tries=$((tries + 1)); [ "$tries" -gt 1 ]; }';
    const said = await store('device-ram-overflow', 'device-disk', faults);
    expect(said.slice(-2)).toEqual([
      'create rootcast-store 0 100000 linear /dev/sdb 2048',
      'code 0: /dev/mapper/rootcast-store, 100000 sectors',
    ]);
    expect(said).toContain('remove rootcast-store');
  });
});
