import { afterEach, describe, expect, it, vi } from "vitest";
import { WasmMemory } from "../../src/event/wasm-memory.js";
import { Field, Needles, NUMBERED, ROW_HEADER, ROW_WORDS } from "../../src/plugin/index.js";
import { withWebAssembly } from "../support/web-assembly.js";
import { FILE, load, loadOwn } from "./support.js";

const LINES = ["{}", '{"verb":"get"}', '{"verb":"list"}', '{"verb":"get"}'].map((line) => `${line}\n`).join("");

/** Lets the WebAssembly scanner work, and changes what it did. */
function sabotage(change: (memory: WasmMemory, count: number) => number | undefined): void {
  const { scan } = WasmMemory.prototype;
  vi.spyOn(WasmMemory.prototype, "scan").mockImplementation(function (this: WasmMemory, ...args) {
    const count = scan.apply(this, args);
    return change(this, count) ?? count;
  });
}

/** Changes a word of the second row. */
const wordOf = (field: Field) => (memory: WasmMemory) => {
  memory.table[ROW_WORDS + ROW_HEADER + 2 * field + 1]++;
  return undefined;
};

withWebAssembly();
afterEach(() => void vi.restoreAllMocks());

describe("with AUDITSHIP_VERIFY=1", () => {
  it("both scanners read what is in the batch's own memory, and what lies elsewhere", () => {
    vi.stubEnv("AUDITSHIP_VERIFY", "1");
    const scan = vi.spyOn(WasmMemory.prototype, "scan");
    expect([load(LINES).count, loadOwn(LINES).count]).toEqual([4, 4]);
    expect(scan).toHaveBeenCalledTimes(2);
  });

  it.each([
    ["in the batch's own memory", loadOwn],
    ["elsewhere", load],
  ])("a wrong field %s is an error that says source, file, offset and field", (_, loadSomewhere) => {
    vi.stubEnv("AUDITSHIP_VERIFY", "1");
    sabotage(wordOf(Field.verb));
    expect(() => loadSomewhere(LINES, { offset: 1000 })).toThrow(
      `source apiserver, file ${FILE.id}, offset 1003: the scanners differ in the end of verb: WebAssembly 17, TypeScript 16.`,
    );
  });

  it("a line that one of them leaves out is an error", () => {
    vi.stubEnv("AUDITSHIP_VERIFY", "1");
    sabotage((memory, count) => {
      memory.table.fill(0, (count - 1) * ROW_WORDS, count * ROW_WORDS);
      return count - 1;
    });
    expect(() => loadOwn(LINES)).toThrow(
      "offset 34: the scanners differ in the number of rows: WebAssembly 3, TypeScript 4",
    );
  });

  it("one number for two values is an error", () => {
    vi.stubEnv("AUDITSHIP_VERIFY", "1");
    sabotage((memory) => {
      const verb = NUMBERED.indexOf(Field.verb);
      memory.numbers[2 * NUMBERED.length + verb] = memory.numbers[NUMBERED.length + verb];
      return undefined;
    });
    expect(() => loadOwn(LINES)).toThrow(/offset 18: the scanners differ in the verb's number/);
  });

  it("a wrong time is an error", () => {
    vi.stubEnv("AUDITSHIP_VERIFY", "1");
    const batch = loadOwn(`${LINES}{"stageTimestamp":"1970-01-01T00:00:00.000000Z"}\n`);
    batch.readTimes(Field.stageTimestamp, batch.time);
    vi.spyOn(WasmMemory.prototype, "times").mockReturnValue(0);
    batch.time[4] = 1;
    expect(() => batch.readTimes(Field.stageTimestamp, batch.time)).toThrow(
      "offset 49: the scanners differ in the time of stageTimestamp: WebAssembly 1, TypeScript 0.",
    );
  });

  it("a trace that the search misses is an error", () => {
    vi.stubEnv("AUDITSHIP_VERIFY", "1");
    const batch = loadOwn(LINES);
    const needles = new Needles(["list"]);
    expect(batch.find(needles).count).toBe(1);
    vi.spyOn(WasmMemory.prototype, "find").mockReturnValue(true);
    expect(() => batch.find(needles)).toThrow(
      "the scanners differ in the number of traces: WebAssembly 0, TypeScript 1",
    );
  });
});

it("without it a wrong field is not looked for", () => {
  vi.stubEnv("AUDITSHIP_VERIFY", "");
  sabotage(wordOf(Field.verb));
  expect(loadOwn(LINES).at(1).end(Field.verb)).toBe(17);
});

it("with AUDITSHIP_SCANNER=typescript nothing is done in WebAssembly", () => {
  vi.stubEnv("AUDITSHIP_VERIFY", "");
  vi.stubEnv("AUDITSHIP_SCANNER", "typescript");
  sabotage(wordOf(Field.verb));
  expect(loadOwn(LINES).at(1).end(Field.verb)).toBe(16);
});
