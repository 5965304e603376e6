import { describe, expect, it } from 'vitest';
import { setupsOf, withPrerequisites } from '../../../bench/setups.ts';
import { TARGETS } from '../../../bench/targets/index.ts';
import { takesPart, WORKLOADS } from '../../../bench/workloads.ts';

const ids = (items: readonly { readonly id: string }[]): string[] => items.map(({ id }) => id);

describe('the starts of a server', () => {
  const setups = setupsOf(WORKLOADS, ['rootcast', 'fio'], ({ fio }) => fio);
  const questions = setups.flatMap((setup) => setup.questions);

  it('ask every workload once by each client that can', () => {
    for (const workload of WORKLOADS) {
      const asked = questions.filter((question) => question.workload.id === workload.id);
      const clients = workload.fio ? ['rootcast', 'fio'] : ['rootcast'];
      expect(asked.map(({ client }) => client)).toEqual(clients);
    }
  });

  it('never let one client meet what the other wrote', () => {
    for (const { access, questions: shared } of setups) {
      const clients = new Set(shared.map(({ client }) => client));
      if (access !== 'image') expect(clients.size).toBe(1);
    }
  });

  it('are one for each number of machines and each image', () => {
    for (const setup of setups) {
      for (const { workload } of setup.questions) {
        expect(workload.access).toBe(setup.access);
        expect(workload.machines).toBe(setup.machines);
        const replays = ['trace', 'flood-and-trace'].includes(workload.pattern);
        expect(setup.image).toBe(replays ? 'trace' : 'full');
      }
    }
  });

  it('meet the first touch before the second', () => {
    const again = WORKLOADS.filter(({ id }) => id === 'write-4k-again');
    expect(ids(withPrerequisites(again, WORKLOADS))).toEqual(['write-4k-first', 'write-4k-again']);
    const read = WORKLOADS.filter(({ id }) => id === 'read-4k-qd1');
    expect(ids(withPrerequisites(read, WORKLOADS))).toEqual(['read-4k-qd1']);
  });
});

describe('who is asked what', () => {
  const askedOf = (id: string): string[] => {
    const [target] = TARGETS.filter((candidate) => candidate.id === id);
    return target === undefined
      ? []
      : ids(WORKLOADS.filter((workload) => takesPart(target, workload)));
  };

  it('is what its access allows, and nothing that is meant for another', () => {
    expect(askedOf('nbdkit-file')).toEqual([
      'read-4k-qd1',
      'read-4k-qd32',
      'read-4k-qd32-c4',
      'read-128k-qd8',
      'idle-1000',
    ]);
    expect(askedOf('rootcast-machine')).toEqual(
      expect.arrayContaining(['write-4k-first', 'flush-32', 'boot-100', 'flood-and-boot']),
    );
    expect(askedOf('rootcast-machine')).not.toContain('slow-origin');
  });

  it('is one workload for targets that exist for one', () => {
    expect(askedOf('rootcast-2-workers')).toEqual(['two-workers']);
    expect(askedOf('rootcast-1-worker')).toEqual(['one-worker']);
    expect(askedOf('rootcast-chain-30')).toEqual(['chain-30']);
    expect(askedOf('rootcast-slow-origin')).toEqual(['slow-origin']);
    expect(askedOf('qsd-slow-origin')).toEqual(['slow-origin']);
  });
});
