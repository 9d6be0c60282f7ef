import { afterEach, describe, expect, it, vi } from "vitest";
import { KeySets } from "../../src/event/key-sets.js";
import { WasmMemory } from "../../src/event/wasm-memory.js";
import { Field, InnerKey, Keys, Likeness, Needles, NUMBERED, ROW_HEADER, ROW_WORDS } from "../../src/plugin/index.js";
import { withWebAssembly } from "../support/web-assembly.js";
import { FILE, load, loadOwn } from "./support.js";

const linesOf = (...lines: string[]) => lines.map((line) => `${line}\n`).join("");
const LINES = linesOf("{}", '{"verb":"get"}', '{"verb":"list"}', '{"verb":"get"}');
const BODIES = linesOf("{}", '{"requestObject":null}', '{"requestObject":{}}', '{"requestObject":[]}');
const BODY = '{"abc":{"xdef":1},"ghi":"jkl","mno":[{"pqr":"stu"}]}';
const WITH_BODY = linesOf("{}", `{"requestObject":${BODY},"responseObject":{"vwx":1}}`);

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
  it("both scanners read bytes in the batch's own memory and elsewhere", () => {
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

  const differ = "the scanners differ in the kind: WebAssembly";
  it.each<[what: string, lines: string, fields: Field[], wrong: number[], error: string]>([
    ["of two verbs", LINES, [Field.verb], [1, 2, 2, 2], `offset 18: ${differ} 2, TypeScript another.`],
    ["of a verb that has one", LINES, [Field.verb], [1, 2, 3, 4], `offset 34: ${differ} 4, TypeScript 2.`],
    [
      "of a verb and none",
      LINES,
      [Field.auditID, Field.verb],
      [1, 1, 2, 1],
      `offset 3: ${differ} 1, TypeScript another.`,
    ],
    [
      "of two types of bodies",
      BODIES,
      [Field.requestObject],
      [1, 2, 3, 3],
      `offset 47: ${differ} 3, TypeScript another.`,
    ],
  ])("a kind %s is an error", (_, lines, fields, wrong, error) => {
    vi.stubEnv("AUDITSHIP_VERIFY", "1");
    const batch = loadOwn(lines);
    const likeness = new Likeness(fields);
    batch.kinds(likeness);
    vi.spyOn(WasmMemory.prototype, "kinds").mockReturnValue({ numbers: Uint16Array.from(wrong), numbering: {} });
    expect(() => batch.kinds(likeness)).toThrow(error);
  });

  it("a kind with another one's number in a later batch of the same numbering is an error", () => {
    vi.stubEnv("AUDITSHIP_VERIFY", "1");
    const batch = loadOwn(LINES);
    const numbering = {};
    const kinds = vi.spyOn(WasmMemory.prototype, "kinds");
    kinds.mockReturnValueOnce({ numbers: Uint16Array.of(1, 2, 3, 2), numbering });
    kinds.mockReturnValueOnce({ numbers: Uint16Array.of(2, 1, 3, 1), numbering: {} });
    kinds.mockReturnValueOnce({ numbers: Uint16Array.of(1, 2, 3, 2), numbering });
    kinds.mockReturnValueOnce({ numbers: Uint16Array.of(3, 0, 0, 0), numbering });
    const likeness = new Likeness([Field.verb]);
    for (let i = 0; i < 3; i++) batch.kinds(likeness);
    expect(() => batch.kinds(likeness)).toThrow(`offset 0: ${differ} 3, TypeScript another.`);
  });

  it.each<[what: string, found: number[], error: string]>([
    ["is missed", [0, 1, 4], 'key "ghi": WebAssembly missing, TypeScript found'],
    ["is missed below others", [0, 1, 2], 'key "pqr": WebAssembly missing, TypeScript found'],
    ["is a value", [0, 1, 2, 3, 4], 'key "jkl": WebAssembly found, TypeScript missing'],
    ["is another field's", [0, 1, 2, 4, 5], 'key "vwx": WebAssembly found, TypeScript missing'],
    ["is told twice", [0, 1, 2, 4, 4], "number of keys: WebAssembly 5, TypeScript 4"],
    ["was not looked for", [0, 1, 2, 4, 6], "number of keys: WebAssembly more than there are, TypeScript 6"],
  ])("a key that %s is an error", (_, wrong, error) => {
    vi.stubEnv("AUDITSHIP_VERIFY", "1");
    const batch = loadOwn(WITH_BODY);
    const keys = new Keys(["abc", "def", "ghi", "jkl", "pqr", "vwx"]);
    const [start, end] = [batch.at(1).start(Field.requestObject), batch.at(1).end(Field.requestObject)];
    expect(batch.findKeys(keys, start, end)).toBe(4);
    expect([...batch.foundKeys.subarray(0, 4)].sort()).toEqual([0, 1, 2, 4]);
    vi.spyOn(KeySets.prototype, "find").mockImplementation(function (this: KeySets) {
      this.found.set(wrong);
      return wrong.length;
    });
    expect(() => batch.findKeys(keys, start, end)).toThrow(`offset 3: the scanners differ in the ${error}.`);
  });

  it.each<[what: string, change: object, error: string]>([
    ["end", { end: 66 }, "WebAssembly 45 to 51 of 66, TypeScript 45 to 51 of 53."],
    ["value", { start: 0, stop: 0 }, "WebAssembly 0 to 0 of 53, TypeScript 45 to 51 of 53."],
    ["trace elsewhere", { elsewhere: true }, "WebAssembly 45 to 51 of 53 and elsewhere, TypeScript 45 to 51 of 53."],
  ])("a wrong %s of a member of a member is an error", (_, change, error) => {
    vi.stubEnv("AUDITSHIP_VERIFY", "1");
    const batch = loadOwn(linesOf("{}", '{"requestObject":{"metadata":{"namespace":"shop"}}}'));
    const at = batch.at(1).start(Field.requestObject);
    const key = new InnerKey("metadata", "namespace");
    batch.inner(at, key);
    const { inner } = WasmMemory.prototype;
    vi.spyOn(WasmMemory.prototype, "inner").mockImplementation(function (this: WasmMemory, ...args) {
      return inner.apply(this, args) && Object.assign(args[2], change) !== undefined;
    });
    expect(() => batch.inner(at, key)).toThrow(`offset 3: the scanners differ in the "metadata"."namespace": ${error}`);
  });

  it("a wrong end of a value is an error that is thrown again after it was caught", () => {
    vi.stubEnv("AUDITSHIP_VERIFY", "1");
    const batch = loadOwn(WITH_BODY);
    const at = batch.at(1).start(Field.requestObject);
    expect(batch.valueEnd(at)).toBe(at + BODY.length);
    batch.rethrowDifference();
    vi.spyOn(WasmMemory.prototype, "valueEnd").mockReturnValue(at + 1);
    const error = `offset 3: the scanners differ in the end of a value: WebAssembly ${at + 1}, TypeScript ${at + BODY.length}.`;
    expect(() => batch.valueEnd(at)).toThrow(error);
    expect(() => batch.rethrowDifference()).toThrow(error);
  });
});

it("without it a wrong field goes unnoticed", () => {
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
