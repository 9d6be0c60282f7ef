import { compilePattern } from "../../pattern.js";
import type { Like } from "../../reader.js";
import type { Expression, NumberComparison, Test, TestNode } from "../../tree.js";
import { PathError, resolvePath } from "./fields.js";
import { syntaxError, type Token } from "./lexer.js";

export interface ParseOptions {
  /** Let `not` bind tighter than `and`, and `and` tighter than `or`, as most languages do: the precedence warning compares with that. */
  conventional?: boolean;
  /** Default: `upstream`. */
  like?: Like;
}

/** Parentheses and `not`s nested deeper than this are refused. */
const MAX_NESTING = 500;

/**
 * Parses a condition: `EventRule.g4` with upstream's precedence. `and` and `or` bind alike, from left to right; `not` binds loosest
 * and takes everything behind it. Throws AuditshipError with line and column.
 */
export function parse(tokens: readonly Token[], options: ParseOptions = {}): Expression {
  return new Parser(tokens, options).parse();
}

class Parser {
  private at = 0;
  private nesting = 0;

  constructor(
    private readonly tokens: readonly Token[],
    private readonly options: ParseOptions,
  ) {}

  parse(): Expression {
    if (this.peek().type === "end" && this.at === 0) this.fail(this.peek(), "the condition is empty");
    const expression = this.expression();
    const rest = this.peek();
    if (rest.type === ")") this.fail(rest, "a ) without its (");
    if (rest.type !== "end") this.unexpected(rest, this.afterOperand());
    if (depthOf(expression) > MAX_NESTING) this.fail(this.tokens[0], "the condition is nested too deeply");
    return expression;
  }

  private expression(): Expression {
    return this.options.conventional ? this.orChain() : this.chain();
  }

  /** Operands joined by `and` and `or`, from left to right. */
  private chain(): Expression {
    let left = this.operand();
    for (let type = this.connective(); type; type = this.connective()) {
      const operands = [left];
      while (this.accept(type)) operands.push(this.operand());
      left = group(type, operands);
    }
    return left;
  }

  private orChain(): Expression {
    const operands = [this.andChain()];
    while (this.accept("or")) operands.push(this.andChain());
    return group("or", operands);
  }

  private andChain(): Expression {
    const operands = [this.operand()];
    while (this.accept("and")) operands.push(this.operand());
    return group("and", operands);
  }

  private operand(): Expression {
    const token = this.take();
    switch (token.type) {
      case "not":
        return this.nested(token, () => ({
          type: "not",
          operand: this.options.conventional ? this.operand() : this.chain(),
        }));
      case "(":
        return this.nested(token, () => {
          const inner = this.expression();
          const close = this.take();
          if (close.type !== ")") this.unexpected(close, `and, or, or a ) for the ( at column ${columnOf(token)}`);
          return inner;
        });
      case "path":
        return this.test(token);
      default:
        return this.unexpected(token, "a field, not, or (");
    }
  }

  /** Counts the depth of nesting, so that no condition can exhaust the stack. */
  private nested(token: Token, read: () => Expression): Expression {
    if (++this.nesting > MAX_NESTING) this.fail(token, "the condition is nested too deeply");
    const expression = read();
    this.nesting--;
    return expression;
  }

  private test(field: Token): Expression {
    const path = this.path(field);
    const node = (test: Test, negated: boolean, text: string): TestNode => ({
      type: "test",
      path,
      test,
      negated,
      text: text ? `${path.text} ${text}` : path.text,
    });
    const operator = this.peek();
    if (operator.type !== "operator") return node({ op: "boolean", value: true }, false, "");
    this.at++;
    const negated = operator.text.startsWith("not ");
    const word = negated ? operator.text.slice(4) : operator.text;
    switch (word) {
      case "exists": {
        const exists = node({ op: "exists" }, false, "exists");
        return negated ? { type: "not", operand: exists } : exists;
      }
      case "in": {
        const texts = this.items();
        return node({ op: "in", texts }, negated, `${operator.text} (${shorten(texts)})`);
      }
      case "contains": {
        const value = this.value(["string", "number"]);
        return node({ op: "contains", text: value.text }, negated, `${operator.text} ${literal(value)}`);
      }
      case "like":
      case "regex": {
        const value = this.value(["string"]);
        const pattern = word === "like" ? likePattern(value.text, this.options.like) : value.text;
        this.checkPattern(value, pattern);
        return node({ op: "matches", pattern }, negated, `${operator.text} ${literal(value)}`);
      }
      default:
        return this.comparison(word, node);
    }
  }

  private comparison(sign: string, node: (test: Test, negated: boolean, text: string) => TestNode): TestNode {
    const operator = sign === "==" ? "=" : sign;
    const isEquality = operator === "=" || operator === "!=";
    const value = this.value(isEquality ? ["string", "number", "boolean"] : ["string", "number"]);
    const text = `${operator} ${literal(value)}`;
    if (value.type === "boolean") {
      return node({ op: "boolean", value: value.text.toLowerCase() === "true" }, operator === "!=", text);
    }
    if (value.type === "string") {
      if (isEquality) return node({ op: "equals", text: value.text }, operator === "!=", text);
      return node({ op: ORDERS[operator as keyof typeof ORDERS], text: value.text }, false, text);
    }
    const number = Number(value.text);
    if (!Number.isFinite(number)) this.fail(value, "a number beyond the range of 64-bit floats");
    return node({ op: "number", compare: operator as NumberComparison, value: number }, false, text);
  }

  /** `("a", 2)`, or lists that are referred to, on their own or among the items. */
  private items(): readonly string[] {
    const first = this.take();
    if (first.type === "list" && first.items?.length) return first.items;
    if (first.type === "list") this.fail(first, `the list ${first.text} is empty`);
    if (first.type !== "(") this.unexpected(first, "( or a list");
    const texts: string[] = [];
    for (;;) {
      const item = this.take();
      if (item.type === "list") for (const text of item.items ?? []) texts.push(text);
      else if (item.type === "string" || item.type === "number") texts.push(item.text);
      else this.unexpected(item, "a string in double quotes or a number");
      const separator = this.take();
      if (separator.type === ")") return texts;
      if (separator.type !== ",") this.unexpected(separator, "a , or )");
    }
  }

  private value(types: readonly Token["type"][]): Token {
    const token = this.take();
    if (types.includes(token.type)) return token;
    return this.unexpected(
      token,
      VALUE_NAMES.filter(([type]) => types.includes(type))
        .map(([, name]) => name)
        .join(" or "),
    );
  }

  private path(token: Token) {
    try {
      return resolvePath(token.text);
    } catch (error) {
      if (error instanceof PathError) return this.fail(token, error.message);
      throw error;
    }
  }

  private checkPattern(token: Token, pattern: string): void {
    try {
      compilePattern(pattern);
    } catch (error) {
      this.fail(token, `the pattern cannot be read (${(error as Error).message})`);
    }
  }

  private connective(): "and" | "or" | undefined {
    const { type } = this.peek();
    return type === "and" || type === "or" ? type : undefined;
  }

  private peek(): Token {
    return this.tokens[this.at];
  }

  private take(): Token {
    const token = this.tokens[this.at];
    if (token.type !== "end") this.at++;
    return token;
  }

  private accept(type: Token["type"]): boolean {
    if (this.peek().type !== type) return false;
    this.at++;
    return true;
  }

  private afterOperand(): string {
    const isBare = this.tokens[this.at - 1]?.type === "path";
    return isBare ? "an operator, and, or, or the end of the condition" : "and, or, or the end of the condition";
  }

  private unexpected(token: Token, expected: string): never {
    const found = token.type === "end" ? "the condition ends" : `found ${describe(token)}`;
    const hint = hintFor(token, this.tokens[this.tokens.indexOf(token) + 1]);
    return this.fail(token, `expected ${expected}, but ${found}${hint ? ` (${hint})` : ""}`);
  }

  private fail(token: Token, what: string): never {
    throw syntaxError(token.origin, token.offset, what);
  }
}

const ORDERS = { "<": "less", "<=": "lessOrEqual", ">": "greater", ">=": "greaterOrEqual" } as const;

const VALUE_NAMES: readonly [Token["type"], string][] = [
  ["string", "a string in double quotes"],
  ["number", "a number"],
  ["boolean", "a boolean"],
];

/**
 * Upstream's translation of `like`: `?` is any character, `*` any text, everything else is RE2, and nothing is anchored. With
 * `anchored`, each end without a `*` is anchored, and `?` and `*` match line breaks too.
 */
function likePattern(text: string, like: Like = "upstream"): string {
  if (like === "upstream") return text.replaceAll("?", ".").replace(/\*+/g, "(.*)");
  const [, before, inner, after] = /^(\**)(.*?)(\**)$/s.exec(text) as unknown as [string, string, string, string];
  const pattern = inner.replaceAll("?", "(?:.|\n)").replace(/\*+/g, "(?:.|\n)*");
  const grouped = inner.includes("|") ? `(?:${pattern})` : pattern;
  return `${before === "" ? "^" : ""}${grouped}${after === "" ? "$" : ""}`;
}

/** Merges operands of the group's own kind into it: `(a and b) and c` becomes `a and b and c`. */
function group(type: "and" | "or", operands: Expression[]): Expression {
  if (operands.length === 1) return operands[0];
  return { type, operands: operands.flatMap((operand) => (operand.type === type ? operand.operands : [operand])) };
}

function depthOf(expression: Expression): number {
  let deepest = 0;
  const open: [Expression, number][] = [[expression, 1]];
  for (let next = open.pop(); next; next = open.pop()) {
    const [node, depth] = next;
    deepest = Math.max(deepest, depth);
    if (node.type === "not") open.push([node.operand, depth + 1]);
    else if (node.type !== "test") for (const operand of node.operands) open.push([operand, depth + 1]);
  }
  return deepest;
}

/** Most items of a list that are shown. */
const SHOWN_ITEMS = 20;

function shorten(texts: readonly string[]): string {
  const shown = texts.slice(0, SHOWN_ITEMS).map(quote).join(", ");
  return texts.length > SHOWN_ITEMS ? `${shown}, … ${texts.length - SHOWN_ITEMS} more` : shown;
}

const quote = (text: string): string => `"${text}"`;

const literal = (token: Token): string => (token.type === "string" ? quote(token.text) : token.text);

function describe(token: Token): string {
  return `“${token.origin.text.slice(token.offset, Math.min(token.end, token.offset + 30))}”`;
}

function columnOf(token: Token): number {
  return token.offset - token.origin.text.lastIndexOf("\n", token.offset - 1);
}

/** The usual cause of an unexpected word. */
function hintFor(token: Token, following: Token | undefined): string | undefined {
  if (token.type === "path") {
    const lower = token.text.toLowerCase();
    if (KEYWORDS.has(lower) && lower !== token.text) return `keywords are in lower case: ${lower}`;
    if (!/[.[]/.test(token.text)) return "strings stand in double quotes";
  }
  if (token.type === "operator" && token.text.startsWith("not "))
    return `“${token.text}” is read as an operator; write not (…)`;
  if (token.type === "not" && following?.type === "operator")
    return `write “not ${following.text}” with exactly one space`;
  return undefined;
}

const KEYWORDS = new Set(["and", "or", "not", "in", "contains", "like", "regex", "exists"]);
