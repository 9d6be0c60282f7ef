import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { StateStore } from "../../src/pipeline/state.js";

const log = { debug() {}, info() {}, warn() {}, error() {} };
const meter = { add() {}, set() {}, observe() {} };
const record = (offset: number) => ({ cursors: { apiserver: { file: "f", offset } } });

let directory: string;
const store = async (instance = "one") => {
  const opened = new StateStore(directory, { instance, node: "cp-1" }, log, meter);
  await opened.open();
  return opened;
};
const path = () => join(directory, "sinks", "archive.json");

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "auditship-state-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe("the state directory", () => {
  it("gives back what was written last", async () => {
    const first = await store();
    await first.writeSink("archive", record(1));
    await first.writeSink("archive", record(2));
    expect(await (await store("two")).readSink("archive")).toEqual(record(2));
  });

  it("has nothing for a sink that was never written", async () => {
    expect(await (await store()).readSink("archive")).toBeUndefined();
  });

  it.each(["", "{", '{"format":1}', '{"format":1,"kind":"source","body":{}}', "\0\0\0\0", "null", "7"])(
    "falls back to the version before when a file holds %j",
    async (content) => {
      const first = await store();
      await first.writeSink("archive", record(1));
      await first.writeSink("archive", record(2));
      await writeFile(path(), content);
      expect(await (await store("two")).readSink("archive")).toEqual(record(1));
    },
  );

  const cursor = { file: "f", offset: 0 };
  it.each<["sink" | "source", unknown]>([
    ["sink", null],
    ["sink", []],
    ["sink", {}],
    ["sink", { cursors: null }],
    ["sink", { cursors: { apiserver: null } }],
    ["sink", { cursors: { apiserver: {} } }],
    ["sink", { cursors: { apiserver: { file: 5, offset: 0 } } }],
    ["sink", { cursors: { apiserver: { file: "f", offset: "x" } } }],
    ["sink", { cursors: { apiserver: { file: "f", offset: -1 } } }],
    ["sink", { cursors: { apiserver: { file: "f", offset: 0.5 } } }],
    ["sink", { cursors: { apiserver: { ...cursor, ranges: null } } }],
    ["sink", { cursors: { apiserver: { ...cursor, ranges: [null] } } }],
    ["sink", { cursors: { apiserver: { ...cursor, ranges: [{ file: "f", from: "a", to: 2 }] } } }],
    ["sink", { cursors: {}, state: 7 }],
    ["source", null],
    ["source", {}],
    ["source", { table: null }],
    ["source", { table: {}, highWater: 5 }],
    ["source", { table: {}, gaps: null }],
    ["source", { table: {}, gaps: [null] }],
    ["source", { table: {}, gaps: [{ from: cursor }] }],
  ])("falls back to the version before when what a %s has is %j", async (kind, body) => {
    const first = await store();
    const sound = { source: { table: {} }, sink: record(1) };
    const file = join(directory, `${kind}s`, "audit.json");
    for (let times = 0; times < 2; times++) {
      await first.writeSink("audit", sound.sink);
      await first.writeSource("audit", sound.source);
    }
    await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, "utf8")), body }));
    const next = await store("two");
    const read = kind === "sink" ? next.readSink("audit") : next.readSource("audit");
    expect(await read).toEqual(sound[kind]);
  });

  it("takes over a file that was cut, though another agent's name still stands in it", async () => {
    const first = await store();
    await first.writeSink("archive", record(1));
    await writeFile(path(), (await readFile(path(), "utf8")).slice(0, 80));
    const second = await store("two");
    expect(await second.readSink("archive")).toBeUndefined();
    await second.writeSink("archive", record(2));
    expect(await (await store("three")).readSink("archive")).toEqual(record(2));
  });

  it("refuses a file of a later version instead of guessing", async () => {
    await (await store()).writeSink("archive", record(1));
    await writeFile(path(), (await readFile(path(), "utf8")).replace('"format":1', '"format":2'));
    await expect((await store("two")).readSink("archive")).rejects.toMatchObject({
      code: "AUDITSHIP_STATE_FORMAT",
      message: expect.stringContaining("newer version"),
    });
  });

  it("stops an agent when another one has written its file", async () => {
    const first = await store("one");
    await first.writeSink("archive", record(1));
    const second = await store("two");
    await second.readSink("archive");
    await second.writeSink("archive", record(2));
    await expect(first.writeSink("archive", record(3))).rejects.toMatchObject({
      code: "AUDITSHIP_STATE_LOCKED",
      message: expect.stringContaining("instance two"),
    });
    expect(await (await store("three")).readSink("archive")).toEqual(record(2));
  });

  it("keeps the files of removed sinks for a week", async () => {
    const opened = await store();
    await opened.writeSink("archive", record(1));
    await opened.writeSink("gone", record(1));
    await opened.forgetRemoved(["archive"], Date.now() + 6 * 86_400_000);
    expect(await opened.readSink("gone")).toEqual(record(1));
    await opened.forgetRemoved(["archive"], Date.now() + 8 * 86_400_000);
    expect(await opened.readSink("gone")).toBeUndefined();
    expect(await opened.readSink("archive")).toEqual(record(1));
  });

  it("counts the week from when a sink was configured last, not from when it moved last", async () => {
    const opened = await store();
    await opened.writeSink("down", record(1));
    const day = 86_400_000;
    const start = Date.now();
    await opened.forgetRemoved(["down"], start + 10 * day);
    await opened.forgetRemoved([], start + 16 * day);
    expect(await opened.readSink("down")).toEqual(record(1));
    await opened.forgetRemoved([], start + 18 * day);
    expect(await opened.readSink("down")).toBeUndefined();
  });

  it("says what to do when it cannot be written", async () => {
    await writeFile(join(directory, "plain"), "");
    const broken = new StateStore(join(directory, "plain"), { instance: "one", node: "cp-1" }, log, meter);
    await expect(broken.open()).rejects.toMatchObject({ code: "AUDITSHIP_STATE_WRITE" });
  });
});
