import type { EventView, Field } from "../plugin/index.js";
import { onlyField } from "./extraction/extraction-test.js";
import type { Facet } from "./facet.js";
import type { Knowledge } from "./fold.js";
import { Needs } from "./needs.js";
import type { ExtractionSource, TestNode } from "./tree.js";

const QUOTE = 0x22;

/** Which of the texts that tests look for are in a value. */
export class TextFacet implements Facet {
  readonly alike = undefined;
  readonly cost: number;
  private readonly needs: Needs;

  /**
   * @param isBody tests of what lies below the field; else of its value, which is a string
   * @param anyCase tests of that string in lower case
   */
  constructor(
    private readonly field: Field,
    private readonly isBody: boolean,
    private readonly anyCase = false,
  ) {
    this.cost = isBody ? 100 : 5;
    this.needs = new Needs(anyCase);
  }

  add(test: TestNode): boolean {
    const { source, steps } = test.path;
    if (source.kind === "extraction") return this.isPlain && isOneField(source, test) && this.needs.add(test);
    if (source.kind === "values") {
      const isOurs = source.names.length > 0 ? this.isBody : !this.isBody && (source.fold === "lower") === this.anyCase;
      return isOurs && this.needs.add(test);
    }
    const isPlain = !this.anyCase && source.kind === "field" && source.fold === undefined;
    return isPlain && steps.length > 0 === this.isBody && this.needs.add(test);
  }

  /** It looks at whole texts as they are. */
  private get isPlain(): boolean {
    return !this.isBody && !this.anyCase;
  }

  classOf(event: EventView): number {
    const start = event.start(this.field);
    const { bytes } = event.batch;
    if (start === 0 || (!this.isBody && bytes[start] !== QUOTE)) return 0;
    return this.needs.run(bytes, start, event.end(this.field)) + 1;
  }

  get size(): number {
    return this.needs.size;
  }

  tell(valueClass: number, _: EventView, known: Knowledge): void {
    if (valueClass > 0) this.needs.tell(valueClass - 1, known);
  }
}

/** True for a test of the one text of a field. */
function isOneField(source: ExtractionSource, { test }: TestNode): boolean {
  return onlyField(source, test) !== undefined && source.extraction.type === "field" && !source.extraction.list;
}
