/**
 * Runs the PXE servers as a process of their own (a network namespace and another user are properties
 * of a process). Prints one JSON line per event; `started` or `fault` first. Leases are kept in the
 * file named by the second argument, as the service keeps them in its catalog.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { Fault } from '../../../src/errors/index.ts';
import { type Lease, type PxeConfig, startPxe } from '../../../src/pxe/index.ts';
import { EMPTY_BOOT_CATALOG } from '../../support/empty-boot-catalog.ts';

const [configText = '', leaseFile = ''] = process.argv.slice(2);
const config = JSON.parse(configText) as PxeConfig;

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const leases = new Map<string, Lease>(
  leaseFile !== '' && existsSync(leaseFile)
    ? (JSON.parse(readFileSync(leaseFile, 'utf8')) as [string, Lease][])
    : [],
);

function store(): void {
  if (leaseFile !== '') writeFileSync(leaseFile, JSON.stringify([...leases]));
}

try {
  const running = await startPxe(
    config,
    {
      ...EMPTY_BOOT_CATALOG,
      decide: () => ({ kind: 'boot' }),
      bootRequested: () => ({ kind: 'local-disk', reason: 'waiting for approval' }),
    },
    {
      leases: {
        load: () => [...leases.values()],
        save: (lease) => {
          leases.set(lease.address, lease);
          store();
        },
        remove: (address) => {
          leases.delete(address);
          store();
        },
      },
      report: (event) =>
        print(event.type === 'failure' ? { ...event, error: String(event.error) } : event),
      clock: Date,
    },
  );
  print({ type: 'started', addresses: running.addresses });
  process.once('SIGTERM', () => {
    void running.close().then(() => print({ type: 'closed' }));
  });
} catch (error) {
  const fault = error instanceof Fault ? error : new Fault('INTERNAL', String(error));
  print({ type: 'fault', code: fault.code, message: fault.message, details: fault.details });
  process.exitCode = 1;
}
