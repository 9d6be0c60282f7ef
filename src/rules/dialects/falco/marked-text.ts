import type { Place } from "../../../plugin/index.js";
import { MAX_LENGTH } from "./parser.js";
import type { Text } from "./syntax.js";
import { SyntaxProblem } from "./syntax-problem.js";

/** Gives the place of a character in a text as it was written. */
export type PlaceOf = (offset: number) => Place;

/** A run of characters from one source. */
interface Piece {
  readonly text: string;
  readonly placeOf: PlaceOf;
  /** Offset of its first character, as `placeOf` counts it; an inserted piece has one place for all its characters. */
  readonly from: number;
  readonly putIn: boolean;
}

/** A text composed of pieces that remembers where each character came from. */
export class MarkedText implements Text {
  private readonly count: number;
  private joined: { readonly text: string; readonly starts: readonly number[] } | undefined;

  /** @param pieces shared with texts that append to this one: only the pieces present now are this text's */
  constructor(
    readonly name: string,
    private readonly pieces: Piece[],
    private readonly length = lengthOf(pieces),
  ) {
    this.count = pieces.length;
    if (length > MAX_LENGTH) {
      const text = { text: "", name, placeAt: () => this.placeAt(0) };
      throw new SyntaxProblem(`more than ${MAX_LENGTH} characters with all lists expanded`, { text, offset: 0 });
    }
  }

  static of(name: string, text: string, placeOf: PlaceOf): MarkedText {
    return new MarkedText(name, [{ text, placeOf, from: 0, putIn: false }]);
  }

  get text(): string {
    return this.whole().text;
  }

  /** Where each piece begins. */
  private get starts(): readonly number[] {
    return this.whole().starts;
  }

  /** Joined on demand, because a rule may first be appended to a thousand times. */
  private whole() {
    if (this.joined) return this.joined;
    const own = this.own();
    const starts: number[] = [];
    let length = 0;
    for (const { text } of own) {
      starts.push(length);
      length += text.length;
    }
    this.joined = { text: own.map(({ text }) => text).join(""), starts };
    return this.joined;
  }

  private own(): Piece[] {
    return this.pieces.length === this.count ? this.pieces : this.pieces.slice(0, this.count);
  }

  placeAt(offset: number): Place {
    const index = this.pieceAt(offset);
    const piece = this.pieces[index];
    return piece.placeOf(piece.putIn ? piece.from : piece.from + offset - this.starts[index]);
  }

  /** The last piece that begins at or before an offset. */
  private pieceAt(offset: number): number {
    let low = 0;
    let high = this.starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.starts[middle] <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** This text and another one, separated by a space. */
  append(text: string, placeOf: PlaceOf): MarkedText {
    const pieces = this.own();
    pieces.push({ text: " ", placeOf, from: 0, putIn: true }, { text, placeOf, from: 0, putIn: false });
    return new MarkedText(this.name, pieces, this.length + 1 + text.length);
  }

  /** This text with something before and after it. */
  wrap(before: string, behind: string, placeOf: PlaceOf): MarkedText {
    const put = (text: string): Piece => ({ text, placeOf, from: 0, putIn: true });
    return new MarkedText(this.name, [put(before), ...this.own(), put(behind)]);
  }

  /**
   * Inserts a list wherever its name occurs as a word; undefined if it does not occur. Works on the text, as upstream does, and
   * consumes the same spaces and commas (`resolve_list` of `rule_loader_compiler.cpp`).
   */
  substitute(name: string, items: string): MarkedText | undefined {
    const { text } = this;
    const out = new Output(this);
    let copied = 0;
    let used = false;
    for (let start = text.indexOf(name); start >= 0; ) {
      const end = start + name.length;
      if (!isDelimiter(start > copied ? text[start - 1] : out.last()) || !isDelimiter(text[end])) {
        start = text.indexOf(name, start + 1);
        continue;
      }
      used = true;
      let before = start;
      while (before > copied && isBlank(text[before - 1])) before--;
      let behind = end;
      while (isBlank(text[behind])) behind++;
      out.copy(copied, before);
      if (before === copied) out.dropBlanks();
      if (items === "") {
        if (out.last() === ",") out.drop();
        else if (text[behind] === ",") behind++;
      }
      const isFirst = out.last() === undefined;
      out.put(isFirst ? `${items} ` : ` ${items} `, start);
      copied = behind;
      start = text.indexOf(name, isFirst ? behind + 1 : behind);
    }
    if (!used) return undefined;
    out.copy(copied, text.length);
    return new MarkedText(this.name, out.pieces);
  }

  /** The pieces of [start, end). */
  slice(start: number, end: number): Piece[] {
    const slices: Piece[] = [];
    for (let index = this.pieceAt(start); index < this.count && this.starts[index] < end; index++) {
      const piece = this.pieces[index];
      const at = this.starts[index];
      const from = Math.max(start, at) - at;
      const to = Math.min(end, at + piece.text.length) - at;
      if (from >= to) continue;
      slices.push({ ...piece, text: piece.text.slice(from, to), from: piece.putIn ? piece.from : piece.from + from });
    }
    return slices;
  }
}

function lengthOf(pieces: readonly Piece[]): number {
  let length = 0;
  for (const { text } of pieces) length += text.length;
  return length;
}

/** A text being composed. */
class Output {
  readonly pieces: Piece[] = [];

  constructor(private readonly source: MarkedText) {}

  last(): string | undefined {
    return this.pieces.at(-1)?.text.at(-1);
  }

  copy(start: number, end: number): void {
    if (start < end) this.pieces.push(...this.source.slice(start, end));
  }

  /** Adds text in place of what was at an offset. */
  put(text: string, offset: number): void {
    const [{ placeOf, from }] = this.source.slice(offset, offset + 1);
    this.pieces.push({ text, placeOf, from, putIn: true });
  }

  drop(): void {
    const piece = this.pieces.pop();
    if (piece && piece.text.length > 1) this.pieces.push({ ...piece, text: piece.text.slice(0, -1) });
  }

  dropBlanks(): void {
    while (isBlank(this.last())) this.drop();
  }
}

const BLANKS = " \t\n\r";
const DELIMITERS = `${BLANKS}(),=`;

function isBlank(char: string | undefined): boolean {
  return char !== undefined && BLANKS.includes(char);
}

/** The text's ends count as delimiters too. */
function isDelimiter(char: string | undefined): boolean {
  return char === undefined || DELIMITERS.includes(char);
}
