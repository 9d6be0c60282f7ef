import { nearest } from "../../../plugin/nearest.js";
import type { At, Syntax } from "./syntax.js";
import { SyntaxProblem } from "./syntax-problem.js";

/**
 * Conditions with more checks than this, after macros are expanded, are refused. Otherwise macros that double each other could take
 * unlimited time.
 */
const MAX_CHECKS = 200_000;
/** The same for how deeply they are nested. */
const MAX_DEPTH = 1500;

/** The number of checks in a condition, and its depth. A macro that occurs twice counts twice. */
interface Extent {
  readonly checks: number;
  readonly depth: number;
}

/** Macros by name, including the names of those that could not be read. */
export class Macros {
  private readonly conditions = new Map<string, Syntax>();
  private readonly refused = new Set<string>();
  private readonly extents = new WeakMap<Syntax, Extent>();
  /** Conditions whose macros are expanded. */
  private readonly done = new WeakSet<Syntax>();
  /** The work left for the current expansion. */
  private budget = 0;
  /** Names that conditions refer to. */
  readonly used = new Set<string>();

  /** A later condition replaces an earlier one of the same name. */
  set(name: string, condition: Syntax): void {
    this.conditions.set(name, condition);
  }

  /** Notes a macro that could not be read; conditions that refer to it are refused too. */
  refuse(name: string): void {
    this.conditions.delete(name);
    this.refused.add(name);
  }

  get isEmpty(): boolean {
    return this.conditions.size === 0 && this.refused.size === 0;
  }

  get(name: string): Syntax | undefined {
    return this.conditions.get(name);
  }

  /** Expands the visible macros in a condition. Throws {@link SyntaxProblem}. */
  expand(condition: Syntax, isVisible: (name: string) => boolean = () => true): Syntax {
    this.budget = 4 * MAX_CHECKS;
    const made = this.put(condition, isVisible, []);
    const { checks, depth } = this.extent(made);
    if (checks > MAX_CHECKS)
      throw new SyntaxProblem(`more than ${MAX_CHECKS} checks with all macros expanded`, condition.at);
    if (depth > MAX_DEPTH) throw new SyntaxProblem(`nested deeper than ${MAX_DEPTH} levels`, condition.at);
    this.done.add(made);
    return made;
  }

  private put(syntax: Syntax, isVisible: (name: string) => boolean, open: readonly string[]): Syntax {
    if (this.done.has(syntax)) return syntax;
    if (--this.budget < 0)
      throw new SyntaxProblem(`more than ${MAX_CHECKS} checks with all macros expanded`, syntax.at);
    switch (syntax.type) {
      case "and":
      case "or": {
        const children = syntax.children.map((child) => this.put(child, isVisible, open));
        return children.every((child, index) => child === syntax.children[index]) ? syntax : { ...syntax, children };
      }
      case "not": {
        const child = this.put(syntax.child, isVisible, open);
        return child === syntax.child ? syntax : { ...syntax, child };
      }
      case "macro":
        return this.macro(syntax.name, syntax.at, isVisible, open);
      default:
        return syntax;
    }
  }

  private macro(name: string, at: At, isVisible: (name: string) => boolean, open: readonly string[]): Syntax {
    const condition = isVisible(name) ? this.conditions.get(name) : undefined;
    if (!condition) throw new SyntaxProblem(this.whyNot(name, isVisible), at);
    if (open.includes(name))
      throw new SyntaxProblem(`the macro ${name} refers to itself: ${[...open, name].join(" → ")}`, at);
    if (open.length > MAX_DEPTH) throw new SyntaxProblem(`macros in macros deeper than ${MAX_DEPTH} levels`, at);
    this.used.add(name);
    return this.put(condition, isVisible, [...open, name]);
  }

  private whyNot(name: string, isVisible: (name: string) => boolean): string {
    if (this.refused.has(name)) return `the macro ${name} could not be read`;
    if (this.conditions.has(name)) return `the macro ${name} is defined further down; a macro sees those above it only`;
    const suggestion = nearest(name, [...this.conditions.keys()].filter(isVisible));
    return `there is no macro ${name}${suggestion ? `; did you mean ${suggestion}?` : ""}`;
  }

  private extent(syntax: Syntax): Extent {
    let extent = this.extents.get(syntax);
    if (!extent) {
      const inner = syntax.type === "not" ? [syntax.child] : "children" in syntax ? syntax.children : [];
      const extents = inner.map((child) => this.extent(child));
      extent = {
        checks: inner.length === 0 ? 1 : extents.reduce((sum, { checks }) => sum + checks, 0),
        depth: 1 + extents.reduce((most, { depth }) => Math.max(most, depth), 0),
      };
      this.extents.set(syntax, extent);
    }
    return extent;
  }
}
