/**
 * CPU time and memory as Linux counts them (proc(5)). The server's cost is that of its whole process
 * tree: children that are already gone count through their parent.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** sysconf(_SC_CLK_TCK): 100 on every Linux there is; the unit of the times in /proc. */
const TICKS_PER_SECOND = 100;

export interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  /** User and system time of the process and of the children it has waited for, in µs. */
  readonly cpuMicros: number;
}

export interface MachineTimes {
  /** Since boot, summed over the CPUs, in µs. */
  readonly busyMicros: number;
  readonly idleMicros: number;
}

const ticksToMicros = (ticks: number): number => (ticks * 1e6) / TICKS_PER_SECOND;

function field(fields: readonly string[], index: number): number {
  const value = Number(fields[index]);
  if (!Number.isFinite(value)) throw new Error(`no number in field ${index} of a /proc file`);
  return value;
}

/** One line of /proc/PID/stat. The name in brackets may itself hold brackets and blanks. */
export function parseProcessStat(text: string): ProcessStat {
  const afterName = text.lastIndexOf(')');
  const fields = text.slice(afterName + 2).split(' ');
  const [user, system, childUser, childSystem] = [11, 12, 13, 14].map((i) => field(fields, i));
  return {
    pid: Number.parseInt(text, 10),
    parent: field(fields, 1),
    cpuMicros: ticksToMicros((user ?? 0) + (system ?? 0) + (childUser ?? 0) + (childSystem ?? 0)),
  };
}

/** CPU time of one thread alone, in µs, from a line of /proc/PID/task/TID/stat. */
export function parseThreadCpu(text: string): number {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return ticksToMicros(field(fields, 11) + field(fields, 12));
}

/** The first line of /proc/stat: user nice system idle iowait irq softirq steal. */
export function parseMachineTimes(text: string): MachineTimes {
  const line = text.slice(0, text.indexOf('\n'));
  const fields = line.split(/\s+/).slice(1, 9);
  const times = fields.map((_, index) => field(fields, index));
  const idle = (times[3] ?? 0) + (times[4] ?? 0);
  const all = times.reduce((sum, time) => sum + time, 0);
  return { busyMicros: ticksToMicros(all - idle), idleMicros: ticksToMicros(idle) };
}

/** `root` and everything it started, directly or not. */
export function selectTree(processes: readonly ProcessStat[], root: number): ProcessStat[] {
  const members = new Set([root]);
  let grown = true;
  while (grown) {
    const before = members.size;
    for (const { pid, parent } of processes) if (members.has(parent)) members.add(pid);
    grown = members.size > before;
  }
  return processes.filter(({ pid }) => members.has(pid));
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined; // the process ended between the listing and the reading
  }
}

function listIfThere(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function readTree(root: number): ProcessStat[] {
  const processes: ProcessStat[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const text = readIfThere(`/proc/${name}/stat`);
    if (text !== undefined) processes.push(parseProcessStat(text));
  }
  return selectTree(processes, root);
}

/** @throws Error when the process is gone: its cost would be counted as nothing */
export function treeCpuMicros(root: number): number {
  const tree = readTree(root);
  if (!tree.some(({ pid }) => pid === root)) throw new Error(`process ${root} is gone`);
  return tree.reduce((sum, { cpuMicros }) => sum + cpuMicros, 0);
}

/** CPU time of every thread of the tree so far, in µs, by `PID/TID`. */
export function treeThreadMicros(root: number): ReadonlyMap<string, number> {
  const threads = new Map<string, number>();
  for (const { pid } of readTree(root)) {
    for (const thread of listIfThere(`/proc/${pid}/task`)) {
      const text = readIfThere(`/proc/${pid}/task/${thread}/stat`);
      if (text !== undefined) threads.set(`${pid}/${thread}`, parseThreadCpu(text));
    }
  }
  return threads;
}

/** What the thread that did most did between the two, in µs. */
export function busiestThreadMicros(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
): number {
  let most = 0;
  for (const [thread, micros] of after) most = Math.max(most, micros - (before.get(thread) ?? 0));
  return most;
}

/** Resident memory of the tree in bytes; memory that two of its processes share counts twice. */
export function treeResidentBytes(root: number): number {
  let kibibytes = 0;
  for (const { pid } of readTree(root)) {
    const status = readIfThere(`/proc/${pid}/status`) ?? '';
    kibibytes += Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
  }
  return kibibytes * 1024;
}

/** CPU time of this process and of every child it has waited for, in µs: the harness and its clients. */
export function ownCpuMicros(): number {
  return parseProcessStat(readFileSync('/proc/self/stat', 'latin1')).cpuMicros;
}

export function machineTimes(): MachineTimes {
  return parseMachineTimes(readFileSync('/proc/stat', 'latin1'));
}
