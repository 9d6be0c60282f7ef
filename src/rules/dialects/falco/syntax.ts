import type { Place } from "../../../plugin/index.js";

/**
 * A Falco condition as written, before lists, macros and fields are looked up: the syntax tree of libsinsp's filter language
 * (`userspace/libsinsp/filter/ast.h`).
 */
export type Syntax =
  | { readonly type: "and" | "or"; readonly children: readonly Syntax[]; readonly at: At }
  | { readonly type: "not"; readonly child: Syntax; readonly at: At }
  | { readonly type: "macro"; readonly name: string; readonly at: At }
  | CheckSyntax;

export interface CheckSyntax {
  readonly type: "check";
  readonly left: Operand;
  /** With its modifier: `startswith oneof`. */
  readonly operator: string;
  /** Missing for `exists`. */
  readonly right?: Operand | { readonly type: "values"; readonly texts: readonly string[]; readonly at: At };
  readonly at: At;
}

export type Operand =
  | { readonly type: "field"; readonly name: string; readonly argument?: string; readonly at: At }
  | {
      readonly type: "transformer";
      readonly name: string;
      readonly operands: readonly Operand[];
      readonly argument?: string;
      readonly at: At;
    }
  | { readonly type: "value"; readonly text: string; readonly at: At }
  /** A list of operands, as `join` takes it. */
  | { readonly type: "list"; readonly operands: readonly Operand[]; readonly at: At };

/** A position in a text that was parsed. */
export interface At {
  readonly text: Text;
  /** In UTF-16 units. */
  readonly offset: number;
}

/** A text to parse: a condition or an output. */
export interface Text {
  readonly text: string;
  /** What errors call it: "macro kevt"; "" for a text that needs no name. */
  readonly name: string;
  /** The place of a character in its file; without it, places are positions in the text. */
  placeAt?(offset: number): Place;
}

/** The place of a position, in its file or in the text. Lines and columns count from 1. */
export function placeOf({ text, offset }: At): Place {
  if (text.placeAt) return text.placeAt(offset);
  const before = text.text.slice(0, offset);
  return { line: before.split("\n").length, column: offset - before.lastIndexOf("\n") };
}

/** The condition as the engine prints it (`ast::as_string`). */
export function show(syntax: Syntax): string {
  switch (syntax.type) {
    case "and":
    case "or":
      return `(${syntax.children.map(show).join(` ${syntax.type} `)})`;
    case "not":
      return `not ${show(syntax.child)}`;
    case "macro":
      return syntax.name;
    case "check": {
      const left = `${showOperand(syntax.left)} ${syntax.operator}`;
      if (!syntax.right) return left;
      if (syntax.right.type === "values") return `${left} (${syntax.right.texts.map(quote).join(", ")})`;
      return `${left} ${showOperand(syntax.right)}`;
    }
  }
}

/** A field or transformer as the engine prints it; also the key of an output field. */
export function showOperand(operand: Operand): string {
  switch (operand.type) {
    case "value":
      return quote(operand.text);
    case "list":
      return `(${operand.operands.map(showOperand).join(",")})`;
    case "field":
      return operand.name + showArgument(operand.argument);
    case "transformer":
      return `${operand.name}(${operand.operands.map(showOperand).join(",")})${showArgument(operand.argument)}`;
  }
}

function showArgument(argument: string | undefined): string {
  if (argument === undefined) return "";
  return argument === "" ? '[""]' : `[${quote(argument)}]`;
}

const ESCAPES: Record<string, string> = {
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\\": "\\\\",
  '"': '\\"',
};

/** Adds quotes where the text would be misread without. */
function quote(text: string): string {
  const escaped = text.replace(/[\b\f\n\r\t\\"]/g, (char) => ESCAPES[char]);
  return /[\b\f\n\r\t\\"' =]/.test(text) ? `"${escaped}"` : escaped;
}
