import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NO_BOOT_READS } from '../../../src/control/boot-reads-port.ts';
import { mergeTraces } from '../../../src/control/boots/merge-traces.ts';
import { decodeTraceFile, encodeTraceFile } from '../../../src/control/boots/trace-file.ts';
import { WarmStart } from '../../../src/control/boots/warm-start.ts';
import {
  type AheadRequest,
  addMachine,
  type BootReads,
  beginVersion,
  deleteMachine,
  deleteTrace,
  exportTrace,
  importTrace,
  noteBootStage,
  observeBoots,
  requestBoot,
  showTrace,
} from '../../../src/control/index.ts';
import { MAX_TRACE_BOOTS, MIN_TRACE_UNITS } from '../../../src/control/limits.ts';
import { decodeUnits, encodeUnits } from '../../../src/control/values/trace-units.ts';
import { SEED } from '../../support/seed.ts';
import { type FakeService, fakeService, kinds, withVdisk } from './support/fake-service.ts';

const unit = fc.integer({ min: 0, max: 2 ** 32 - 1 });

describe('units as bytes', () => {
  test('come back as they were', () => {
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 300 }), (units) => {
        expect([...(decodeUnits(encodeUnits(Uint32Array.from(units))) ?? [])]).toEqual(units);
      }),
      { seed: SEED },
    );
  });

  test('that are none are refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const units = decodeUnits(bytes);
        if (units !== undefined) expect(units.every((one) => one < 2 ** 32)).toBe(true);
      }),
      { seed: SEED },
    );
    expect(decodeUnits(Uint8Array.from([1]))).toBeUndefined(); // below zero
    expect(decodeUnits(Uint8Array.from([128]))).toBeUndefined(); // cut off
    expect(decodeUnits(new Uint8Array(9).fill(255))).toBeUndefined();
  });
});

describe('several boots', () => {
  test('of which half read it, in the order of the medians', () => {
    const boots = [
      [1, 2, 3, 4],
      [2, 1, 3, 5],
      [1, 2, 6, 3],
      [1, 7, 2, 3],
    ].map((units) => Uint32Array.from(units));
    expect([...mergeTraces(boots)]).toEqual([1, 2, 3]);
  });

  test('one is taken as it is, none is nothing', () => {
    expect([...mergeTraces([Uint32Array.from([5, 1, 9])])]).toEqual([5, 1, 9]);
    expect([...mergeTraces([])]).toEqual([]);
  });
});

describe('a trace as a file', () => {
  const file = encodeTraceFile({
    unitBytes: 131_072,
    contentId: 'ab'.repeat(32),
    boots: [1, 2].map((n) => ({
      recordedAt: 1_700_000_000_000 + n,
      units: encodeUnits(Uint32Array.from([n, 100, 5])),
    })),
  });

  test('comes back as it was', () => {
    const decoded = decodeTraceFile(file);
    expect(decoded).toMatchObject({ unitBytes: 131_072, contentId: 'ab'.repeat(32) });
    expect(typeof decoded === 'string' ? decoded : encodeTraceFile(decoded).equals(file)).toBe(
      true,
    );
  });

  test('that is cut off anywhere, or longer, says what is wrong', () => {
    for (let at = 0; at < file.length; at++) {
      expect(typeof decodeTraceFile(file.subarray(0, at))).toBe('string');
    }
    expect(decodeTraceFile(Buffer.concat([file, Buffer.alloc(1)]))).toContain('behind its end');
  });

  test('that is mutated is a trace or is refused', () => {
    fc.assert(
      fc.property(fc.nat(file.length - 1), fc.nat(255), (at, byte) => {
        const mutated = Buffer.from(file);
        mutated[at] = byte;
        const decoded = decodeTraceFile(mutated);
        if (typeof decoded === 'string') return;
        for (const { units } of decoded.boots) expect(decodeUnits(units)).toBeDefined();
      }),
      { seed: SEED },
    );
  });
});

/** What workers would have seen. */
class FakeBootReads implements BootReads {
  readonly unitBytes = 131_072;
  readonly recording = new Set<string>();
  readonly ahead: AheadRequest[] = [];
  read = Uint32Array.from({ length: MIN_TRACE_UNITS }, (_, at) => at * 2);

  record(machineId: string): void {
    this.recording.add(machineId);
  }
  recorded(machineId: string): Uint32Array | undefined {
    return this.recording.delete(machineId) ? this.read : undefined;
  }
  readAhead(request: AheadRequest): void {
    this.ahead.push(request);
  }
  gauges() {
    return { ...NO_BOOT_READS.gauges(), sharedBytesMax: 2 ** 28 };
  }
}

const MAC = '52:54:00:00:00:01';

async function setUp(): Promise<{ service: FakeService; reads: FakeBootReads; id: string }> {
  const reads = new FakeBootReads();
  const service = fakeService({ bootReads: reads });
  await withVdisk(service);
  const { id } = addMachine(service.control, { name: 'pc-1', mac: MAC, vdisk: 'debian' });
  return { service, reads, id };
}

const ready = ({ control }: FakeService): void => noteBootStage(control, MAC, 'ready');
const shown = ({ control }: FakeService) => showTrace(control, 'debian', 1);

describe('a boot', () => {
  test('is recorded until it is ready, and read ahead for the next', async () => {
    const { service, reads, id } = await setUp();
    await requestBoot(service.control, MAC);
    expect(reads.recording).toEqual(new Set([id]));
    expect(reads.ahead).toEqual([]);
    ready(service);
    expect(reads.recording).toEqual(new Set());
    expect(shown(service)).toMatchObject({
      boots: [{ machine: 'pc-1', units: MIN_TRACE_UNITS }],
      units: MIN_TRACE_UNITS,
      of: 1,
      recordsMore: true,
    });
    expect(kinds(service)).toContain('version.trace-recorded');
    await requestBoot(service.control, MAC);
    expect(reads.ahead.map(({ order }) => [...order])).toEqual([[...reads.read]]);
  });

  test('that came to nothing, or read hardly anything, leaves no trace', async () => {
    const { service, reads } = await setUp();
    await requestBoot(service.control, MAC);
    await requestBoot(service.control, MAC); // the first is superseded
    reads.read = reads.read.subarray(1);
    ready(service);
    expect(shown(service).boots).toEqual([]);
  });

  test('of a machine that is deleted meanwhile is forgotten', async () => {
    const { service, reads } = await setUp();
    await requestBoot(service.control, MAC);
    await deleteMachine(service.control, 'pc-1');
    observeBoots(service.control, service.clock.now());
    expect(reads.recording.size).toBe(0);
    expect(service.control.recordings.size).toBe(0);
  });

  test('of a write cache that is kept is not recorded: it does not read all of the version', async () => {
    const { service, reads, id } = await setUp();
    addMachine(service.control, {
      ...{ name: 'pc-2', mac: '52:54:00:00:00:02', vdisk: 'debian' },
      cacheMode: 'server-persistent',
    });
    const kept = service.control.catalog.machines.byName('pc-2')?.id ?? '';
    service.dataPlane.overlays.set(kept, { layerId: 'layer-1', usedBytes: 4096, isOpen: false });
    await requestBoot(service.control, '52:54:00:00:00:02');
    expect(reads.recording.has(kept)).toBe(false);
    expect(reads.recording.has(id)).toBe(false);
  });

  test('is recorded so many times, and anew when the trace was deleted', async () => {
    const { service, reads } = await setUp();
    for (let n = 0; n < MAX_TRACE_BOOTS + 2; n++) {
      await requestBoot(service.control, MAC);
      expect(reads.recording.size).toBe(n < MAX_TRACE_BOOTS ? 1 : 0);
      ready(service);
    }
    expect(shown(service)).toMatchObject({ recordsMore: false });
    deleteTrace(service.control, 'debian', 1);
    expect(shown(service)).toMatchObject({ boots: [], units: 0, of: null });
    await requestBoot(service.control, MAC);
    expect(reads.recording.size).toBe(1);
  });
});

describe('a trace', () => {
  test('goes to another server as a file, and only to the same content', async () => {
    const { service } = await setUp();
    expect(() => exportTrace(service.control, 'debian', 1)).toThrow('was recorded');
    await requestBoot(service.control, MAC);
    ready(service);
    const { file } = exportTrace(service.control, 'debian', 1);
    deleteTrace(service.control, 'debian', 1);
    const { units, boots } = importTrace(service.control, 'debian', 1, file);
    expect([units, boots.length]).toEqual([MIN_TRACE_UNITS, 1]);
    const decoded = decodeTraceFile(Buffer.from(file, 'base64'));
    if (typeof decoded === 'string') throw new Error(decoded);
    const foreign = (more: object): string =>
      encodeTraceFile({ ...decoded, ...more }).toString('base64');
    const take = (text: string) => () => importTrace(service.control, 'debian', 1, text);
    expect(take(foreign({ contentId: 'cd'.repeat(32) }))).toThrow('the trace is of content');
    expect(take(foreign({ unitBytes: 4096 }))).toThrow('units of 4096 bytes');
    expect(() => importTrace(service.control, 'debian', 1, 'AAAA')).toThrow('no boot trace');
  });

  test('is that of the version before until there is one of its own; it needs a settled one', async () => {
    const { service } = await setUp();
    await requestBoot(service.control, MAC);
    ready(service);
    beginVersion(service.control, 'debian', {});
    expect(() => showTrace(service.control, 'debian', 2)).toThrow('is in maintenance');
  });

  test('goes with the last layer of its content', async () => {
    const { service } = await setUp();
    await requestBoot(service.control, MAC);
    ready(service);
    const { catalog } = service.control;
    const { contentId } = shown(service);
    catalog.transaction(() => {
      for (const vdisk of catalog.vdisks.all()) {
        for (const one of catalog.versions.ofVdisk(vdisk.id)) catalog.versions.delete(one);
      }
      for (const layer of catalog.layers.all()) catalog.layers.delete(layer.id);
    });
    expect(catalog.traces.mark(contentId).count).toBe(0);
  });

  test('is read ahead after a start of the service, once', async () => {
    const { service, reads } = await setUp();
    await requestBoot(service.control, MAC);
    ready(service);
    const warm = new WarmStart(service.control);
    warm.observe(service.clock.now());
    warm.observe(service.clock.now());
    expect(reads.ahead).toHaveLength(1);
  });
});
