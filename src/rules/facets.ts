import { Likeness } from "../plugin/index.js";
import type { Compiler } from "./compile.js";
import { onlyField } from "./extraction/extraction-test.js";
import type { Facet } from "./facet.js";
import { INTERNED } from "./intern.js";
import { KeyFacet } from "./key-facet.js";
import { LatencyFacet } from "./latency-facet.js";
import { PresenceFacet, ShapeFacet } from "./shape-facet.js";
import { TextFacet } from "./text-facet.js";
import { TimeFacet } from "./time-facet.js";
import type { Extraction, ExtractionSource, Test, TestNode, ValuesSource } from "./tree.js";
import { ValueFacet } from "./value-facet.js";

/** Creates the facets: one for each field that tests ask about, shared by all tests that do. */
export class Facets {
  private readonly all = new Map<string, Facet>();
  private readonly byTest = new Map<TestNode, readonly Facet[]>();

  constructor(private readonly compiler: Compiler) {}

  add(test: TestNode): void {
    if (this.byTest.has(test)) return;
    this.byTest.set(
      test,
      this.facetsOf(test).filter((facet) => facet.add(test)),
    );
  }

  /** The facets that may decide a test. */
  of(test: TestNode): readonly Facet[] {
    return this.byTest.get(test) ?? NONE;
  }

  /** What events must have in common to be alike for all facets that depend only on the kind. */
  likeness(): Likeness {
    const all = [...this.all.values()].flatMap(({ alike }) => alike ?? []);
    return new Likeness(
      [...new Set(all.flatMap(({ fields }) => fields))],
      all.flatMap(({ latencies }) => latencies),
    );
  }

  private facetsOf({ path: { source, steps }, test }: TestNode): readonly Facet[] {
    if (source.kind === "extraction") return this.facetsOfExtraction(source, test);
    if (source.kind === "values") return this.facetsOfValues(source, test);
    if (source.kind === "latency" && test.op === "number")
      return [this.facet("latency", () => new LatencyFacet(this.compiler))];
    if (source.kind !== "field") return NONE;
    const { field } = source;
    const isBody = steps.length > 0;
    if (INTERNED.has(field)) return [this.facet(`value ${field}`, () => new ValueFacet(field, this.compiler))];
    return [
      this.facet(`shape ${field}`, () => new ShapeFacet(field, this.compiler)),
      ...(isBody ? [this.facet(`keys ${field}`, () => new KeyFacet(field))] : []),
      this.facet(`text ${field} ${isBody}`, () => new TextFacet(field, isBody)),
    ];
  }

  private facetsOfValues(source: ValuesSource, test: Test): readonly Facet[] {
    const { root, names } = source;
    if (typeof root === "string" || test.op === "likeValue") return NONE;
    const isBody = names.length > 0;
    if (!isBody && INTERNED.has(root)) return [this.facet(`value ${root}`, () => new ValueFacet(root, this.compiler))];
    const text = this.facet(`text ${root} ${isBody}`, () => new TextFacet(root, isBody));
    // A null field has the same shape as a missing one.
    if (!isBody && test.op === "exists" && test.what !== undefined) return [text];
    const shape = this.facet(`shape ${root}`, () => new ShapeFacet(root, this.compiler));
    return isBody ? [shape, this.facet(`keys ${root}`, () => new KeyFacet(root)), text] : [shape, text];
  }

  private facetsOfExtraction(source: ExtractionSource, test: Test): readonly Facet[] {
    const field = onlyField(source, test);
    if (field !== undefined && INTERNED.has(field))
      return [this.facet(`value ${field}`, () => new ValueFacet(field, this.compiler))];
    if (isTime(source.extraction)) return [this.facet("time", () => new TimeFacet())];
    const { root } = source;
    const facets = root === undefined ? [] : [this.facet(`presence ${root}`, () => new PresenceFacet(root))];
    if (field !== undefined) facets.push(this.facet(`text ${field} false`, () => new TextFacet(field, false)));
    return facets;
  }

  private facet(key: string, make: () => Facet): Facet {
    const facet = this.all.get(key) ?? make();
    this.all.set(key, facet);
    return facet;
  }
}

function isTime(extraction: Extraction): boolean {
  return extraction.type === "field" && (extraction.name === "jevt.rawtime" || extraction.name === "json.rawtime");
}

const NONE: readonly Facet[] = [];
