import type { Place } from "../../../plugin/index.js";
import { nearest } from "../../../plugin/nearest.js";
import type { Keys, RuleDocument } from "../../documents.js";
import type { Expression } from "../../tree.js";
import { invalid, quoted } from "./problem.js";

/** A search of a detection: what conditions mean by its name. */
export interface Search {
  readonly expression: Expression;
  /** The number of its tests. */
  readonly size: number;
}

/** Parentheses and `not`s nested deeper are refused, and so are rules of more tests. */
const MAX_DEPTH = 200;
export const MAX_TESTS = 10_000;

interface Token {
  readonly type: "(" | ")" | "word" | "end";
  readonly text: string;
  readonly offset: number;
}

/**
 * Reads conditions. From loosest to tightest: `or`, `and`, `not`, `1 of …`, parentheses (`sigma-rules-specification.md`,
 * “Condition”; `sigma/conditions.py` of pySigma).
 */
export class ConditionParser {
  private tokens: Token[] = [];
  private at = 0;
  private depth = 0;
  private size = 0;
  private text = "";
  private place: (offset: number) => Place = () => ({});
  /** Names of the searches that conditions have used so far. */
  readonly used = new Set<string>();

  constructor(private readonly searches: ReadonlyMap<string, Search>) {}

  /** Throws AuditshipError with the place that `place` gives for an offset. */
  parse(text: string, place: (offset: number) => Place): Expression {
    this.text = text;
    this.place = place;
    this.tokens = this.tokenize();
    this.at = 0;
    const expression = this.or();
    if (this.next.type !== "end") throw this.unexpected("and, or, or the end");
    return expression;
  }

  /** A condition, or a list of conditions of which one has to hold. */
  parseAll(document: RuleDocument, keys: Keys, condition: unknown): Expression {
    const all = Array.isArray(condition) ? condition : [condition];
    const operands = all.map((text: unknown, index) => {
      const where = Array.isArray(condition) ? [...keys, index] : keys;
      if (typeof text !== "string") throw invalid("a condition is a text", document.place(where));
      return this.parse(text, (offset) => document.placeIn(where, offset));
    });
    if (operands.length === 0) throw invalid("there is no condition", document.place(keys));
    return operands.length === 1 ? operands[0] : { type: "or", operands };
  }

  private tokenize(): Token[] {
    const tokens: Token[] = [];
    const pattern = /\s*(?:([()])|([\p{L}\p{N}_*.-]+)|(\S))/uy;
    for (let match = pattern.exec(this.text); match; match = pattern.exec(this.text)) {
      const [whole, bracket, word, other] = match;
      const content = bracket ?? word ?? other;
      const offset = match.index + whole.length - content.length;
      if (other !== undefined) throw this.strange(other, offset);
      tokens.push({ type: (bracket as "(" | ")" | undefined) ?? "word", text: content, offset });
    }
    tokens.push({ type: "end", text: "", offset: Math.max(0, this.text.trimEnd().length - 1) });
    return tokens;
  }

  private strange(char: string, offset: number) {
    const hint =
      char === "|"
        ? "aggregations such as “| count()” were taken out of Sigma, and correlations are not read"
        : "expected names, and, or, not, 1 of, all of, and parentheses";
    return this.error(`unexpected ${quoted(char)}${this.near(offset)}: ${hint}`, offset);
  }

  private get next(): Token {
    return this.tokens[this.at];
  }

  private or(): Expression {
    return this.linked("or", () => this.linked("and", () => this.not()));
  }

  private linked(type: "and" | "or", operand: () => Expression): Expression {
    const operands = [operand()];
    while (this.takeWord(type)) operands.push(operand());
    return operands.length === 1 ? operands[0] : { type, operands };
  }

  private not(): Expression {
    const { offset } = this.next;
    if (this.takeWord("not")) return this.deeper(offset, () => ({ type: "not", operand: this.not() }));
    if (this.next.type === "(") {
      this.at++;
      const inner = this.deeper(offset, () => this.or());
      this.close();
      return inner;
    }
    return this.reference();
  }

  private close(): void {
    if (this.next.type !== ")") throw this.unexpected("a closing parenthesis");
    this.at++;
  }

  private deeper(offset: number, read: () => Expression): Expression {
    if (++this.depth > MAX_DEPTH)
      throw this.error(`more than ${MAX_DEPTH} parentheses and nots in one another`, offset);
    const expression = read();
    this.depth--;
    return expression;
  }

  private reference(): Expression {
    const token = this.next;
    if (token.type !== "word") throw this.unexpected("the name of a search");
    if (KEYWORDS.includes(token.text)) throw this.unexpected("the name of a search");
    this.at++;
    if (this.takeWord("of")) return this.quantified(token);
    const search = this.searches.get(token.text);
    if (search) return this.use(token.text, search, token.offset);
    throw this.unknown(token);
  }

  /** `1 of selection*`, `any of them`, `all of filter_*`. */
  private quantified(quantifier: Token): Expression {
    if (!QUANTIFIERS.has(quantifier.text))
      throw this.error(`unexpected ${quoted(quantifier.text)}: expected 1, any or all before “of”`, quantifier.offset);
    const token = this.next;
    if (token.type !== "word") throw this.unexpected("them, or a name with *");
    this.at++;
    const names = this.matching(token.text);
    if (names.length === 0)
      throw this.error(`no search is meant by ${quoted(token.text)}${this.known()}`, token.offset);
    const operands = names.map(([name, search]) => this.use(name, search, token.offset));
    return operands.length === 1 ? operands[0] : { type: QUANTIFIERS.get(quantifier.text) ?? "or", operands };
  }

  /** The searches that a pattern means. A name that begins with `_` is meant only if the pattern does too. */
  private matching(pattern: string): [string, Search][] {
    const wanted = pattern === "them" ? ["", ""] : pattern.split("*");
    return [...this.searches].filter(
      ([name]) => (pattern.startsWith("_") || !name.startsWith("_")) && isLike(name, wanted),
    );
  }

  private use(name: string, { expression, size }: Search, offset: number): Expression {
    this.used.add(name);
    this.size += size;
    if (this.size > MAX_TESTS) throw this.error(`it makes more than ${MAX_TESTS} tests`, offset);
    return expression;
  }

  private takeWord(word: string): boolean {
    if (this.next.type !== "word" || this.next.text !== word) return false;
    this.at++;
    return true;
  }

  private unknown({ text, offset }: Token) {
    const suggestion = nearest(text, this.searches.keys());
    const hint = suggestion ? `; did you mean ${suggestion}?` : this.known();
    return this.error(`there is no search ${quoted(text)}${hint}`, offset, "AUDITSHIP_RULE_REFERENCE");
  }

  private known(): string {
    const names = [...this.searches.keys()];
    return names.length === 0 ? "" : `, but ${quoted(names.join(", "))}`;
  }

  private unexpected(expected: string) {
    const { type, text, offset } = this.next;
    if (type === "end") return this.error(`the condition ends where ${expected} should follow`, offset);
    const word = KEYWORDS.find((keyword) => keyword === text.toLowerCase());
    const hint = word && word !== text ? ` (write ${word})` : "";
    return this.error(`unexpected ${quoted(text)}${hint}${this.near(offset)}: expected ${expected}`, offset);
  }

  private near(offset: number): string {
    const from = Math.max(0, offset - 20);
    return this.text.length < 2 ? "" : ` near ${quoted(this.text.slice(from, offset + 25))}`;
  }

  private error(
    message: string,
    offset: number,
    code: "AUDITSHIP_RULE_SYNTAX" | "AUDITSHIP_RULE_REFERENCE" = "AUDITSHIP_RULE_SYNTAX",
  ) {
    return invalid(message, this.place(offset), code);
  }
}

const KEYWORDS = ["and", "or", "not", "of"];
const QUANTIFIERS = new Map<string, "and" | "or">([
  ["1", "or"],
  ["any", "or"],
  ["all", "and"],
]);

/** Whether a name consists of these pieces in this order, with anything between them. */
function isLike(name: string, pieces: readonly string[]): boolean {
  const last = pieces[pieces.length - 1];
  if (pieces.length === 1) return name === last;
  if (!name.startsWith(pieces[0])) return false;
  let at = pieces[0].length;
  for (const piece of pieces.slice(1, -1)) {
    const found = name.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return name.length - at >= last.length && name.endsWith(last);
}
