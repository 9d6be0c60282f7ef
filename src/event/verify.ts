import {
  AuditshipError,
  type Batch,
  ByteWriter,
  COLON,
  FIELD_PATHS,
  type Field,
  type FileRef,
  FindList,
  type Frame,
  type FramedDocuments,
  findInner,
  findNeedles,
  type Inner,
  type InnerKey,
  type Keys,
  Kind,
  type Kinds,
  kindOf,
  type Likeness,
  type Needles,
  NUMBERED,
  ROW_HEADER,
  ROW_WORDS,
  Row,
  SPACE,
  valueEnd,
} from "../plugin/index.js";
import { LineScanner } from "./lines.js";
import { Rows } from "./rows.js";
import { SpanTape } from "./tape.js";
import { fillTimes } from "./times.js";
import { WasmMemory } from "./wasm-memory.js";

/** What the environment says of the scanners, for tests and whoever doubts one of them. */
export const scanners = (env: NodeJS.ProcessEnv = process.env) => ({
  /** False: all bytes are TypeScript's, as on a machine without WebAssembly SIMD. */
  webAssembly: env.AUDITSHIP_SCANNER !== "typescript",
  /** True: both scan every batch, and the first difference is an error. */
  verify: env.AUDITSHIP_VERIFY === "1",
});

/** What a batch's own scanner made of its bytes. */
export interface Scanned {
  source: string;
  file: FileRef;
  /** Of the batch's first byte in the file. */
  offset: number;
  bytes: Buffer;
  /** Bytes that were offered. */
  length: number;
  /** Bytes that became rows. */
  taken: number;
  rows: Rows;
  /** Undefined if it was scanned in TypeScript. */
  memory: WasmMemory | undefined;
}

/** Numbers of the keys that were found in the value in [start, end). */
interface FoundKeys {
  start: number;
  end: number;
  numbers: Uint16Array;
}

/** The scanners that a batch's own is held against; all batches share them, one after the other. */
class Others {
  /** TypeScript's. */
  readonly slow: { rows: Rows; lines: LineScanner };
  #copy: { memory: WasmMemory; rows: Rows; lines: LineScanner } | undefined;
  static readonly #all = new Map<string, Others>();

  /** As for {@link LineScanner}. */
  static of(maxRows: number, arrays: boolean): Others {
    const key = `${maxRows} ${arrays}`;
    const others = Others.#all.get(key) ?? new Others(maxRows, arrays);
    Others.#all.set(key, others);
    return others;
  }

  private constructor(
    private readonly maxRows: number,
    private readonly arrays: boolean,
  ) {
    const rows = new Rows(maxRows);
    this.slow = { rows, lines: new LineScanner(rows, maxRows, arrays) };
  }

  /** WebAssembly's, with a copy of bytes that lie elsewhere. */
  fast(bytes: Buffer, length: number) {
    if (!this.#copy || this.#copy.memory.buffer.length <= length) {
      const memory = WasmMemory.create(2 * length + 65_536, this.maxRows);
      if (!memory) {
        throw new AuditshipError("AUDITSHIP_VERIFY", "there is no WebAssembly SIMD to verify. Unset AUDITSHIP_VERIFY.");
      }
      const rows = new Rows(this.maxRows, memory);
      this.#copy = { memory, rows, lines: new LineScanner(rows, this.maxRows, this.arrays, memory) };
    }
    this.#copy.memory.startOver();
    this.#copy.memory.buffer.set(bytes.subarray(0, length + 1));
    return this.#copy;
  }
}

/** Scans what was scanned with the other scanner, too (`AUDITSHIP_VERIFY=1`), and holds the two equal, word by word. */
export class Verifier {
  readonly #others: Others;
  /** By number: the value that has it. */
  private readonly numbered = new Map<number, string>();
  private numbering: object = {};
  /** The kinds of one numbering, by number and by what the rows have in common. */
  private kinds = { numbering: {}, commons: new Map<number, string>(), numbers: new Map<string, number>() };
  /** Found in the midst of a stage, which may be tried again, or go on without what it was at. */
  private difference: AuditshipError | undefined;

  /** As for {@link LineScanner}. */
  constructor(maxRows: number, arrays: boolean) {
    this.#others = Others.of(maxRows, arrays);
  }

  /** @throws AuditshipError AUDITSHIP_VERIFY at the first difference */
  check(scanned: Scanned): void {
    this.rethrow();
    const { bytes, length } = scanned;
    const { rows, lines, memory } = scanned.memory
      ? { ...this.#others.slow, memory: scanned.memory }
      : this.#others.fast(bytes, length);
    const other = { ...scanned, rows, taken: lines.scan(scanned.memory ? bytes : memory.buffer, length) };
    try {
      if (scanned.memory) this.compare(scanned, scanned, other, memory);
      else this.compare(scanned, other, scanned, memory);
    } finally {
      rows.clear();
    }
  }

  /** Throws the first difference, whoever has caught it. */
  rethrow(): void {
    if (this.difference) throw this.difference;
  }

  /** Holds equal what both find of these needles, where WebAssembly does. @throws AuditshipError, from now on whenever asked: {@link rethrow} */
  checkFinds(needles: Needles, scanned: Scanned): void {
    const { bytes, length, memory } = scanned;
    const [fast, slow] = [new FindList(), new FindList()];
    if (!memory?.find(needles, length, fast)) return;
    findNeedles(needles, bytes.subarray(0, length), slow);
    const [a, b] = [fast, slow].map(({ count, starts, needles: numbers }) =>
      Array.from({ length: count }, (_, i) => `${starts[i]} ${numbers[i]}`).sort(),
    );
    if (a.join() === b.join()) return;
    this.fail(difference(scanned, scanned.rows, 0, "number of traces", a.length, b.length));
  }

  /** Holds documents that were written at once equal to those that are written one by one. @throws as {@link checkFinds} */
  checkFramed(
    batch: Batch,
    first: number,
    frame: Frame,
    { count, ids, idLength, spans }: FramedDocuments,
    { bytes, length }: ByteWriter,
    start: number,
  ): void {
    const expected = new ByteWriter();
    const expectedIds = new ByteWriter();
    const expectedSpans: number[] = [];
    for (let row = first; row < first + count; row++) {
      const event = batch.at(row);
      event.writeId(expectedIds);
      expected.copy(frame.before);
      event.writeId(expected);
      expected.copy(frame.between);
      event.writeDocument(expected);
      const document = { ...expected.document };
      expected.copy(frame.after);
      expectedSpans.push(...[document.start, document.members, document.end, expected.length].map((at) => start + at));
    }
    const asText = (text: Uint8Array, from: number, end: number) =>
      Buffer.from(text.subarray(from, end)).toString("latin1");
    const sides = [
      [asText(bytes, start, length), asText(expected.bytes, 0, expected.length)],
      [asText(ids, 0, count * idLength), asText(expectedIds.bytes, 0, expectedIds.length)],
      [spans.subarray(0, expectedSpans.length).join(), expectedSpans.join()],
    ];
    if (sides.every(([fast, slow]) => fast === slow)) return;
    const { source, file, offset } = batch;
    const line = offset + batch.table[first * ROW_WORDS + Row.line];
    this.fail(
      new AuditshipError(
        "AUDITSHIP_VERIFY",
        `source ${source}, file ${file.id}, offset ${line}: the documents of ${count} events from there on differ between ` +
          "WebAssembly and TypeScript. Please report these lines, and run with AUDITSHIP_SCANNER=typescript meanwhile.",
      ),
    );
  }

  /** Holds a column of times equal to what TypeScript reads. @throws as {@link checkFinds} */
  checkTimes(field: Field, column: Float64Array, scanned: Scanned): void {
    const { rows, bytes } = scanned;
    const slow = new Float64Array(rows.count).fill(Number.NaN);
    fillTimes(slow, rows, bytes, field);
    const row = slow.findIndex((time, at) => !Object.is(time, column[at]));
    if (row < 0) return;
    this.fail(difference(scanned, rows, row, `time of ${FIELD_PATHS[field]}`, column[row], slow[row]));
  }

  /** Rows of one kind are alike, and those that are alike are of one kind, in all batches of a numbering. @throws as {@link checkFinds} */
  checkKinds(likeness: Likeness, { numbers, numbering }: Kinds, scanned: Scanned): void {
    const { rows } = scanned;
    if (numbering !== this.kinds.numbering) this.kinds = { numbering, commons: new Map(), numbers: new Map() };
    for (let row = 0; row < rows.count; row++) {
      const number = numbers[row];
      if (number === 0) continue;
      const common = commonOf(likeness, scanned, row);
      if ((this.kinds.commons.get(number) ?? common) !== common) {
        this.fail(difference(scanned, rows, row, "kind", number, "another"));
      }
      const known = this.kinds.numbers.get(common) ?? number;
      if (known !== number) this.fail(difference(scanned, rows, row, "kind", number, known));
      this.kinds.commons.set(number, common);
      this.kinds.numbers.set(common, number);
    }
  }

  /**
   * Among the keys that were found in [start, end), each once, are all that members' keys end with, and none that does not stand
   * there as a key would. @throws as {@link checkFinds}
   */
  checkKeys({ texts }: Keys, { start, end, numbers }: FoundKeys, scanned: Scanned): void {
    const { bytes, rows } = scanned;
    const found = new Set(numbers);
    const differ = (what: string, fast: number | string, slow: number | string) =>
      this.fail(difference(scanned, rows, rowAt(rows, start), what, fast, slow));
    if (found.size < numbers.length) differ("number of keys", numbers.length, found.size);
    const names = memberNames(bytes, start, end);
    const value = bytes.subarray(start, end + 1);
    for (const [number, text] of texts.entries()) {
      const what = `key "${text}`;
      if (found.delete(number)) {
        if (!standsAsKey(value, text)) differ(what, "found", "missing");
      } else {
        const name = text.toString("utf8", 0, text.length - 1);
        if (names.some((each) => each.endsWith(name))) differ(what, "missing", "found");
      }
    }
    if (found.size > 0) differ("number of keys", "more than there are", texts.length);
  }

  /** Holds equal what both find of a member of a member. @throws as {@link checkFinds} */
  checkInner(at: number, key: InnerKey, found: Inner, scanned: Scanned): void {
    const expected: Inner = { end: 0, start: 0, stop: 0, elsewhere: false };
    findInner(scanned.bytes, at, key, expected);
    const [fast, slow] = [found, expected].map(
      ({ end, start, stop, elsewhere }) => `${start} to ${stop} of ${end}${elsewhere ? " and elsewhere" : ""}`,
    );
    if (fast === slow) return;
    this.fail(difference(scanned, scanned.rows, rowAt(scanned.rows, at), `${key.outer}.${key.inner}`, fast, slow));
  }

  /** Holds the end of a value equal to TypeScript's. @throws as {@link checkFinds} */
  checkValueEnd(at: number, end: number, scanned: Scanned): void {
    const expected = valueEnd(scanned.bytes, at);
    if (end === expected) return;
    this.fail(difference(scanned, scanned.rows, rowAt(scanned.rows, at), "end of a value", end, expected));
  }

  private fail(difference: AuditshipError): never {
    this.difference = difference;
    throw difference;
  }

  private compare(at: Scanned, fast: Scanned, slow: Scanned, memory: WasmMemory): void {
    const rows = Math.min(fast.rows.count, slow.rows.count);
    for (let word = 0; word < rows * ROW_WORDS; word++) {
      const [a, b] = [fast.rows.table[word], slow.rows.table[word]];
      if (a !== b) throw difference(at, slow.rows, Math.floor(word / ROW_WORDS), nameOf(word % ROW_WORDS), a, b);
    }
    for (let row = 0; row < rows; row++) {
      const [a, b] = [fast, slow].map((side) => side.rows.invalid(row)?.reason ?? "an event");
      if (a !== b) throw difference(at, slow.rows, row, "kind of row", a, b);
    }
    if (fast.rows.count !== slow.rows.count) {
      const longer = fast.rows.count > slow.rows.count ? fast.rows : slow.rows;
      throw difference(at, longer, rows, "number of rows", fast.rows.count, slow.rows.count);
    }
    if (fast.taken !== slow.taken) {
      throw difference(at, slow.rows, rows, "number of bytes taken", fast.taken, slow.taken);
    }
    this.compareNumbers(at, fast.rows, memory);
  }

  /** Values with one number are the same. */
  private compareNumbers(at: Scanned, rows: Rows, { numbering }: WasmMemory): void {
    if (numbering !== this.numbering) this.numbered.clear();
    this.numbering = numbering;
    for (let row = 0; row < rows.count; row++) {
      for (const [column, field] of NUMBERED.entries()) {
        const number = rows.numbers[row * NUMBERED.length + column];
        if (number === 0) continue;
        const span = row * ROW_WORDS + ROW_HEADER + 2 * field;
        const value = at.bytes.toString("latin1", rows.table[span], rows.table[span + 1]);
        const known = this.numbered.get(number) ?? value;
        if (known !== value) throw difference(at, rows, row, `${FIELD_PATHS[field]}'s number`, number, "another");
        this.numbered.set(number, value);
      }
    }
  }
}

/** What rows that are alike have in common: the bytes of numbered fields, how the values of others begin, on which side of each latency they are. */
function commonOf({ fields, latencies }: Likeness, { rows, bytes }: Scanned, row: number): string {
  const parts = fields.map((field) => {
    const span = row * ROW_WORDS + ROW_HEADER + 2 * field;
    const start = rows.table[span];
    if (start === 0) return null;
    if (NUMBERED.includes(field)) return bytes.toString("latin1", start, rows.table[span + 1]);
    const kind = kindOf(bytes[start]);
    return kind === Kind.true || kind === Kind.false ? Kind.number : kind;
  });
  const sides = latencies.map((latency) => Math.sign(rows.latency[row] - latency));
  return JSON.stringify([...parts, ...sides]);
}

/** The keys of all members in the value in [start, end); none of what cannot be opened. */
function memberNames(bytes: Buffer, start: number, end: number): string[] {
  const tape = new SpanTape();
  tape.reset(bytes);
  tape.append(bytes, start, end);
  return Array.from({ length: tape.count }, (_, node) => tape.key(node));
}

/** True if the text, which ends with a quote, has behind it what is behind a key: a colon, or white space. */
function standsAsKey(bytes: Buffer, text: Buffer): boolean {
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) {
    const after = bytes[at + text.length];
    if (after === COLON || after <= SPACE) return true;
  }
  return false;
}

/** The row that holds an offset. */
function rowAt({ table, count }: Rows, at: number): number {
  let row = Math.max(count - 1, 0);
  while (row > 0 && table[row * ROW_WORDS + Row.start] > at) row--;
  return row;
}

/** What a word of a row is. */
function nameOf(word: number): string {
  if (word < ROW_HEADER) return Row[word];
  const span = word - ROW_HEADER;
  return `${span % 2 === 0 ? "start" : "end"} of ${FIELD_PATHS[span >> 1]}`;
}

function difference(
  { source, file, offset }: Scanned,
  rows: Rows,
  row: number,
  what: string,
  fast: number | string,
  slow: number | string,
): AuditshipError {
  const line = offset + (row < rows.count ? rows.table[row * ROW_WORDS + Row.line] : 0);
  return new AuditshipError(
    "AUDITSHIP_VERIFY",
    `source ${source}, file ${file.id}, offset ${line}: the scanners differ in the ${what}: WebAssembly ${fast}, ` +
      `TypeScript ${slow}. Please report this line, and run with AUDITSHIP_SCANNER=typescript meanwhile.`,
  );
}
