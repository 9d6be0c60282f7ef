import type { Place } from "../../../plugin/index.js";
import { nearest } from "../../../plugin/nearest.js";
import type { Keys, RuleDocument } from "../../documents.js";
import { MarkedText } from "./marked-text.js";
import { problem } from "./problems.js";

type Json = Readonly<Record<string, unknown>>;

/** True for a YAML mapping. */
export function isMap(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * One mapping of a rules file, with values read as Falco's loader reads them: every scalar is a text. Throws AuditshipError for
 * values that are missing or of the wrong type.
 */
export class Item {
  constructor(
    private readonly document: RuleDocument,
    private readonly keys: Keys,
    private readonly value: Json,
  ) {}

  get names(): string[] {
    return Object.keys(this.value);
  }

  has(key: string): boolean {
    return Object.hasOwn(this.value, key);
  }

  get(key: string): unknown {
    return this.has(key) ? this.value[key] : undefined;
  }

  /** The place of the item, or of one of its values. */
  place(...keys: Keys): Place {
    return this.document.place([...this.keys, ...keys]);
  }

  /** A text that is required and must not be empty. */
  text(key: string): string {
    const text = this.optionalText(key);
    if (text === undefined) throw this.invalid(`It has no ${key}`);
    return text;
  }

  optionalText(key: string): string | undefined {
    if (!this.has(key)) return undefined;
    const value = this.value[key];
    if (value === null || value === "") throw this.invalid(`Its ${key} is empty`, key);
    if (typeof value !== "string") throw this.invalid(`Its ${key} is no text`, key);
    return value;
  }

  /** A text that may be missing or empty, such as `source:`. */
  textOrNothing(key: string): string {
    return this.get(key) === null || this.get(key) === "" ? "" : (this.optionalText(key) ?? "");
  }

  /** A boolean as yaml-cpp reads it. */
  optionalBoolean(key: string): boolean | undefined {
    const text = this.optionalText(key);
    if (text === undefined) return undefined;
    const isPlain = text === text.toLowerCase() || text === text.toUpperCase() || /^[A-Z][a-z]*$/.test(text);
    const value = isPlain ? BOOLEANS.get(text.toLowerCase()) : undefined;
    if (value === undefined) throw this.invalid(`Its ${key} is ${text}, neither true nor false`, key);
    return value;
  }

  /** Throws unless the value is missing or a 32-bit whole number. */
  checkNumber(key: string): void {
    const text = this.optionalText(key);
    if (text !== undefined && wholeNumber(text) === undefined)
      throw this.invalid(`Its ${key} is ${text}, no whole number`, key);
  }

  texts(key: string): string[] {
    if (!this.has(key)) throw this.invalid(`It has no ${key}`);
    return this.optionalTexts(key) ?? [];
  }

  optionalTexts(key: string): string[] | undefined {
    if (!this.has(key)) return undefined;
    const value = this.value[key];
    if (!Array.isArray(value)) throw this.invalid(`Its ${key} is no list`, key);
    return value.map((text, index) => {
      if (typeof text !== "string") throw this.invalid(`An item of its ${key} is no text`, key, index);
      return text;
    });
  }

  /** The mappings in a list. */
  items(key: string): Item[] {
    const value = this.get(key);
    if (!Array.isArray(value)) throw this.invalid(`Its ${key} is no list`, key);
    return value.map((item, index) => {
      if (!isMap(item)) throw this.invalid(`An item of its ${key} is no mapping`, key, index);
      return new Item(this.document, [...this.keys, key, index], item);
    });
  }

  /** A required text, with the place of every character. */
  marked(key: string, name: string, trim = false): MarkedText {
    const whole = this.text(key);
    const text = trim ? whole.trim() : whole;
    const lead = trim ? whole.length - whole.trimStart().length : 0;
    return MarkedText.of(name, text, (offset) => this.placeIn(key, offset + lead));
  }

  placeIn(key: string, offset: number): Place {
    return this.document.placeIn([...this.keys, key], offset);
  }

  invalid(message: string, ...keys: Keys) {
    return problem("LOAD_ERR_YAML_VALIDATE", message, this.place(...keys));
  }

  /** A warning for each key that has no meaning in an item of this kind. */
  *unknownKeys(known: readonly string[]): Generator<[message: string, place: Place]> {
    for (const key of this.names) {
      if (known.includes(key)) continue;
      const suggestion = nearest(key, known);
      yield [`The key ${key} means nothing here${suggestion ? `; did you mean ${suggestion}?` : ""}`, this.place(key)];
    }
  }
}

const BOOLEANS = new Map([
  ...["y", "yes", "true", "on"].map((word) => [word, true] as const),
  ...["n", "no", "false", "off"].map((word) => [word, false] as const),
]);

/** A 32-bit unsigned number as C++ streams read it; undefined if the text is not one. */
export function wholeNumber(text: string): number | undefined {
  const value = /^(?:0[xX][0-9a-fA-F]+|\d+)\s*$/.test(text) ? Number(text) : Number.NaN;
  return value <= 0xffff_ffff ? value : undefined;
}
