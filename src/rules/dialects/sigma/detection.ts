import type { Place } from "../../../plugin/index.js";
import type { Keys, RuleDocument } from "../../documents.js";
import { compilePattern } from "../../pattern.js";
import { lowerText, numberText } from "../../text.js";
import type { Expression, Test, TestNode, ValuesSource } from "../../tree.js";
import { MAX_TESTS, type Search } from "./condition.js";
import { type Location, type Mapping, pathOf } from "./mapping.js";
import { asUtf8, isModifier, ModifierError, modify, nearestModifier, type Placeholders } from "./modifiers.js";
import { between, parsePattern, patternTest, plainText } from "./pattern.js";
import { invalid, quoted } from "./problem.js";
import type { FieldValue, TextValue, Value } from "./values.js";

/** Deepest nesting of lists within lists. */
const MAX_DEPTH = 20;
/** Longer patterns with wildcards and longer regular expressions are refused. */
const MAX_PATTERN = 10_000;

/** Members of `detection` that are no searches. */
const NO_SEARCHES = ["condition", "timeframe"];

/** A field with its modifiers, or keywords. */
interface Item {
  /** Undefined for keywords, which are looked for in all strings. */
  readonly field: string | undefined;
  readonly modifiers: readonly string[];
  /** `field|modifier`, as written. */
  readonly text: string;
  readonly keys: Keys;
  readonly place: Place;
}

export interface DetectionContext {
  readonly document: RuleDocument;
  readonly mapping: Mapping;
  readonly placeholders: Placeholders;
  /** Called for each field name that is read. */
  named?(field: string, place: Place): void;
}

/** Reads searches: what is below their names in `detection`. Throws AuditshipError. */
export class DetectionReader {
  private tests = 0;

  constructor(private readonly context: DetectionContext) {}

  /** The searches of a `detection`, by name. */
  searches(detection: Readonly<Record<string, unknown>>, keys: Keys): Map<string, Search> {
    const named = Object.entries(detection).filter(([name]) => !NO_SEARCHES.includes(name));
    return new Map(named.map(([name, value]) => [name, this.search(value, [...keys, name])]));
  }

  search(value: unknown, keys: Keys): Search {
    const before = this.tests;
    return { expression: this.definition(value, keys, 0), size: this.tests - before };
  }

  /** A map asks for all of its members, a list of maps for one of the maps, texts for one of these keywords. */
  private definition(value: unknown, keys: Keys, depth: number): Expression {
    if (depth > MAX_DEPTH) throw invalid(`lists are nested more than ${MAX_DEPTH} deep`, this.place(keys));
    if (Array.isArray(value)) {
      if (value.length === 0) throw invalid("the search is empty", this.place(keys));
      if (!value.some(isContainer)) return this.item({ ...KEYWORD, keys, place: this.place(keys) }, value);
      return any(value.map((one, index) => this.definition(one, [...keys, index], depth + 1)));
    }
    if (!isContainer(value)) return this.item({ ...KEYWORD, keys, place: this.place(keys) }, value);
    const items = Object.entries(value).map(([key, wanted]) => this.item(this.key(key, [...keys, key]), wanted));
    if (items.length === 0) throw invalid("the search is empty", this.place(keys));
    return linked("and", items);
  }

  /** `field|modifier|modifier`. */
  private key(text: string, keys: Keys): Item {
    const [field, ...modifiers] = text.split("|");
    const place = this.context.document.placeOfKey(keys);
    let offset = field.length + 1;
    for (const modifier of modifiers) {
      if (!isModifier(modifier)) throw this.unknownModifier(modifier, text, keys, offset);
      offset += modifier.length + 1;
    }
    if (field !== "") this.context.named?.(field, place);
    return { field: field === "" ? undefined : field, modifiers, text, keys, place };
  }

  private unknownModifier(modifier: string, text: string, keys: Keys, offset: number): Error {
    const suggestion = nearestModifier(modifier);
    const hint = suggestion ? `; did you mean ${suggestion}?` : "";
    const place = this.context.document.placeOfKey(keys, offset);
    return invalid(`there is no modifier ${quoted(modifier)} in ${quoted(text)}${hint}`, place);
  }

  private item(item: Item, wanted: unknown): Expression {
    const list = Array.isArray(wanted) ? wanted : [wanted];
    const values = list.map((one, index) =>
      this.value(one, item, Array.isArray(wanted) ? [...item.keys, index] : item.keys),
    );
    if (Array.isArray(wanted) && values.length > 1 && values.some(({ value }) => value.type === "null"))
      throw invalid(
        `null cannot be one of several values of ${quoted(item.text)}; give it a search of its own`,
        item.place,
      );
    const found = values.length === 0 ? [{ value: NULL, keys: item.keys }] : values;
    const expression = item.modifiers.includes("all")
      ? linked(
          "and",
          found.map((one) => this.anyOf([one], item)),
        )
      : this.anyOf(found, item);
    return item.modifiers.includes("neq") ? { type: "not", operand: expression } : expression;
  }

  private value(wanted: unknown, item: Item, keys: Keys): Placed {
    const { modifiers } = item;
    const isRaw = modifiers.includes("re");
    const value = this.plainValue(wanted, isRaw, keys);
    try {
      return { value: modify(value, modifiers, this.context.placeholders), keys };
    } catch (error) {
      if (!(error instanceof ModifierError)) throw error;
      const shown = value.type === "null" ? "null" : quoted(String(wanted));
      throw invalid(`${shown} does not fit ${quoted(item.text)}: ${error.message}`, this.place(keys));
    }
  }

  private plainValue(wanted: unknown, isRaw: boolean, keys: Keys): Value {
    switch (typeof wanted) {
      case "string":
        return { type: "text", parts: isRaw ? [wanted] : parsePattern(wanted) };
      case "number":
        return { type: "number", value: wanted, text: numberText(String(wanted)) };
      case "bigint":
        return { type: "number", value: Number(wanted), text: String(wanted) };
      case "boolean":
        return { type: "boolean", value: wanted };
      default:
        if (wanted === null) return NULL;
        throw invalid("a value is a text, a number, true, false, null, or a list of these", this.place(keys));
    }
  }

  /** Asks for one of the values. Texts and numbers that only need to be equal share one look-up. */
  private anyOf(values: readonly Placed[], item: Item): Expression {
    const all = values.flatMap(({ value, keys }) =>
      value.type === "oneOf" ? value.values.map((one) => ({ value: one, keys })) : [{ value, keys }],
    );
    const equal = new Map<"lower" | undefined, string[]>();
    const alternatives: Expression[] = [];
    for (const { value, keys } of all) {
      const text = item.field === undefined ? undefined : this.equalText(value, item.field);
      if (text === undefined) alternatives.push(this.one(value, item, keys));
      else equal.set(text.fold, [...(equal.get(text.fold) ?? []), text.text]);
    }
    for (const [fold, texts] of equal) {
      const test: Test = texts.length === 1 ? { op: "equals", text: texts[0] } : { op: "in", texts };
      alternatives.unshift(this.fieldTest(item, fold, test, texts.map(quoted).slice(0, 20).join(", ")));
    }
    return any(alternatives);
  }

  /** The text that the field must equal; undefined if the value asks for more than equality. */
  private equalText(value: Value, field: string): { text: string; fold: "lower" | undefined } | undefined {
    switch (value.type) {
      case "number":
        return { text: lowerText(value.text), fold: "lower" };
      case "boolean":
        return { text: String(value.value), fold: "lower" };
      case "text": {
        const text = plainText(value.parts);
        if (text === undefined || value.bytes || this.context.mapping.replacement(field, lowerText(text)))
          return undefined;
        return value.cased ? { text, fold: undefined } : { text: lowerText(text), fold: "lower" };
      }
      default:
        return undefined;
    }
  }

  private one(value: Value, item: Item, keys: Keys): Expression {
    if (item.field === undefined) return this.keyword(value, item, keys);
    switch (value.type) {
      case "text":
        return this.textTest(value, item, item.field, keys);
      case "null": {
        const isNull = this.fieldTest(item, undefined, { op: "exists", what: "null" }, "null");
        const isThere = this.fieldTest(item, undefined, { op: "exists" }, "*");
        return any([isNull, { type: "not", operand: isThere }]);
      }
      case "exists": {
        const isThere = this.fieldTest(item, undefined, { op: "exists", what: "member" }, "true");
        return value.value ? isThere : { type: "not", operand: isThere };
      }
      case "field":
        return this.fieldTest(item, value.cased ? undefined : "lower", this.likeValue(value, keys), value.name);
      default:
        return this.fieldTest(item, undefined, this.exactTest(value, keys), shown(value));
    }
  }

  private textTest(value: TextValue, item: Item, field: string, keys: Keys): Expression {
    const plain = plainText(value.parts);
    const other = plain === undefined ? undefined : this.context.mapping.replacement(field, lowerText(plain));
    if (other)
      return this.fieldTest(
        { ...item, field: other.field },
        "lower",
        { op: "equals", text: other.value },
        quoted(plain ?? ""),
      );
    const fold = value.cased ? undefined : "lower";
    return this.fieldTest(item, fold, this.pattern(value, keys), quoted(written(value)));
  }

  /** A keyword is looked for anywhere in a string. */
  private keyword(value: Value, item: Item, keys: Keys): Expression {
    const source = (fold: "lower" | undefined): TestNode["path"]["source"] => ({ kind: "strings", fold });
    const make = (fold: "lower" | undefined, test: Test, text: string): TestNode => {
      this.count(1, item.place);
      return {
        type: "test",
        path: { text: "keywords", source: source(fold), steps: [] },
        test,
        negated: false,
        text: `keyword ${text}`,
      };
    };
    switch (value.type) {
      case "number":
      case "boolean":
        return make("lower", { op: "contains", text: String(value.value) }, String(value.value));
      case "text": {
        const [before, after] = [!item.modifiers.includes("startswith"), !item.modifiers.includes("endswith")];
        const open = { ...value, parts: between(value.parts, before, after) };
        return make(value.cased ? undefined : "lower", this.pattern(open, keys), quoted(written(value)));
      }
      case "regex":
        return make(undefined, this.exactTest(value, keys), shown(value));
      default:
        throw invalid(`${item.text === "" ? shown(value) : quoted(item.text)} needs a field`, item.place);
    }
  }

  /** The test for a text, in lower case unless the text is cased. */
  private pattern(value: TextValue, keys: Keys): Exclude<Test, { op: "likeValue" }> {
    if (value.bytes && !value.parts.some((part) => typeof part !== "string")) this.checkEncoding(value.bytes, keys);
    const parts = value.cased
      ? value.parts
      : value.parts.map((part) => (typeof part === "string" ? lowerText(part) : part));
    const test = patternTest(parts);
    if (test.op === "matches") this.checkPattern(test.pattern, keys);
    return test;
  }

  private checkEncoding(bytes: Buffer, keys: Keys): void {
    try {
      asUtf8(bytes);
    } catch (error) {
      throw invalid((error as Error).message, this.place(keys));
    }
  }

  private exactTest(value: Exclude<Value, TextValue | FieldValue>, keys: Keys): Test {
    switch (value.type) {
      case "regex": {
        const pattern = value.flags === "" ? value.pattern : `(?${value.flags})${value.pattern}`;
        this.checkPattern(pattern, keys);
        return { op: "matches", pattern };
      }
      case "network":
        return { op: "inNetwork", network: value.network };
      case "compare": {
        const { compare, value: number, part } = value;
        return part === undefined
          ? { op: "numeric", compare, value: number }
          : { op: "timePart", part, compare, value: number };
      }
      default:
        throw new Error(`${value.type} is no test of its own`);
    }
  }

  private checkPattern(pattern: string, keys: Keys): void {
    if (pattern.length > MAX_PATTERN)
      throw invalid(`the pattern has ${pattern.length} characters, more than ${MAX_PATTERN}`, this.place(keys));
    try {
      compilePattern(pattern);
    } catch (error) {
      const reason = (error as Error).message;
      throw invalid(
        `${quoted(pattern)} is no regular expression (${reason}); RE2 syntax is read`,
        this.place(keys),
        "AUDITSHIP_RULE_SYNTAX",
      );
    }
  }

  private likeValue({ name, compare, cased }: FieldValue, keys: Keys): Test {
    this.context.named?.(name, this.place(keys));
    const of = this.locations(name, this.place(keys)).map((location) => source(location, cased ? undefined : "lower"));
    return { op: "likeValue", compare, of };
  }

  /** Tests a field's values, in every place where they may lie. */
  private fieldTest(item: Item, fold: "lower" | undefined, test: Test, wanted: string): Expression {
    // Whether there is a value does not depend on its case.
    const inCase = test.op === "exists" ? undefined : fold;
    const locations = this.locations(item.field ?? "", item.place);
    this.count(locations.length, item.place);
    return any(
      locations.map((location) => ({
        type: "test",
        path: { text: item.field ?? "", source: source(location, inCase), steps: [] },
        test,
        negated: false,
        text: `${item.text}${locations.length > 1 ? ` (${pathOf(location)})` : ""}: ${wanted}`,
      })),
    );
  }

  private locations(field: string, place: Place): Location[] {
    const found = this.context.mapping.locations(field);
    if (found === undefined) throw invalid(`the field ${quoted(field)} has too many parts`, place);
    return found;
  }

  private count(tests: number, place: Place): void {
    this.tests += tests;
    if (this.tests > MAX_TESTS) throw invalid(`it makes more than ${MAX_TESTS} tests`, place);
  }

  private place(keys: Keys): Place {
    return this.context.document.place(keys);
  }
}

/** A value and its place. */
interface Placed {
  readonly value: Value;
  readonly keys: Keys;
}

const KEYWORD = { field: undefined, modifiers: [], text: "" } as const;
const NULL: Value = { type: "null" };

const isContainer = (value: unknown): value is object => typeof value === "object" && value !== null;

const any = (operands: readonly Expression[]): Expression => linked("or", operands);

function linked(type: "and" | "or", operands: readonly Expression[]): Expression {
  return operands.length === 1 ? operands[0] : { type, operands };
}

function source({ root, names }: Location, fold: "lower" | undefined): ValuesSource {
  return fold === undefined ? { kind: "values", root, names } : { kind: "values", root, names, fold };
}

const SIGNS = new Map<string, string>([
  ["[\\s\\S]*", "*"],
  ["[\\s\\S]", "?"],
]);

/** A pattern as rules write it. */
function written({ parts }: TextValue): string {
  return parts
    .map((part) => (typeof part === "string" ? part.replace(/[*?]/g, "\\$&") : (SIGNS.get(part.matches) ?? "-")))
    .join("");
}

function shown(value: Value): string {
  switch (value.type) {
    case "regex":
      return quoted(value.pattern);
    case "network":
      return value.network;
    case "compare":
      return `${value.compare} ${value.value}`;
    default:
      return value.type;
  }
}
