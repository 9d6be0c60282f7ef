import { readFileSync } from "node:fs";

/** Of /proc/PID/stat: USER_HZ, the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Seconds of CPU that a process has used. */
export function cpuOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Most memory that a process ever had in use, MiB. */
export const peakOf = (pid: number): number => statusOf(pid, "VmHWM") / 1024;

/** What it has in use now, MiB. */
export const memoryOf = (pid: number): number => statusOf(pid, "VmRSS") / 1024;

/** KiB. */
function statusOf(pid: number, name: string): number {
  const line = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1] ?? 0);
}
