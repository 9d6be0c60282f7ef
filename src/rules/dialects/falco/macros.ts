import { nearest } from "../../../plugin/nearest.js";
import type { At, Syntax } from "./syntax.js";
import { SyntaxProblem } from "./syntax-problem.js";

/** More checks in one condition, macros put in, are refused: what keeps macros that double from taking all the time. */
const MAX_CHECKS = 200_000;
/** The same for how deep it is nested. */
const MAX_DEPTH = 1500;

/** How many checks a condition has, and how deep it goes; macros that occur twice count twice. */
interface Extent {
  readonly checks: number;
  readonly depth: number;
}

/** Macros by name, with those that stand for something else than a condition that could be read. */
export class Macros {
  private readonly conditions = new Map<string, Syntax>();
  private readonly refused = new Set<string>();
  private readonly extents = new WeakMap<Syntax, Extent>();
  /** Conditions without macros in them. */
  private readonly done = new WeakSet<Syntax>();
  /** What is left of the work that one expansion may be. */
  private budget = 0;
  /** Names that were referred to. */
  readonly used = new Set<string>();

  /** A later condition takes the place of an earlier one. */
  set(name: string, condition: Syntax): void {
    this.conditions.set(name, condition);
  }

  /** A macro that could not be read: who refers to it is refused too. */
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

  /** A condition with macros put in, those that are visible. Throws {@link SyntaxProblem}. */
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
