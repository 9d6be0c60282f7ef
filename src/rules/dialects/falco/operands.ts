import { Field } from "../../../plugin/index.js";
import { nearest } from "../../../plugin/nearest.js";
import { EVENT_PROPERTIES } from "../../extraction/clock.js";
import { bodyOf } from "../../extraction/field.js";
import { EVENT_FIELDS, pathOf, rootOf, tableField } from "../../extraction/fields.js";
import type { Extraction, Transformer } from "../../tree.js";
import type { At, Operand } from "./syntax.js";
import { SyntaxProblem } from "./syntax-problem.js";

export type Type = "text" | "number" | "boolean";

/** A field or transformer, and the type of its values. */
export interface Bound {
  readonly extraction: Extraction;
  readonly type: Type;
  readonly list: boolean;
  /** It reads requestObject or responseObject. */
  readonly inBody: boolean;
  /** If this field is missing, it is absent. */
  readonly root?: Field;
  /** It is absent from events without auditID. */
  readonly needsAuditID: boolean;
  /** The type of the field inside the transformers, which upstream's `join`, `concat` and `getopt` look at. */
  readonly origin: { readonly type: Type; readonly list: boolean };
}

/** No field or event type has that name. With `skip-if-unknown-filter` this is only a warning. */
export class UnknownField extends SyntaxProblem {}

/** Describes an operand, for errors. */
export function describe({ type, list }: Bound): string {
  return list ? "list" : type;
}

/** Looks up a field or transformer. Throws {@link SyntaxProblem}. */
export function bindOperand(operand: Operand): Bound {
  switch (operand.type) {
    case "field":
      return bindField(operand.name, operand.argument, operand.at);
    case "value":
      return { ...PLAIN, extraction: { type: "text", text: operand.text }, origin: PLAIN };
    case "list": {
      const parts = operand.operands.map(bindOperand);
      return { ...PLAIN, ...union(parts), list: true, extraction: listOf(parts), origin: { ...PLAIN, list: true } };
    }
    case "transformer":
      return bindTransformer(operand);
  }
}

const PLAIN = { type: "text", list: false, inBody: false, needsAuditID: false } as const;

function listOf(parts: readonly Bound[]): Extraction {
  return { type: "list", parts: parts.map(({ extraction }) => extraction) };
}

/** A value composed of several parts is absent if any of them is. */
function union(parts: readonly Bound[]): Pick<Bound, "inBody" | "needsAuditID" | "root"> {
  return {
    inBody: parts.some(({ inBody }) => inBody),
    needsAuditID: parts.some((part) => part.needsAuditID),
    root: parts.find(({ root }) => root !== undefined)?.root,
  };
}

function bindTransformer(operand: Extract<Operand, { type: "transformer" }>): Bound {
  const { name, argument, at } = operand;
  const fail = (message: string): never => {
    throw new SyntaxProblem(message, at);
  };
  const parts = operand.operands.map(bindOperand);
  if (argument !== undefined && (name !== "getopt" || parts.length === 1)) fail(`${name}() takes nothing in brackets`);
  if (name === "val") return parts[0];
  if (parts.length === 1) return bindChange(name, parts[0], fail);
  const origins = parts.map(({ origin }) => origin);
  switch (name) {
    case "join":
      if (parts.length !== 2 || origins[0].list || !origins[1].list) fail("join() takes a separator and a list");
      return transform("join", parts, false);
    case "concat":
      if (origins.some(({ type, list }) => type !== "text" || list)) fail("concat() takes texts");
      return transform("concat", parts, false);
    case "getopt":
      if (parts.length !== 2 || !origins[0].list || origins[1].list || origins.some(({ type }) => type !== "text"))
        fail("getopt() takes a list of words and a text of options");
      if (argument !== undefined && Buffer.byteLength(argument) !== 1) fail("getopt()[…] takes one letter");
      return transform("getopt", parts, argument === undefined, argument);
    default:
      return fail(`${name}() takes one field`);
  }
}

/** A transformer of one operand. */
function bindChange(name: string, part: Bound, fail: (message: string) => never): Bound {
  const made = (transformer: Transformer, to: Partial<Bound> = {}): Bound => ({
    ...part,
    extraction: { type: "transform", name: transformer, parts: [part.extraction] },
    ...to,
  });
  switch (name) {
    case "len":
      if (part.list) return made("count", { type: "number", list: false });
      if (part.type === "text") return made("len", { type: "number" });
      break;
    case "tolower":
    case "toupper":
    case "basename":
    case "b64":
      if (part.type === "text") return made(name);
      break;
    default:
      return fail(`${name}() takes more than that`);
  }
  return fail(`${name}() has no meaning for a ${describe(part)}`);
}

function transform(name: Transformer, parts: readonly Bound[], list: boolean, argument?: string): Bound {
  const extraction: Extraction = { type: "transform", name, parts: parts.map((part) => part.extraction), argument };
  return { ...PLAIN, ...union(parts), list, extraction, origin: PLAIN };
}

function bindField(name: string, argument: string | undefined, at: At): Bound {
  const fail = (message: string): never => {
    throw new SyntaxProblem(message, at);
  };
  const property = argument === undefined ? EVENT_PROPERTIES.get(name) : undefined;
  if (property) {
    const { type = "text" } = property;
    return { ...PLAIN, type, extraction: { type: "field", name }, origin: { type, list: false } };
  }
  const field = EVENT_FIELDS.get(name);
  // Upstream takes the first ] as the end of an argument.
  if (!field || argument?.includes("]")) throw new UnknownField(`there is no field ${name}${suggestion(name)}`, at);
  if (argument?.includes(" ")) fail(`${name}[…] takes no blanks`);
  if (argument !== undefined && !field.argument) fail(`${name} takes nothing in brackets`);
  if (argument === undefined && field.argumentRequired) fail(`${name} takes an argument: ${name}[…]`);
  if (field.argument === "index" && argument !== undefined && !/^(?:0|[1-9]\d{0,18})$/.test(argument))
    fail(`${name}[…] takes an index, not ${argument}`);
  const path = pathOf(field, argument);
  const list = field.list === true;
  const looksAt = field.looksAt ?? (path && bodyOf(path));
  return {
    type: "text",
    list,
    inBody: looksAt !== undefined,
    root: path ? rootOf(path) : looksAt && Field[looksAt],
    needsAuditID: name.startsWith("ka."),
    extraction: { type: "field", name, argument, list: list || undefined, field: path && tableField(path) },
    origin: { type: "text", list },
  };
}

const FIELD_NAMES = [...EVENT_FIELDS.keys(), ...EVENT_PROPERTIES.keys()];

function suggestion(name: string): string {
  const found = nearest(name, FIELD_NAMES);
  return found ? `; did you mean ${found}?` : "";
}

/** True for a text that is a field, with its argument if it has one. */
export function isField(text: string): boolean {
  const [, name = text, argument] = /^([^[]*)\[([^\]]*)\]$/.exec(text) ?? [];
  if (!EVENT_FIELDS.has(name) && !EVENT_PROPERTIES.has(name)) return false;
  try {
    bindField(name, argument, NOWHERE);
    return true;
  } catch {
    return false;
  }
}

const NOWHERE: At = { text: { text: "", name: "" }, offset: 0 };
