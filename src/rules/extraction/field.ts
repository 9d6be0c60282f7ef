import type { Json } from "./json.js";

/** A field's texts for an event: undefined if it is absent, otherwise one, or those of a list. A list is never empty. */
export type Texts = readonly string[] | undefined;

/** A field that Falco's rules may name. */
export interface FieldDefinition {
  readonly name: string;
  /** Has several texts. */
  readonly list?: boolean;
  /** What brackets may contain: an index, or any text. */
  readonly argument?: "index" | "key";
  readonly argumentRequired?: boolean;
  /** If its texts are of another type: whole numbers from 0 to 2^64 - 1, or true and false. */
  readonly type?: "number" | "boolean";
  /** The path of a value in the event, for fields that are exactly that value. */
  readonly path?: readonly string[];
  /** The body that it reads, if it reads one. */
  readonly looksAt?: "requestObject" | "responseObject";
  read(event: Json, argument: string | undefined): Texts;
}

/** The body that a path leads into. */
export function bodyOf([first]: readonly string[]): FieldDefinition["looksAt"] {
  return first === "requestObject" || first === "responseObject" ? first : undefined;
}

/** The text of a value, if there is one. */
export function one(found: Json | undefined): Texts {
  return found === undefined ? undefined : [found.text()];
}
