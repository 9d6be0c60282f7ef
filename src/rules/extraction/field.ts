import type { Json } from "./json.js";

/** What a field says of an event: no text if it is absent, one, or those of a list. A list is never empty. */
export type Texts = readonly string[] | undefined;

/** A field that Falco's rules may name. */
export interface FieldDefinition {
  readonly name: string;
  /** Has several texts. */
  readonly list?: boolean;
  /** What may stand in brackets: an index, or any text. */
  readonly argument?: "index" | "key";
  readonly argumentRequired?: boolean;
  /** Texts of another kind: whole numbers from 0 to 2^64 - 1, or true and false. */
  readonly type?: "number" | "boolean";
  /** The place of a value in the event, for fields that are nothing but that. */
  readonly path?: readonly string[];
  /** Parts of the event that it looks at, if it looks at any. */
  readonly looksAt?: "requestObject" | "responseObject";
  read(event: Json, argument: string | undefined): Texts;
}

/** What of the bodies lies at a place. */
export function bodyOf([first]: readonly string[]): FieldDefinition["looksAt"] {
  return first === "requestObject" || first === "responseObject" ? first : undefined;
}

/** The text of a value, if there is one. */
export function one(found: Json | undefined): Texts {
  return found === undefined ? undefined : [found.text()];
}
