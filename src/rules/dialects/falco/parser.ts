import { LIST, MODIFIERS, NUMERIC, OPERATORS, STRING, TRANSFORMERS, UNARY } from "./operators.js";
import { Scanner } from "./scanner.js";
import type { At, Operand, Syntax, Text } from "./syntax.js";
import { SyntaxProblem } from "./syntax-problem.js";

/** Upstream's limit, which its parser declares but does not enforce (`rule_loader_compiler.cpp`). */
const MAX_DEPTH = 1000;
/** Longer conditions, with lists expanded, are refused. */
export const MAX_LENGTH = 2 * 1024 * 1024;

const NOT = /not[\t\n\v\f\r ]+/y;
const IDENTIFIER = /[a-zA-Z]+[a-zA-Z0-9_]*/y;
const FIELD = /[a-zA-Z]+[a-zA-Z0-9_]*(?:\.[a-zA-Z]+[a-zA-Z0-9_]*)+/y;
const ARGUMENT = /[^\][\t\n\v\f\r "']+/y;
const HEX = /0[xX][0-9a-fA-F]+/y;
const NUMBER = /[+-]?[0-9]+\.?[0-9]*(?:[eE][+-][0-9]+)?/y;
const BARE = /[^()"'\t\n\v\f\r =,]+/y;

/** Parses a whole condition. Throws {@link SyntaxProblem}. Source: `userspace/libsinsp/filter/parser.cpp` of libs 0.25.4. */
export function parseCondition(text: Text): Syntax {
  return new Parser(text).condition();
}

/** The field or transformer at the start of a text, and where it ends. Throws {@link SyntaxProblem}. */
export function parseOperand(text: Text): { operand: Operand; end: number } {
  return new Parser(text).prefix();
}

class Parser extends Scanner {
  private depth = 0;

  condition(): Syntax {
    if (this.input === "") this.fail("the condition is empty");
    if (this.input.length > MAX_LENGTH) this.fail(`the condition is longer than ${MAX_LENGTH} characters`);
    const syntax = this.or();
    if (this.offset !== this.input.length) {
      const hint = this.token === "not" || /^(not|and|or)$/i.test(this.rest(3).trim()) ? "" : this.spellingHint();
      this.fail(`expected and, or, or the end of the condition behind “${shorten(this.token)}”${hint}`);
    }
    return syntax;
  }

  prefix(): { operand: Operand; end: number } {
    const at = this.here();
    if (this.match(FIELD)) return { operand: this.field(at), end: this.offset };
    if (this.transformerName()) return { operand: this.transformer(at), end: this.offset };
    return this.fail("expected a field or a transformer");
  }

  private or(): Syntax {
    const at = this.here();
    this.blank();
    const children = [this.and()];
    for (let behind = this.connective("or"); behind; behind = this.connective("or"))
      children.push(behind === "(" ? this.parenthesis() : this.and());
    return children.length === 1 ? children[0] : { type: "or", children, at };
  }

  private and(): Syntax {
    const at = this.here();
    this.blank();
    const children = [this.not()];
    for (let behind = this.connective("and"); behind; behind = this.connective("and"))
      children.push(behind === "(" ? this.parenthesis() : this.not());
    return children.length === 1 ? children[0] : { type: "and", children, at };
  }

  /** What follows an `and` or `or`: white space, or a ( right behind it, which takes only what is in its parentheses. */
  private connective(type: "and" | "or"): " " | "(" | undefined {
    this.blank();
    if (!this.word(type)) return undefined;
    if (this.blank()) return " ";
    return this.word("(") ? "(" : this.fail(`expected white space or ( behind ${type}`);
  }

  private not(): Syntax {
    const at = this.here();
    this.blank();
    let negated = false;
    while (this.match(NOT)) negated = !negated;
    const isCall = this.word("not(");
    const child = isCall ? this.parenthesis() : this.check();
    return negated !== isCall ? { type: "not", child, at } : child;
  }

  private parenthesis(): Syntax {
    this.descend();
    this.blank();
    const inner = this.or();
    this.blank();
    if (!this.word(")")) this.fail("expected a )");
    this.depth--;
    return inner;
  }

  private check(): Syntax {
    const at = this.here();
    this.blank();
    if (this.word("(")) return this.parenthesis();
    if (this.match(FIELD)) return this.comparison(this.field(at), at);
    if (this.transformerName()) return this.comparison(this.transformer(at), at);
    if (this.match(IDENTIFIER)) return { type: "macro", name: this.token, at };
    return this.fail("expected a (, a field or a macro");
  }

  private field(at: At): Operand {
    return { type: "field", name: this.token, argument: this.argument(), at };
  }

  private argument(): string | undefined {
    if (!this.word("[")) return undefined;
    if (!this.quoted() && !this.match(ARGUMENT)) this.fail("expected an argument: a quoted text or one without blanks");
    const argument = this.token;
    if (!this.word("]")) this.fail("expected a ]");
    return argument;
  }

  /** Called when the transformer's name has been read. */
  private transformer(at: At): Operand {
    const name = this.token.slice(0, -1);
    this.descend();
    this.blank();
    const operands: Operand[] = [];
    do {
      operands.push(this.transformerOperand());
      this.blank();
    } while (this.word(","));
    if (!this.word(")")) this.fail(`expected a ) at the end of ${name}(`);
    this.depth--;
    return { type: "transformer", name, operands, argument: this.argument(), at };
  }

  private transformerOperand(): Operand {
    const at = this.here();
    this.blank();
    if (this.match(HEX) || this.match(NUMBER) || this.quoted()) return { type: "value", text: this.token, at };
    if (this.word("(")) return this.operandList(at);
    if (this.transformerName()) return this.transformer(at);
    if (this.match(FIELD)) return this.field(at);
    return this.fail("expected a field, a transformer, a quoted text, a number or a list");
  }

  private operandList(at: At): Operand {
    const operands: Operand[] = [];
    this.blank();
    if (this.word(")")) return { type: "list", operands, at };
    do {
      // Only white space may precede an item: the comma is read below.
      this.blank();
      operands.push(this.listItem(at));
      this.blank();
    } while (this.word(","));
    if (!this.word(")")) this.fail("expected a )");
    return { type: "list", operands, at };
  }

  private listItem(at: At): Operand {
    if (this.match(FIELD)) return this.field(at);
    if (this.transformerName()) return this.transformer(at);
    if (this.quoted() || this.match(HEX) || this.match(NUMBER)) return { type: "value", text: this.token, at };
    return this.fail("expected a field, a transformer, a quoted text or a number");
  }

  private comparison(left: Operand, at: At): Syntax {
    this.blank();
    if (this.oneOf(UNARY)) return { type: "check", left, operator: this.token, at };
    if (this.oneOf(NUMERIC)) return { type: "check", left, operator: this.token, right: this.number(), at };
    if (this.oneOf(STRING)) return this.stringComparison(left, at);
    if (this.oneOf(LIST)) {
      const operator = this.token;
      return { type: "check", left, operator, right: this.list(true), at };
    }
    return this.fail(`expected an operator (${OPERATORS.join(", ")})${this.spellingHint()}`);
  }

  private stringComparison(left: Operand, at: At): Syntax {
    const operator = this.token;
    // An operator spelt in letters has consumed the white space behind it already.
    const hadBlank = /^[a-z]/.test(operator) || this.blank();
    const before = this.offset;
    if (hadBlank && this.oneOf(MODIFIERS) && this.listFollows()) {
      const modified = `${operator} ${this.token}`;
      return { type: "check", left, operator: modified, right: this.list(false), at };
    }
    this.offset = before;
    this.token = operator;
    return { type: "check", left, operator, right: this.string(), at };
  }

  private listFollows(): boolean {
    if (this.input[this.offset] === "(") return true;
    const { offset, token } = this;
    const isWord = this.match(IDENTIFIER);
    this.offset = offset;
    this.token = token;
    return isWord && !/^(?:and|or|not)(?![a-zA-Z0-9])/.test(this.rest(4));
  }

  private number(): Operand {
    this.blank();
    const at = this.here();
    const operand = this.transformed();
    if (operand) return operand;
    if (this.match(HEX) || this.match(NUMBER)) return { type: "value", text: this.token, at };
    return this.fail("expected a number, val(…) or a transformer");
  }

  private string(): Operand {
    this.blank();
    return this.transformed() ?? this.literal("expected a text, val(…) or a transformer");
  }

  private literal(expected: string): Operand {
    this.blank();
    const at = this.here();
    if (this.quoted() || this.match(BARE)) return { type: "value", text: this.token, at };
    return this.fail(expected);
  }

  /** A list in parentheses, a transformer if those are allowed, or a word. */
  private list(withTransformers: boolean): NonNullable<Extract<Syntax, { type: "check" }>["right"]> {
    this.blank();
    const at = this.here();
    if (this.word("(")) return { type: "values", texts: this.literals(), at };
    const operand = withTransformers ? this.transformed() : undefined;
    if (operand) return operand;
    if (this.match(IDENTIFIER)) return { type: "value", text: this.token, at };
    return this.fail(
      withTransformers ? "expected a list, a word, val(…) or a transformer" : "expected a list or a word",
    );
  }

  /** Called when the ( has been read. */
  private literals(): string[] {
    const texts: string[] = [];
    const first = this.firstLiteral();
    if (first !== undefined) {
      texts.push(first);
      this.blank();
      while (this.word(",")) {
        this.literal("expected a text");
        texts.push(this.token);
        this.blank();
      }
    }
    if (!this.word(")")) this.fail("expected a )");
    return texts;
  }

  /** Undefined if there is none: the list must be empty then. */
  private firstLiteral(): string | undefined {
    this.blank();
    try {
      this.literal("expected a text");
      return this.token;
    } catch (error) {
      if (error instanceof SyntaxProblem) return undefined;
      throw error;
    }
  }

  private transformed(): Operand | undefined {
    this.blank();
    const at = this.here();
    if (this.word("val(")) {
      this.blank();
      const inner = this.here();
      if (!this.match(FIELD)) this.fail("expected a field in val(");
      const operands = [this.field(inner)];
      this.blank();
      if (!this.word(")")) this.fail("expected a ) at the end of val(");
      return { type: "transformer", name: "val", operands, argument: this.argument(), at };
    }
    return this.transformerName() ? this.transformer(at) : undefined;
  }

  private transformerName(): boolean {
    return TRANSFORMERS.some((name) => this.word(name));
  }

  private descend(): void {
    if (++this.depth >= MAX_DEPTH) this.fail(`nested deeper than ${MAX_DEPTH} levels`);
  }

  private spellingHint(): string {
    const next = this.rest(2);
    if (next === "&&") return "; write and";
    if (next === "||") return "; write or";
    if (/^[A-Z]/.test(next)) return "; keywords are in lower case";
    return "";
  }
}

function shorten(text: string): string {
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}
