import { appendFile, rename, rm } from "node:fs/promises";
import { expect, it, onTestFinished, vi } from "vitest";
import { startBulkServer } from "../support/bulk-server.js";
import { patience } from "../support/patience.js";
import { bundledProgram, Site, simulated, started, text } from "./fixture.js";

const program = bundledProgram();
const lines = simulated(47, 40);
const SOURCE = '{source="apiserver"}';
const ARCHIVE = '{source="apiserver",sink="archive"}';
const FILE = '{source="apiserver",sink="file"}';

const part = (from: number, to: number) => text(lines.slice(from, to));
const bytes = (from: number, to: number) => Buffer.byteLength(part(from, to));
const backup = (hour: number) => `audit-2026-11-21T0${hour}-00-00.000.log`;
const { stageTimestamp } = JSON.parse(lines[0]);
/** When the first event was, in epoch milliseconds. `Date.parse` knows nothing of its microseconds. */
const first = Date.parse(stageTimestamp) + Number(stageTimestamp.slice(23, 26)) / 1000;
/** Seconds since then, now. */
const age = () => (Date.now() - first) / 1000;

it("what a sink that is down is behind, and what rotation takes from it, is told to the byte", async () => {
  const far = await startBulkServer();
  onTestFinished(() => far.close());
  far.script = () => ({ do: "status", status: 503 });
  const place = await Site.make();
  const archive = {
    type: "elasticsearch",
    urls: [far.url],
    retry: { initial: "20ms", max: "50ms", slow: "50ms" },
    request: { maxEvents: 2 },
    concurrency: 1,
    stallAfter: "500ms",
  };
  await place.configure({ sinks: { archive, file: { type: "file", path: "archive.ndjson" } } });
  const log = place.at("log", "audit.log");
  await appendFile(log, part(0, 10));
  const agent = program.start(place);
  const { metric } = await started(agent);
  const has = (name: string, series: Record<string, number>) =>
    vi.waitFor(async () => expect(await metric(name)).toEqual(series), patience);
  const rotate = async (hour: number) => {
    await rename(log, place.at("log", backup(hour)));
    await appendFile(log, part(10 * hour, 10 * hour + 10));
    await has("auditship_rotations_total", { [SOURCE]: hour });
  };

  await rotate(1);
  await rotate(2);
  await has("auditship_lag_bytes", { [ARCHIVE]: bytes(0, 30), [FILE]: 0 });
  const least = age();
  const seconds = await metric("auditship_lag_seconds");
  expect(seconds[FILE]).toBe(0);
  expect(seconds[ARCHIVE]).toBeGreaterThanOrEqual(least);
  expect(seconds[ARCHIVE]).toBeLessThanOrEqual(age());
  await vi.waitFor(async () => {
    expect(await metric("auditship_sink_state")).toMatchObject({ '{sink="archive",state="parked"}': 1 });
  }, patience);
  // The one who reads and the look at the active file share a descriptor; those of the backups are let go.
  await has("auditship_files_open", { [SOURCE]: 1 });
  expect(await metric("auditship_active_bytes")).toEqual({ [SOURCE]: bytes(20, 30) });
  expect(await metric("auditship_bytes_total")).toEqual({ [SOURCE]: bytes(0, 30) });
  expect(await metric("auditship_bytes_lost_total")).toEqual({});

  await rm(place.at("log", backup(1)));
  await rotate(3);
  // What is gone cannot be caught up with.
  await has("auditship_lag_bytes", { [ARCHIVE]: bytes(10, 40), [FILE]: 0 });
  far.script = () => ({ do: "store" });
  await has("auditship_lag_bytes", { [ARCHIVE]: 0, [FILE]: 0 });
  expect(await metric("auditship_bytes_lost_total")).toEqual({ '{source="apiserver",reason="deleted"}': bytes(0, 10) });
});
