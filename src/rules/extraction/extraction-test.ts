import type { EventView, Field } from "../../plugin/index.js";
import { type SpanTest, spanTest } from "../spans.js";
import { isPlain } from "../text.js";
import { compareIntegers, compareTexts, lowerAscii, textTest } from "../text-test.js";
import { type Comparison, type Extraction, type ExtractionSource, Outcome, type Test, type TestNode } from "../tree.js";
import { type Extractor, untilNul, withoutNuls } from "./extract.js";
import { compileGlob } from "./glob.js";
import { rawText } from "./json.js";

/** A test of extracted texts. */
export type TextsTest = (texts: readonly string[], event: EventView) => Outcome;

const { no, yes } = Outcome;

/** The field of the table that a test reads, if it reads nothing else. */
export function onlyField(source: TestNode["path"]["source"], test: Test): Field | undefined {
  if (source.kind !== "extraction" || source.extraction.type !== "field" || test.op === "compared") return undefined;
  return source.extraction.field;
}

/** A test of an extraction, which compares the event's bytes where they give the answer. */
export function extractionTest(
  { test, negated }: TestNode,
  source: ExtractionSource,
  extract: (extraction: Extraction) => Extractor,
): (event: EventView) => Outcome {
  const field = onlyField(source, test);
  const isList = source.extraction.type === "field" && source.extraction.list === true;
  if (field !== undefined && !isList) {
    const holds: SpanTest = test.op === "exists" ? () => yes : plainTest(test, negated);
    return (event) => {
      const start = event.start(field);
      return start === 0 ? no : holds(event.batch.bytes, start, event.end(field));
    };
  }
  const read = extract(source.extraction);
  const holds = textsTest(test, negated, extract);
  return (event) => {
    const texts = read(event);
    return texts === undefined ? no : holds(texts, event);
  };
}

/** Compares bytes if nothing is escaped. An escaped NUL would end the text, whatever follows it. */
function plainTest(test: Exclude<Test, { op: "exists" }>, negated: boolean): SpanTest {
  const plain = spanTest(test, negated, rawText);
  const escaped = textTest(test, negated);
  return (bytes, start, end) =>
    isPlain(bytes, start, end) ? plain(bytes, start, end) : escaped(rawText(bytes, start, end));
}

/** Prepares a test. Texts may contain NULs, which count where upstream compares by length. */
export function textsTest(test: Test, negated: boolean, extract: (extraction: Extraction) => Extractor): TextsTest {
  switch (test.op) {
    case "exists":
      return () => yes;
    case "allIn": {
      const wanted = new Set(test.texts);
      return (texts) => outcome(texts.every((text) => wanted.has(text)) !== negated);
    }
    case "someIn": {
      const wanted = new Set(test.texts);
      return (texts) => outcome(texts.some((text) => wanted.has(text)) !== negated);
    }
    case "compared": {
      const other = extract(test.with);
      const holds = test.numbers ? comparedNumbers(test.compare) : COMPARED[test.compare];
      return (texts, event) => {
        const found = other(event);
        return found === undefined ? no : outcome(holds(texts, found) !== negated);
      };
    }
    default: {
      const holds = textTest(test, negated);
      const read = test.op === "in" || test.op === "matchesWhole" || test.op === "below" ? withoutNuls : untilNul;
      // An empty list, which getopt can return, has no text to test.
      return ([text]) => (text === undefined ? no : holds(read(text)));
    }
  }
}

const outcome = (holds: boolean): Outcome => (holds ? yes : no);

type Compared = (texts: readonly string[], others: readonly string[]) => boolean;

const onFirst =
  (holds: (a: string, b: string) => boolean): Compared =>
  ([a], [b]) =>
    a !== undefined && b !== undefined && holds(untilNul(a), untilNul(b));

const COMPARED: Record<Comparison, Compared> = {
  "=": onFirst((a, b) => a === b),
  "!=": onFirst((a, b) => a !== b),
  "<": onFirst((a, b) => compareTexts(a, b) < 0),
  "<=": onFirst((a, b) => compareTexts(a, b) <= 0),
  ">": onFirst((a, b) => compareTexts(a, b) > 0),
  ">=": onFirst((a, b) => compareTexts(a, b) >= 0),
  contains: onFirst((a, b) => a.includes(b)),
  containsAnyCase: onFirst((a, b) => lowerAscii(a).includes(lowerAscii(b))),
  startsWith: onFirst((a, b) => a.startsWith(b)),
  endsWith: onFirst((a, b) => a.endsWith(b)),
  glob: onFirst((a, b) => compileGlob(b)(a)),
  globAnyCase: onFirst((a, b) => compileGlob(b, true)(a)),
  // Upstream compares by length, and of transformed texts only one side drops the NUL at its end.
  same: ([a], [b]) => a !== undefined && withoutNuls(a) === b,
  allIn: (texts, others) => {
    const wanted = new Set(others);
    return texts.every((text) => wanted.has(text));
  },
  someIn: (texts, others) => {
    const wanted = new Set(others);
    return texts.some((text) => wanted.has(text));
  },
};

function comparedNumbers(compare: Comparison): Compared {
  switch (compare) {
    case "=":
    case "!=":
    case "<":
    case "<=":
    case ">":
    case ">=":
      return ([a], [b]) => a !== undefined && b !== undefined && compareIntegers(BigInt(a), compare, BigInt(b));
    default:
      return ([a], [b]) => a !== undefined && a === b;
  }
}
