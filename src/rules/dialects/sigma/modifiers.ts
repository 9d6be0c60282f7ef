import { nearest } from "../../../plugin/nearest.js";
import { parseNetwork } from "../../network.js";
import type { NumberComparison, TimePart } from "../../tree.js";
import { between, DASH, DASHES, joined, type Part, parsePattern, plainText } from "./pattern.js";
import type { FieldValue, RegexValue, TextValue, Value } from "./values.js";

/** A modifier that does not fit its value. */
export class ModifierError extends Error {}

/** Most values that one value is expanded to. */
const MAX_EXPANDED = 1000;

/** Values of placeholders, by name. */
export type Placeholders = ReadonlyMap<string, readonly string[]>;

export interface ModifierContext {
  readonly placeholders: Placeholders;
  /** The modifiers before this one. */
  readonly before: readonly string[];
}

/** Changes one value. Throws {@link ModifierError}. */
type Modifier = (value: Value, context: ModifierContext) => Value;

/**
 * What modifiers do to values: `sigma-appendix-modifiers.md` 2.1 of the specification and, where that is silent,
 * `sigma/modifiers.py` of pySigma. `all` and `neq` are not here, because they change how values are linked.
 */
const MODIFIERS: Readonly<Record<string, Modifier>> = {
  contains: wrapped(true, true),
  startswith: wrapped(false, true),
  endswith: wrapped(true, false),
  cased: (value) => {
    if (value.type === "field") return { ...value, cased: true };
    return { ...text(value), cased: true };
  },
  re: (value, { before }) => {
    if (before.length > 0) throw new ModifierError("re comes before all other modifiers");
    return { type: "regex", pattern: rawText(value), flags: "" };
  },
  i: flag("i"),
  m: flag("m"),
  s: flag("s"),
  ignorecase: flag("i"),
  multiline: flag("m"),
  dotall: flag("s"),
  base64: (value) => ofText(bytesOf(value, "base64").toString("base64"), value),
  base64offset: (value) => {
    const bytes = bytesOf(value, "base64offset");
    return { type: "oneOf", values: [0, 1, 2].map((offset) => ofText(base64At(bytes, offset), value)) };
  },
  utf16le: encoded((part) => Buffer.from(part, "utf16le")),
  wide: encoded((part) => Buffer.from(part, "utf16le")),
  utf16be: encoded((part) => Buffer.from(part, "utf16le").swap16()),
  utf16: (value) => {
    const { bytes } = encoded((part) => Buffer.from(part, "utf16le"))(value, NOTHING) as TextValue;
    if (!bytes) throw new ModifierError("utf16 takes no wildcards");
    return { ...text(value), bytes: Buffer.concat([Buffer.from([0xff, 0xfe]), bytes]) };
  },
  windash: (value) => {
    const { parts, cased } = text(value);
    const all = parts.flatMap((part) => (typeof part === "string" ? dashes(part) : [part]));
    return { type: "text", parts: joined(all), cased };
  },
  exists: (value, { before }) => {
    if (value.type !== "boolean" || before.length > 0)
      throw new ModifierError("exists stands alone, and takes true or false");
    return { type: "exists", value: value.value };
  },
  cidr: (value, { before }) => {
    const network = value.type === "text" ? plainText(value.parts) : undefined;
    if (network === undefined || before.length > 0 || parseNetwork(network) === undefined)
      throw new ModifierError("cidr takes a network, such as 10.0.0.0/8 or fd00::/8");
    return { type: "network", network };
  },
  lt: comparing("<"),
  lte: comparing("<="),
  gt: comparing(">"),
  gte: comparing(">="),
  minute: timePart("minute"),
  hour: timePart("hour"),
  day: timePart("day"),
  week: timePart("week"),
  month: timePart("month"),
  year: timePart("year"),
  fieldref: (value) => {
    const name = plainText(text(value).parts);
    if (!name) throw new ModifierError("fieldref takes the name of a field, without wildcards");
    return { type: "field", name, compare: "equals", cased: text(value).cased };
  },
  expand: (value, { placeholders }) => {
    if (value.type === "regex") {
      const expanded = expansions([value.pattern], placeholders, (inserted) => [inserted]);
      return oneOf(expanded.map((parts) => ({ ...value, pattern: parts.join("") })));
    }
    const { parts, cased } = text(value);
    const expanded = expansions(parts, placeholders, parsePattern);
    return oneOf(expanded.map((all) => ({ type: "text", parts: joined(all), cased })));
  },
};

const NOTHING: ModifierContext = { placeholders: new Map(), before: [] };

/** Modifiers that change how values are linked. */
const LINKING = ["all", "neq"];
/** Modifiers that work on bytes. */
const ENCODING = ["base64", "base64offset", "utf16le", "wide", "utf16be", "utf16"];

export function isModifier(name: string): boolean {
  return LINKING.includes(name) || Object.hasOwn(MODIFIERS, name);
}

/** The modifier that was most likely meant. */
export function nearestModifier(name: string): string | undefined {
  return nearest(name, [...LINKING, ...Object.keys(MODIFIERS)]);
}

/** Applies the modifiers to a value, in their order. Throws {@link ModifierError}. */
export function modify(value: Value, modifiers: readonly string[], placeholders: Placeholders): Value {
  const names = modifiers.filter((name) => !LINKING.includes(name));
  return names.reduce(
    (changed, name, index) => apply(name, changed, { placeholders, before: names.slice(0, index) }),
    value,
  );
}

function apply(name: string, value: Value, context: ModifierContext): Value {
  if (value.type === "oneOf") return oneOf(value.values.map((one) => apply(name, one, context)));
  const spelt = ENCODING.includes(name) && value.type === "text" ? spellDashes(value) : value;
  return spelt.type === "oneOf" ? apply(name, spelt, context) : MODIFIERS[name](spelt, context);
}

/** Every spelling of a text with dashes. */
function spellDashes(value: TextValue): Value {
  let all: Part[][] = [[]];
  for (const part of value.parts) {
    const choices = part === DASH ? DASHES : [part];
    if (all.length * choices.length > MAX_EXPANDED)
      throw new ModifierError(`it stands for more than ${MAX_EXPANDED} values`);
    all = all.flatMap((before) => choices.map((choice) => [...before, choice]));
  }
  return all.length === 1 ? value : oneOf(all.map((parts) => ({ ...value, parts: joined(parts) })));
}

function oneOf(values: readonly Value[]): Value {
  const all = values.flatMap((value) => (value.type === "oneOf" ? value.values : [value]));
  if (all.length > MAX_EXPANDED) throw new ModifierError(`it stands for more than ${MAX_EXPANDED} values`);
  return all.length === 1 ? all[0] : { type: "oneOf", values: all };
}

/** The value as a text; numbers and booleans have one too. */
function text(value: Value): TextValue {
  if (value.type === "text") return value;
  if (value.type === "number") return { type: "text", parts: [value.text] };
  if (value.type === "boolean") return { type: "text", parts: [String(value.value)] };
  throw new ModifierError(`it takes a text, not ${article(value.type)}`);
}

function article(type: Value["type"]): string {
  return type === "null" ? "null" : `a ${type === "regex" ? "regular expression" : type}`;
}

/** The text as written, for regular expressions: nothing in it is a wildcard. */
function rawText(value: Value): string {
  const plain = plainText(text(value).parts);
  if (!plain) throw new ModifierError("a regular expression must not be empty");
  return plain;
}

function ofText(content: string, from: Value): TextValue {
  return { type: "text", parts: [content], cased: text(from).cased };
}

function wrapped(before: boolean, after: boolean): Modifier {
  return (value) => {
    if (value.type === "regex") return { ...value, pattern: pinned(value, before, after) };
    if (value.type === "field") return { ...value, compare: FIELD_COMPARISONS[`${before} ${after}`] };
    const { parts, ...rest } = text(value);
    return { ...rest, parts: between(parts, before, after) };
  };
}

const FIELD_COMPARISONS: Record<string, FieldValue["compare"]> = {
  "true true": "contains",
  "false true": "startsWith",
  "true false": "endsWith",
};

/** Anchors a regular expression, which otherwise matches anywhere, unless anything may precede and follow it. */
function pinned({ pattern }: RegexValue, before: boolean, after: boolean): string {
  if (before && after) return pattern;
  return after ? `^(?:${pattern})` : `(?:${pattern})$`;
}

function flag(letter: string): Modifier {
  return (value) => {
    if (value.type !== "regex") throw new ModifierError(`${letter} belongs behind re`);
    return { ...value, flags: value.flags.includes(letter) ? value.flags : value.flags + letter };
  };
}

function comparing(compare: NumberComparison): Modifier {
  return (value) => {
    if (value.type === "number") return { type: "compare", compare, value: value.value };
    if (value.type === "compare" && value.part !== undefined && value.compare === "=") return { ...value, compare };
    throw new ModifierError("it compares with a number, written without quotation marks");
  };
}

function timePart(part: TimePart): Modifier {
  return (value) => {
    if (value.type !== "number") throw new ModifierError(`${part} takes a number`);
    return { type: "compare", compare: "=", value: value.value, part };
  };
}

/** Replaces texts by their encoded bytes. If these are not valid UTF-8, the text can only be used by `base64`. */
function encoded(encode: (text: string) => Buffer): Modifier {
  return (value) => {
    const { parts, ...rest } = text(value);
    const plain = plainText(parts);
    if (plain !== undefined) {
      const bytes = encode(plain);
      return { ...rest, parts: [bytes.toString()], bytes };
    }
    return { ...rest, parts: parts.map((part) => (typeof part === "string" ? asUtf8(encode(part)) : part)) };
  };
}

/** Throws if the bytes are not valid UTF-8. */
export function asUtf8(bytes: Buffer): string {
  const decoded = bytes.toString();
  if (Buffer.from(decoded).equals(bytes)) return decoded;
  throw new ModifierError("what it is encoded to is no text; put base64 or base64offset behind");
}

function bytesOf(value: Value, modifier: string): Buffer {
  const { parts, bytes } = text(value);
  const plain = plainText(parts);
  if (plain === undefined) throw new ModifierError(`${modifier} takes no wildcards`);
  return bytes ?? Buffer.from(plain);
}

/** The part that the Base64 of any text has in common if the text contains these bytes at this offset from a multiple of three. */
function base64At(bytes: Buffer, offset: number): string {
  const all = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
  const start = [0, 2, 3][offset];
  const cut = [0, 3, 2][(bytes.length + offset) % 3];
  return all.slice(start, all.length - cut);
}

/** Splits at each dash or slash that begins a word and does not follow one. */
function dashes(content: string): Part[] {
  return content
    .split(/(?<![\p{L}\p{N}_])[-/\u2013\u2014\u2015](?=[\p{L}\p{N}_])/u)
    .flatMap((piece, index) => (index === 0 ? [piece] : [DASH, piece]));
}

/** The parts with every placeholder `%name%` replaced, in every combination. */
function expansions(
  parts: readonly Part[],
  placeholders: Placeholders,
  partsOf: (value: string) => readonly Part[],
): Part[][] {
  let all: Part[][] = [[]];
  const append = (choices: readonly (readonly Part[])[]) => {
    if (all.length * choices.length > MAX_EXPANDED)
      throw new ModifierError(`it stands for more than ${MAX_EXPANDED} values`);
    all = all.flatMap((before) => choices.map((choice) => [...before, ...choice]));
  };
  for (const part of parts) {
    if (typeof part !== "string") {
      append([[part]]);
      continue;
    }
    let at = 0;
    for (const { 0: whole, 1: name, index } of part.matchAll(/(?<!\\)%([^%]+)%/g)) {
      append([[unescaped(part.slice(at, index))]]);
      append(valuesOf(name, placeholders).map(partsOf));
      at = index + whole.length;
    }
    append([[unescaped(part.slice(at))]]);
  }
  return all;
}

const unescaped = (content: string): string => content.replaceAll("\\%", "%");

function valuesOf(name: string, placeholders: Placeholders): readonly string[] {
  const values = placeholders.get(name);
  if (values !== undefined && values.length > 0) return values;
  const suggestion = nearest(name, placeholders.keys());
  const hint = suggestion ? `; did you mean %${suggestion}%?` : "; give it in rules.sigma.placeholders";
  throw new ModifierError(`there are no values for the placeholder %${name}%${hint}`);
}
