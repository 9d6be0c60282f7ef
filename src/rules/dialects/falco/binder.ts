import { Field } from "../../../plugin/index.js";
import { foldCondition, isOutcome } from "../../fold.js";
import { compilePattern } from "../../pattern.js";
import {
  type Comparison,
  type Expression,
  type NumberComparison,
  Outcome,
  type Test,
  type TestNode,
  testsOf,
} from "../../tree.js";
import { type Doubt, doubtsOf, isUnsafe } from "./doubts.js";
import { type Bound, bindOperand, describe, type Type, UnknownField } from "./operands.js";
import { fromPosix } from "./posix.js";
import { type At, type CheckSyntax, type Operand, type Syntax, show, showOperand } from "./syntax.js";
import { SyntaxProblem } from "./syntax-problem.js";

/** Constants of this many bytes or more are refused, as in upstream (`s_max_filter_value_buf_size`). */
const MAX_CONSTANT = 256;

/** Makes every `ka.*` field absent from events without auditID, as k8saudit's `ExtractFromJSON` does. */
function withAuditID(condition: Expression): Expression {
  const needing = new Set([...testsOf(condition)].filter((test) => NEEDS_AUDIT_ID.has(test)));
  if (needing.size === 0) return condition;
  const outcomes = new Map([...needing].map((test) => [test, Outcome.no]));
  const without = foldCondition(condition, { outcomes, refuted: new Set() });
  if (without === Outcome.no) return { type: "and", operands: [HAS_AUDIT_ID, condition] };
  const otherwise: Expression = { type: "not", operand: HAS_AUDIT_ID };
  return {
    type: "or",
    operands: [
      { type: "and", operands: [HAS_AUDIT_ID, condition] },
      isOutcome(without) ? otherwise : { type: "and", operands: [otherwise, without] },
    ],
  };
}

/** Tests of `ka.*` fields. */
const NEEDS_AUDIT_ID = new WeakSet<TestNode>();

const HAS_AUDIT_ID: TestNode = {
  type: "test",
  path: {
    text: "auditID",
    source: {
      kind: "extraction",
      extraction: { type: "field", name: "ka.auditid", field: Field.auditID },
      inBody: false,
    },
    steps: [],
  },
  test: { op: "exists" },
  negated: false,
  text: "auditID exists",
};

/**
 * Turns the syntax of conditions, with macros expanded, into trees: looks up fields and checks operators and values against their
 * types. Throws {@link SyntaxProblem}. Source: `sinsp_filter_compiler` of libs 0.25.4 (`filter.cpp`, `filter_compare.cpp`).
 */
export class Binder {
  /** Equal lists share one array, so that tests of them are recognised as equal. */
  private readonly lists = new Map<string, readonly string[]>();
  private doubts: (doubt: Doubt) => void = () => {};

  bind(syntax: Syntax, doubts: (doubt: Doubt) => void = () => {}): Expression {
    this.doubts = doubts;
    return withAuditID(this.expression(syntax));
  }

  private expression(syntax: Syntax): Expression {
    switch (syntax.type) {
      case "and":
      case "or":
        return { type: syntax.type, operands: syntax.children.map((child) => this.expression(child)) };
      case "not":
        return { type: "not", operand: this.expression(syntax.child) };
      case "macro":
        throw new SyntaxProblem(`there is no macro ${syntax.name}`, syntax.at);
      case "check":
        return placed(syntax, () => this.check(syntax));
    }
  }

  private check(check: CheckSyntax): TestNode {
    const [operator, modifier] = check.operator.split(" ");
    const left = bindOperand(check.left);
    checkOperator(left, operator, check);
    const { right } = check;
    if (right === undefined) return node(left, check, { op: "exists" });
    if (right.type !== "values" && right.type !== "value") return comparedTest(left, operator, check, right);
    const texts = right.type === "values" ? right.texts : [right.text];
    for (const text of texts) {
      checkConstant(text, left, right.at);
      for (const message of doubtsOf(text, operator))
        this.doubts({ kind: "LOAD_COMPILE_CONDITION", message, at: right.at });
    }
    if (texts.includes("<NA>") && modifier === undefined && isUnsafe(check.left, operator)) {
      const message = "no field is <NA>; that is what messages show for absent ones. Write exists";
      this.doubts({ kind: "LOAD_UNSAFE_NA_CHECK", message, at: right.at });
    }
    const test = this.constantTest(left, operator, modifier, texts, right.at);
    if (test.op === "unequal") return node(left, check, { op: "equals", text: test.text }, true);
    return node(left, check, test);
  }

  private constantTest(
    left: Bound,
    operator: string,
    modifier: string | undefined,
    texts: readonly string[],
    at: At,
  ): Test {
    if (left.list) return { op: operator === "in" ? "allIn" : "someIn", texts: this.shared(texts) };
    if (modifier !== undefined) return this.modifiedTest(left, operator, modifier, texts, at);
    switch (operator) {
      case "in":
      case "intersects":
        return this.oneOf(left, texts);
      case "pmatch":
        return { op: "below", paths: texts };
      default:
        return simpleTest(left, operator, texts[0], at);
    }
  }

  private oneOf(left: Bound, texts: readonly string[]): Test {
    return { op: "in", texts: this.shared(left.type === "number" ? texts.map(integer) : texts) };
  }

  /** `oneof`: exactly one constant matches; `anyof`: at least one; `allof`: every one. Without constants nothing matches. */
  private modifiedTest(left: Bound, operator: string, modifier: string, texts: readonly string[], at: At): Test {
    const isEquality = operator === "=" || operator === "==";
    if (texts.length === 0 || (isEquality && modifier === "anyof")) return this.oneOf(left, texts);
    const tests = texts.map((text) => simpleTest(left, operator, text, at));
    return { op: MODIFIED[modifier], tests };
  }

  private shared(texts: readonly string[]): readonly string[] {
    const key = JSON.stringify(texts);
    const known = this.lists.get(key);
    if (known) return known;
    this.lists.set(key, texts);
    return texts;
  }
}

/** Reports an error in any part of a check at the check's place, as upstream does. */
function placed<T>({ at }: CheckSyntax, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof UnknownField) throw new UnknownField(error.message, at);
    throw error instanceof SyntaxProblem ? new SyntaxProblem(error.message, at) : error;
  }
}

const MODIFIED: Record<string, "exactlyOne" | "anyOf" | "allOf"> = {
  oneof: "exactlyOne",
  anyof: "anyOf",
  allof: "allOf",
};

const EQUALITY = ["=", "==", "!=", "in", "intersects"];
const ORDER = ["<", "<=", ">", ">="];
const OPERATORS_OF: Record<Type, readonly string[]> = {
  text: [...EQUALITY, ...ORDER, "contains", "icontains", "startswith", "endswith", "glob", "iglob", "pmatch", "regex"],
  number: [...EQUALITY, ...ORDER],
  boolean: EQUALITY,
};
const LIST_OPERATORS = ["in", "intersects"];

/** Throws if an operator has no meaning for the left side's type. */
function checkOperator(left: Bound, operator: string, check: CheckSyntax): void {
  const allowed = left.list ? LIST_OPERATORS : OPERATORS_OF[left.type];
  if (operator === "exists" || allowed.includes(operator)) return;
  const message = `${operator} has no meaning for ${showOperand(check.left)}, a ${describe(left)}; it takes ${allowed.join(", ")} and exists`;
  throw new SyntaxProblem(message, check.at);
}

function checkConstant(text: string, left: Bound, at: At): void {
  const length = Buffer.byteLength(text);
  if (left.type === "number" && !/^\s*[+-]?\d+$/.test(text)) throw new SyntaxProblem(`${text} is no whole number`, at);
  if (left.type === "boolean" && text !== "true" && text !== "false")
    throw new SyntaxProblem(`${text} is neither true nor false`, at);
  if (length >= MAX_CONSTANT) throw new SyntaxProblem(`a text of ${length} bytes, more than ${MAX_CONSTANT - 1}`, at);
}

const COMPARISONS: Record<string, Comparison> = {
  "=": "=",
  "==": "=",
  "!=": "!=",
  "<": "<",
  "<=": "<=",
  ">": ">",
  ">=": ">=",
  contains: "contains",
  icontains: "containsAnyCase",
  startswith: "startsWith",
  endswith: "endsWith",
  glob: "glob",
  iglob: "globAnyCase",
  in: "same",
  intersects: "same",
};

/** A comparison with another field. */
function comparedTest(left: Bound, operator: string, check: CheckSyntax, operand: Operand): TestNode {
  const other = bindOperand(operand);
  const sides = `${showOperand(check.left)}, a ${describe(left)}, and ${showOperand(operand)}, a ${describe(other)}`;
  if (operator === "pmatch" || operator === "regex")
    throw new SyntaxProblem(`${operator} takes no field on its right side`, check.at);
  if (other.type !== left.type || other.list !== left.list)
    throw new SyntaxProblem(`${sides}, cannot be compared`, check.at);
  const compare = left.list ? (operator === "in" ? "allIn" : "someIn") : COMPARISONS[operator];
  const test: Test = { op: "compared", compare, numbers: left.type === "number", with: other.extraction };
  const inBody = left.inBody || other.inBody;
  return node({ ...left, inBody, needsAuditID: left.needsAuditID || other.needsAuditID }, check, test);
}

function simpleTest(left: Bound, operator: string, text: string, at: At): Exclude<Test, { op: "exists" }> {
  if (left.type === "number")
    return { op: "integer", compare: (operator === "==" ? "=" : operator) as NumberComparison, value: integer(text) };
  switch (operator) {
    case "=":
    case "==":
      return { op: "equals", text };
    case "!=":
      return { op: "unequal", text };
    case "<":
      return { op: "less", text };
    case "<=":
      return { op: "lessOrEqual", text };
    case ">":
      return { op: "greater", text };
    case ">=":
      return { op: "greaterOrEqual", text };
    case "contains":
      return { op: "contains", text };
    case "icontains":
      return { op: "containsAnyCase", text };
    case "startswith":
      return { op: "startsWith", text };
    case "endswith":
      return { op: "endsWith", text };
    case "glob":
      return { op: "glob", pattern: text, anyCase: false };
    case "iglob":
      return { op: "glob", pattern: text, anyCase: true };
    case "regex":
      return { op: "matchesWhole", pattern: regex(text, at) };
    default:
      throw new SyntaxProblem(`there is no operator ${operator}`, at);
  }
}

function regex(text: string, at: At): string {
  try {
    const pattern = fromPosix(text);
    compilePattern(pattern);
    return pattern;
  } catch (error) {
    throw new SyntaxProblem(`the pattern cannot be read (${(error as Error).message})`, at);
  }
}

/** An unsigned 64-bit number as C reads it: a negative one wraps around. */
function integer(text: string): string {
  const value = BigInt(text.trim());
  return (value >= 1n << 64n ? (1n << 64n) - 1n : BigInt.asUintN(64, value)).toString();
}

const SHOWN = 200;

function node(left: Bound, check: CheckSyntax, test: Test, negated = false): TestNode {
  const shown = show(check);
  const made: TestNode = {
    type: "test",
    path: {
      text: showOperand(check.left),
      source: { kind: "extraction", extraction: left.extraction, inBody: left.inBody, root: left.root },
      steps: [],
    },
    test,
    negated,
    text: shown.length > SHOWN ? `${shown.slice(0, SHOWN - 1)}…` : shown,
  };
  if (left.needsAuditID) NEEDS_AUDIT_ID.add(made);
  return made;
}
