import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** Ended with the bench, however it goes: {@link stopSinks}. */
const sinks: ChildProcess[] = [];

/** Starts a `_bulk` endpoint in a process of its own (null-sink.mjs); what comes goes into the file `save`, if there is one. */
export async function startSink(save?: string): Promise<{ url: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "null-sink.mjs")], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...(save && { BENCH_SAVE: save }) },
  });
  sinks.push(child);
  const [line] = await once(child.stdout!, "data");
  return { url: String(line).trim() };
}

/** What came since the last time that {@link counted} was asked. */
export async function countNow(url: string): Promise<{ events: number; bytes: number }> {
  const answer = await fetch(`${url}/count`);
  return (await answer.json()) as { events: number; bytes: number };
}

/** What came since the last time that this was asked. */
export async function counted(url: string): Promise<{ events: number; bytes: number }> {
  const count = await countNow(url);
  await fetch(`${url}/reset`, { method: "POST" });
  return count;
}

export function stopSinks(): void {
  for (const sink of sinks) sink.kill();
}
