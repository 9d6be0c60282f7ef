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

/** How the environment chooses scanners, for tests and for anybody who doubts one of them. */
export const scanners = (env: NodeJS.ProcessEnv = process.env) => ({
  /** If false, TypeScript does everything, as on a machine without WebAssembly SIMD. */
  webAssembly: env.AUDITSHIP_SCANNER !== "typescript",
  /** If true, both scan every batch, and the first difference is an error. */
  verify: env.AUDITSHIP_VERIFY === "1",
});

/** The result of a batch's own scanner. */
export interface Scanned {
  source: string;
  file: FileRef;
  /** Offset in the file of the batch's first byte. */
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

/** Numbers of the keys found in the value at [start, end). */
interface FoundKeys {
  start: number;
  end: number;
  numbers: Uint16Array;
}

/** The scanners that a batch's own is compared with. All batches share them, one after the other. */
class Others {
  /** The TypeScript scanner. */
  readonly slow: { rows: Rows; lines: LineScanner };
  #copy: { memory: WasmMemory; rows: Rows; lines: LineScanner } | undefined;
  static readonly #all = new Map<string, Others>();

  /** The scanners for these parameters of {@link LineScanner}. */
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

  /** The WebAssembly scanner, with a copy of bytes that are not in its memory. */
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

/** Scans each batch with the other scanner as well (`AUDITSHIP_VERIFY=1`), and checks that the results are equal, word by word. */
export class Verifier {
  readonly #others: Others;
  /** The value that each number stands for. */
  private readonly numbered = new Map<number, string>();
  private numbering: object = {};
  /** The kinds of one numbering, by number and by what the rows have in common. */
  private kinds = { numbering: {}, commons: new Map<number, string>(), numbers: new Map<string, number>() };
  /** Found during a stage, which may be retried or may go on without what it asked for. */
  private difference: AuditshipError | undefined;

  /** Takes the parameters of {@link LineScanner}. */
  constructor(maxRows: number, arrays: boolean) {
    this.#others = Others.of(maxRows, arrays);
  }

  /** Compares the two scanners. @throws AuditshipError AUDITSHIP_VERIFY at the first difference */
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

  /** Throws the first difference again, even if somebody caught it. */
  rethrow(): void {
    if (this.difference) throw this.difference;
  }

  /**
   * Checks that both find the same places of these needles, if WebAssembly can look for them. @throws AuditshipError; afterwards
   * {@link rethrow} throws it, too
   */
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

  /** Checks that documents written at once equal those written one by one. @throws as {@link checkFinds} */
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

  /** Checks that a column of times equals what TypeScript reads. @throws as {@link checkFinds} */
  checkTimes(field: Field, column: Float64Array, scanned: Scanned): void {
    const { rows, bytes } = scanned;
    const slow = new Float64Array(rows.count).fill(Number.NaN);
    fillTimes(slow, rows, bytes, field);
    const row = slow.findIndex((time, at) => !Object.is(time, column[at]));
    if (row < 0) return;
    this.fail(difference(scanned, rows, row, `time of ${FIELD_PATHS[field]}`, column[row], slow[row]));
  }

  /** Checks that in all batches of one numbering rows are of the same kind exactly if they are alike. @throws as {@link checkFinds} */
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
   * Checks the keys that were found in [start, end): none appears twice, every key with which a member's key ends is there, and
   * each occurs where a key could be.
   * @throws as {@link checkFinds}
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

  /** Checks that both find the same member of a member. @throws as {@link checkFinds} */
  checkInner(at: number, key: InnerKey, found: Inner, scanned: Scanned): void {
    const expected: Inner = { end: 0, start: 0, stop: 0, elsewhere: false };
    findInner(scanned.bytes, at, key, expected);
    const [fast, slow] = [found, expected].map(
      ({ end, start, stop, elsewhere }) => `${start} to ${stop} of ${end}${elsewhere ? " and elsewhere" : ""}`,
    );
    if (fast === slow) return;
    this.fail(difference(scanned, scanned.rows, rowAt(scanned.rows, at), `${key.outer}.${key.inner}`, fast, slow));
  }

  /** Checks that a value ends where TypeScript says. @throws as {@link checkFinds} */
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

  /** Checks that values with the same number are the same. */
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

/**
 * What rows of one kind have in common: the bytes of numbered fields, how the values of others begin, and on which side of each
 * latency they are.
 */
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

/** The keys of all members in the value at [start, end); empty if it cannot be opened. */
function memberNames(bytes: Buffer, start: number, end: number): string[] {
  const tape = new SpanTape();
  tape.reset(bytes);
  tape.append(bytes, start, end);
  return Array.from({ length: tape.count }, (_, node) => tape.key(node));
}

/** True if the text, which ends with a quote, is followed somewhere by a colon or white space, as a key is. */
function standsAsKey(bytes: Buffer, text: Buffer): boolean {
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) {
    const after = bytes[at + text.length];
    if (after === COLON || after <= SPACE) return true;
  }
  return false;
}

/** The row that contains an offset. */
function rowAt({ table, count }: Rows, at: number): number {
  let row = Math.max(count - 1, 0);
  while (row > 0 && table[row * ROW_WORDS + Row.start] > at) row--;
  return row;
}

/** The meaning of a word of a row. */
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
