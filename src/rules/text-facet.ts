import { type EventView, type Field, QUOTE } from "../plugin/index.js";
import { onlyField } from "./extraction/extraction-test.js";
import type { Facet } from "./facet.js";
import type { Knowledge } from "./fold.js";
import { Needs } from "./needs.js";
import { Sieve } from "./sieve.js";
import type { ExtractionSource, TestNode } from "./tree.js";

const MAX_CLASSES = 1 << 13;
/** More than {@link Needs} has numbers, including -1 for what cannot be told. */
const NUMBERS = 1 << 13;

/** Which of the texts that tests look for occur in a value. */
export class TextFacet implements Facet {
  readonly alike = undefined;
  readonly cost: number;
  private readonly asItIs = new Needs();
  private readonly inLowerCase = new Needs(true);
  /** Recognises most strings that contain none of the texts. */
  private sieve: Sieve | undefined;
  /** For each class, what the value contains: a number from each of the two, -1 where it cannot be told. */
  private readonly found: (readonly [asItIs: number, inLowerCase: number])[] = [
    [-1, -1],
    [0, 0],
  ];
  private readonly classes = new Map<number, number>(
    this.found.map(([a, b], index) => [(a + 1) * NUMBERS + b + 1, index]),
  );

  /** @param isBody tests look below the field; otherwise at its value, which is a string */
  constructor(
    private readonly field: Field,
    private readonly isBody: boolean,
  ) {
    this.cost = isBody ? 100 : 5;
  }

  add(test: TestNode): boolean {
    const { source, steps } = test.path;
    if (source.kind === "extraction") return !this.isBody && isOneField(source, test) && this.asItIs.add(test);
    if (source.kind === "values") {
      if (source.names.length > 0 !== this.isBody) return false;
      return source.fold === "lower" && !this.isBody ? this.inLowerCase.add(test) : this.asItIs.add(test);
    }
    const isPlain = source.kind === "field" && source.fold === undefined;
    return isPlain && steps.length > 0 === this.isBody && this.asItIs.add(test);
  }

  classOf(event: EventView): number {
    const start = event.start(this.field);
    const { bytes } = event.batch;
    if (start === 0) return UNKNOWN;
    const end = event.end(this.field);
    if (this.isBody) return this.classOfFound(this.asItIs.run(bytes, start, end), 0);
    if (bytes[start] !== QUOTE) return UNKNOWN;
    this.sieve ??= new Sieve([...this.asItIs.texts, ...this.inLowerCase.texts]);
    if (this.sieve.isClear(bytes, start, end)) return CLEAR;
    return this.classOfFound(this.asItIs.run(bytes, start, end), this.inLowerCase.run(bytes, start, end));
  }

  get size(): number {
    return this.asItIs.size + this.inLowerCase.size;
  }

  tell(valueClass: number, _: EventView, known: Knowledge): void {
    const [asItIs, inLowerCase] = this.found[valueClass];
    if (asItIs >= 0) this.asItIs.tell(asItIs, known);
    if (inLowerCase >= 0) this.inLowerCase.tell(inLowerCase, known);
  }

  private classOfFound(asItIs: number, inLowerCase: number): number {
    const key = (asItIs + 1) * NUMBERS + inLowerCase + 1;
    const known = this.classes.get(key);
    if (known !== undefined) return known;
    if (this.found.length === MAX_CLASSES) return UNKNOWN;
    this.classes.set(key, this.found.length);
    return this.found.push([asItIs, inLowerCase]) - 1;
  }
}

/** The classes that exist from the start. */
const UNKNOWN = 0;
const CLEAR = 1;

/** True for a test of a field's only text. */
function isOneField(source: ExtractionSource, { test }: TestNode): boolean {
  return onlyField(source, test) !== undefined && source.extraction.type === "field" && !source.extraction.list;
}
