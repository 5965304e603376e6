/** A section of a report: what the targets did in one workload with one client, beside each other. */
import type { Cell, ClientKind, Result } from '../result.ts';
import type { WorkloadId } from '../workloads.ts';

export interface Named<Id extends string = string> {
  readonly id: Id;
  readonly title: string;
}

/** A target in a section. */
export interface Row {
  readonly target: Named;
  /** Place of the target in the whole result, so that it looks the same in every section. */
  readonly series: number;
  /** One of each round; never empty. */
  readonly cells: readonly Cell[];
}

export interface Section {
  readonly workload: Named<WorkloadId>;
  readonly client: ClientKind;
  readonly rows: readonly Row[];
  /** The first Rootcast target: the ratios are its cost over that of each. */
  readonly reference: Row | undefined;
}

/** Ours are those whose id begins with the name: `rootcast-vdisk`, `rootcast-machine` … */
export const isRootcast = (target: string): boolean => /^rootcast(-|$)/.test(target);

/** What is named, then what only cells name, under its id: nothing measured is left out. */
function withUnnamed<Id extends string>(
  named: readonly Named<Id>[],
  used: readonly Id[],
): readonly Named<Id>[] {
  const known = new Set(named.map(({ id }) => id));
  const unnamed = [...new Set(used)].filter((id) => !known.has(id));
  return [...named, ...unnamed.map((id) => ({ id, title: id }))];
}

export function targetsOf(result: Result): readonly Named[] {
  return withUnnamed(
    result.targets,
    result.cells.map(({ target }) => target),
  );
}

function workloadsOf(result: Result): readonly Named<WorkloadId>[] {
  return withUnnamed(
    result.workloads,
    result.cells.map(({ workload }) => workload),
  );
}

const CLIENTS: readonly ClientKind[] = ['rootcast', 'fio'];

/** Sections in the order of the workloads; rows in that of the targets. */
export function sectionsOf(result: Result): readonly Section[] {
  const targets = targetsOf(result);
  return workloadsOf(result).flatMap((workload) =>
    CLIENTS.flatMap((client) => {
      const asked = result.cells.filter(
        (cell) => cell.workload === workload.id && cell.client === client,
      );
      const rows = targets.flatMap((target, series) => {
        const cells = asked.filter((cell) => cell.target === target.id);
        return cells.length === 0 ? [] : [{ target, series, cells }];
      });
      if (rows.length === 0) return [];
      const reference = rows.find(({ target }) => isRootcast(target.id));
      return [{ workload, client, rows, reference }];
    }),
  );
}

/** `4K random read, QD32 — our own client`. */
export function sectionTitle({ workload, client }: Section): string {
  return `${workload.title} — ${clientName(client)}`;
}

export function clientName(client: ClientKind): string {
  switch (client) {
    case 'rootcast':
      return 'our own client';
    case 'fio':
      return 'fio';
  }
}
