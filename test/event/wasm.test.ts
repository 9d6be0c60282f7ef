import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { ANCHORS, CONFIG_MAP, NEEDLES } from "../../plugins/stages/redact/search.js";
import { wasmModule } from "../../scripts/wasm.js";
import { encodeNeedles } from "../../src/event/teddy.js";
import { WasmMemory } from "../../src/event/wasm-memory.js";
import { Field, type Follow, Needles, parseTime, ROW_WORDS } from "../../src/plugin/index.js";
import { events } from "../../src/simulate/index.js";
import { withWebAssembly } from "../support/web-assembly.js";
import { eventText, mutated } from "./oracle.js";
import { hasSamples, load, loadOwn, sample, samples } from "./support.js";

type Batch = ReturnType<typeof load>;

const rows = (batch: Batch) => Buffer.from(batch.table.slice(0, batch.count * ROW_WORDS).buffer);

/** Holds the rows of both scanners equal, word by word. */
function expectSameRows(bytes: Buffer): void {
  const [slow, fast] = [load(bytes, { maxRows: 64 }), loadOwn(bytes, { maxRows: 64 })];
  expect([fast.count, fast.length]).toEqual([slow.count, slow.length]);
  expect(rows(fast).equals(rows(slow))).toBe(true);
}

const simulated = (count: number): string[] => {
  const lines: string[] = [];
  for (const line of events(7, { mix: "mixed" })) if (lines.push(line) === count) break;
  return lines;
};

withWebAssembly();

describe("the WebAssembly module", () => {
  it("is what its source compiles to", { timeout: 60_000 }, async () => {
    const written = readFileSync(new URL("../../src/event/wasm.ts", import.meta.url), "utf8");
    expect(written === (await wasmModule())).toBe(true);
  });

  it("scans usual lines itself", () => {
    const memory = WasmMemory.create(1 << 20, 16)!;
    const text = Buffer.from(`${simulated(10).join("\n")}\n`);
    memory.buffer.set(text);
    expect(memory.scan(0, text.length, 0, 16)).toBe(10);
    expect(memory.position).toBe(text.length);
  });

  it.each([
    "",
    " {}",
    "{",
    '{"a":1}x',
    '{"kind":"Event","kind":"Event"}',
    '{"KIND":"Event"}',
    '{"k\\u0069nd":"Event"}',
    '{"items":[]}',
    '{"auditship":1}',
    '{"@timestamp":1}',
    '{"user":{"Username":"x"}}',
    '{"user":{"uid":1,"uid":2}}',
    `{"requestObject":${"[".repeat(5000)}${"]".repeat(5000)}}`,
  ])("leaves the TypeScript scanner %j, and its row empty", (line) => {
    const text = Buffer.from(`{"verb":"get"}\n${line}\n`);
    const memory = WasmMemory.create(text.length, 4)!;
    memory.buffer.set(text);
    expect(memory.scan(0, text.length, 0, 4)).toBe(1);
    expect(memory.position).toBe(15);
    expect(memory.table.subarray(ROW_WORDS).every((word) => word === 0)).toBe(true);
    expectSameRows(text);
  });

  it("fills the same rows as the TypeScript scanner", () => {
    const lines = fc.array(fc.oneof(eventText, mutated(eventText).map(String), fc.constantFrom(...simulated(50))), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(lines, fc.constantFrom("\n", "\r\n"), (texts, end) => expectSameRows(Buffer.from(texts.join(end)))),
      { numRuns: 1000 },
    );
  });

  it("… after any change of a byte of a real line", () => {
    const lines = simulated(40).filter((line) => line.length < 4000);
    fc.assert(
      fc.property(fc.constantFrom(...lines), fc.nat(), fc.integer({ min: 0, max: 255 }), (line, at, byte) => {
        const bytes = Buffer.from(`${line}\n${line}\n`);
        bytes[at % line.length] = byte;
        expectSameRows(bytes);
      }),
      { numRuns: 2500 },
    );
  });

  it.skipIf(!hasSamples)("… on every line of every sample", () => {
    for (const name of samples()) {
      const bytes = sample(name);
      for (let at = 0; at < bytes.length; ) {
        const end = bytes.lastIndexOf(10, at + (1 << 20)) + 1;
        const chunk = bytes.subarray(at, end > at ? end : bytes.length);
        const options = { maxRows: 8192 };
        const [slow, fast] = [load(chunk, options), loadOwn(chunk, options)];
        expect(rows(fast).equals(rows(slow))).toBe(true);
        at += chunk.length;
      }
    }
  });
});

describe("the times of a batch", () => {
  const digits = (length: number) => fc.stringMatching(new RegExp(`^[0-9]{${length}}$`));
  const usual = fc
    .date({ min: new Date("0000-01-02T00:00:00Z"), max: new Date("9999-12-30T00:00:00Z"), noInvalidDate: true })
    .chain((date) => digits(6).map((fraction) => `${date.toISOString().slice(0, 19)}.${fraction}Z`));
  const similar = fc
    .tuple(digits(4), digits(2), digits(2), digits(2), digits(2), digits(2), digits(6))
    .map(([year, month, day, hour, minute, second, fraction]) => {
      return `${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction}Z`;
    });
  const damaged = fc
    .tuple(usual, fc.nat(26), fc.constantFrom(..."0959:-.TZtz+ /"))
    .map(([text, at, letter]) => `${text.slice(0, at)}${letter}${text.slice(at + 1)}`);
  const text = fc.oneof(
    usual,
    similar,
    damaged,
    fc.constantFrom("", "2026-11-26T02:39:37Z", "2026-11-26T02:39:37.5+01:00"),
  );

  it("are what parseTime reads, whichever memory the bytes are in", () => {
    fc.assert(
      fc.property(fc.array(fc.option(text), { minLength: 1, maxLength: 20 }), (texts) => {
        const lines = texts
          .map((time) => `${JSON.stringify(time === null ? {} : { stageTimestamp: time })}\n`)
          .join("");
        const expected = texts.map((time) => parseTime(Buffer.from(time ?? ""), 0, time?.length ?? 0));
        for (const batch of [load(lines, { maxRows: 64 }), loadOwn(lines, { maxRows: 64 })]) {
          batch.readTimes(Field.stageTimestamp, batch.time);
          const elsewhere = new Float64Array(texts.length);
          batch.readTimes(Field.stageTimestamp, elsewhere);
          expect([...batch.time.subarray(0, texts.length)]).toEqual(expected);
          expect([...elsewhere]).toEqual(expected);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("are read in WebAssembly if they are in its memory and in kube-apiserver's form", () => {
    const memory = WasmMemory.create(1 << 20, 16)!;
    const lines = Buffer.from(`${simulated(10).join("\n")}\n{"stageTimestamp":"2026-11-26T02:39:37Z"}\n{}\n`);
    memory.buffer.set(lines);
    memory.scan(0, lines.length, 0, 16);
    expect(memory.times(Field.stageTimestamp, 12, memory.time)).toBe(1);
    expect([...memory.time.subarray(0, 12)].map(Number.isNaN)).toEqual([...Array(10).fill(false), true, true]);
  });
});

describe("the search for needles", () => {
  const naive = (needles: Needles, bytes: Buffer): string[] =>
    needles.texts
      .flatMap((text, needle) =>
        Array.from({ length: bytes.length }, (_, at) => at)
          .filter((at) => bytes.subarray(at, at + text.length).equals(text))
          .map((at) => `${at} ${needle}`),
      )
      .sort();

  const found = (batch: Batch, needles: Needles): string[] => {
    const { count, starts, needles: numbers } = batch.find(needles);
    expect([...starts.subarray(0, count)]).toEqual([...starts.subarray(0, count)].sort((a, b) => a - b));
    return Array.from({ length: count }, (_, i) => `${starts[i]} ${numbers[i]}`).sort();
  };

  it("gives every occurrence of every one, and nothing else", () => {
    const letter = fc.constantFrom("a", "b", '"', "e", "n", "v", "/", "é");
    const text = (max: number) => fc.array(letter, { minLength: 1, maxLength: max }).map((letters) => letters.join(""));
    fc.assert(
      fc.property(fc.uniqueArray(text(6), { minLength: 1, maxLength: 30 }), fc.array(text(200)), (texts, lines) => {
        const needles = new Needles(texts);
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
        const expected = naive(needles, bytes);
        expect(found(load(bytes), needles)).toEqual(expected);
        expect(found(loadOwn(bytes), needles)).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  it("… whatever its anchors are, at every alignment, in any bytes", () => {
    const text = fc.string({ minLength: 1, maxLength: 20, unit: fc.constantFrom(...'ab?/\\"J{é \u0000\u007fpo') });
    const wanted = fc.uniqueArray(text, { minLength: 1, maxLength: 40 }).chain((texts) => {
      const parts = texts.flatMap((each) =>
        Array.from(each, (_, at) => [each.slice(at, at + 1), each.slice(at, at + 2)]),
      );
      const anchors = fc.array(fc.array(fc.constantFrom(...parts.flat(), "zz"), { maxLength: 6 }), { maxLength: 12 });
      const bytes = fc.oneof(
        fc.constantFrom(...texts, ...texts.map((each) => each.slice(1)), ...texts.map((each) => each.slice(0, -1))),
        fc.uint8Array({ maxLength: 20 }),
      );
      const run = fc.array(
        bytes.map((each) => Buffer.from(each as string)),
        { maxLength: 40 },
      );
      return fc.tuple(fc.constant(texts), anchors, run);
    });
    fc.assert(
      fc.property(wanted, fc.nat(31), ([texts, anchors, run], shift) => {
        const needles = new Needles(texts, anchors);
        const bytes = Buffer.concat([Buffer.alloc(shift, "x"), ...run, Buffer.from("\n")]);
        expect(found(loadOwn(bytes), needles)).toEqual(naive(needles, bytes));
      }),
      { numRuns: 500 },
    );
  });

  it("finds each trace of a secret at every alignment, and tells it from what differs by a bit", () => {
    const texts = [...NEEDLES, CONFIG_MAP].map(({ text }) => text);
    const needles = new Needles(texts, ANCHORS);
    for (const [number, text] of texts.entries()) {
      const whole = Buffer.from(text);
      const damaged = Array.from(whole, (byte, at) => Buffer.from(whole).fill(byte ^ 1, at, at + 1));
      // With it they have a length that is odd: 16 of them come at every alignment.
      const space = Buffer.alloc(64 + 1 - (whole.length % 2), "x");
      const parts = [whole, ...damaged].flatMap((part) => Array(16).fill(Buffer.concat([part, space])) as Buffer[]);
      const bytes = Buffer.concat([...parts, Buffer.from("\n")]);
      const expected = found(load(bytes), needles);
      expect(expected.filter((each) => each.endsWith(` ${number}`)).length).toBeGreaterThanOrEqual(16);
      expect(found(loadOwn(bytes), needles)).toEqual(expected);
    }
  });

  it("has a rare pair of bytes as anchor for each trace of a secret", () => {
    const anchors = ANCHORS.flat();
    for (const { text } of [...NEEDLES, CONFIG_MAP]) {
      expect(
        anchors.some((anchor) => text.includes(anchor)),
        text,
      ).toBe(true);
    }
  });

  it("has no anchor that matches a run of x, as in padding", () => {
    const texts = [...NEEDLES, CONFIG_MAP].map(({ text }) => text);
    const set = encodeNeedles(new Needles(texts, ANCHORS), 0);
    const groups = (place: number, byte: number) => set[32 * place + (byte & 15)] & set[32 * place + 16 + (byte >> 4)];
    const x = "x".charCodeAt(0);
    expect(groups(0, x) & groups(1, x)).toBe(0);
  });

  /** What must not follow, and the same as a regular expression. */
  const follows: readonly (readonly [follow: Follow, pattern: RegExp])[] = [
    [{ kind: "texts", texts: ["=", "a=&", "%2F\\"] }, /^(?:=|a=&|%2F\\)/],
    [
      { kind: "query", names: ["a", "nn", "aVeryLongNameOfAParameter"], codes: ["2F", "3D"] },
      /^(?:(?:a|nn|aVeryLongNameOfAParameter)(?:=(?:[^&?\\%+;@"\n]|%2F|%3D)*)?(?:(?:&|\\u0026)(?:a|nn|aVeryLongNameOfAParameter)(?:=(?:[^&?\\%+;@"\n]|%2F|%3D)*)?)*)?"/,
    ],
    [
      { kind: "members", names: ["a", "nn", "aVeryLongNameOfAParameter"] },
      /^:\{(?:"(?:a|nn|aVeryLongNameOfAParameter)":\["[^"\\\n]*"\](?:,"(?:a|nn|aVeryLongNameOfAParameter)":\["[^"\\\n]*"\])*)?\}/,
    ],
  ];

  it.each(follows)("leaves out what is followed by %j", (unless, pattern) => {
    const part = fc.constantFrom(
      ...[
        "?",
        "?",
        "a",
        "nn",
        "aVeryLongNameOfAParameter",
        "=",
        "&",
        "\\u0026",
        "\\u003c",
        "\\",
        "%2F",
        "%2f",
        "%",
        "+",
        ";",
        "@",
      ],
      ...[
        '"',
        ":{",
        ':{"a":["',
        '"nn":["',
        '"]',
        '"],',
        '"]}',
        "}",
        "[",
        "{",
        "the quick brown fox",
        "é",
        '?"',
        "?a=",
        "?nn=",
      ],
    );
    const line = fc.array(part, { maxLength: 30 }).map((parts) => `${parts.join("")}\n`);
    fc.assert(
      fc.property(fc.array(line, { maxLength: 4 }), (lines) => {
        const needles = new Needles(["?a", { text: "?", unless }]);
        const bytes = Buffer.from(lines.join(""));
        const expected = naive(needles, bytes).filter((each) => {
          const [at, needle] = each.split(" ").map(Number);
          return needle === 0 || !pattern.test(bytes.toString("latin1", at + 1));
        });
        expect(found(load(bytes), needles)).toEqual(expected);
        expect(found(loadOwn(bytes, { maxRows: 8 }), needles)).toEqual(expected);
      }),
      { numRuns: 700 },
    );
  });

  it("continues if there was no room for all finds at once", () => {
    const needles = new Needles(["aa", "a"]);
    const bytes = Buffer.from(`${"a".repeat(20_000)}\n`);
    expect(found(loadOwn(bytes), needles)).toHaveLength(39_999);
  });

  it("makes room for other needles, as stages of a later configuration have them", () => {
    const find = vi.spyOn(WasmMemory.prototype, "find");
    onTestFinished(() => find.mockRestore());
    const batch = loadOwn("cab12cab7\n");
    const sets = Array.from({ length: 30 }, (_, n) => new Needles([`b${n}`, `a${"x".repeat(1000)}`]));
    for (const needles of [...sets, ...sets]) {
      const { text } = needles.needles[0];
      const at = batch.bytes.indexOf(text);
      expect(found(batch, needles)).toEqual(at < 0 ? [] : [`${at} 0`]);
    }
    expect(find.mock.results.length).toBeGreaterThanOrEqual(60);
    expect(find.mock.results.every(({ value }) => value === true)).toBe(true);
  });

  it("finds needles that there is no room for in its memory", () => {
    const needles = new Needles(["x".repeat(20_000), "ab"]);
    expect(found(loadOwn("cab\n"), needles)).toEqual(["1 1"]);
  });
});
