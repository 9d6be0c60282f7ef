import { AuditshipError, type Place } from "../../../plugin/index.js";
import { nearest } from "../../../plugin/nearest.js";
import type { Path } from "../../tree.js";
import { PathError, resolvePath } from "./fields.js";
import { CONDITION, type Origin, placeOf, syntaxError, type Token, tokenize } from "./lexer.js";

/** What `${…}` can stand for: a macro, a list or an alias of a Rule resource. A rule has a name but cannot be referred to. */
export interface Definition {
  readonly type: "rule" | "macro" | "list" | "alias";
  /** The Rule resource that contains it. */
  readonly resource: string;
  readonly name: string;
  /** A macro's condition or an alias's path. */
  readonly text: string;
  /** A list's items. */
  readonly items: readonly string[];
  readonly place: Place;
  /** The place of a character of `text`. */
  placeIn?(offset: number): Place;
}

/**
 * Conditions and lists that expand to more tokens or items are refused. Otherwise macros that double each other could fill the
 * memory.
 */
const MAX_EXPANSION = 200_000;
/** The same for everything loaded together. */
const MAX_TOTAL = 5_000_000;
/** Deepest nesting of macros within macros. */
const MAX_DEPTH = 100;

/** All definitions, by resource and name. */
export class Definitions {
  private readonly byKey = new Map<string, Definition>();

  /** Replaces an earlier definition of the same name, and returns that one. */
  add(definition: Definition): Definition | undefined {
    const key = `${definition.resource}.${definition.name}`;
    const earlier = this.byKey.get(key);
    this.byKey.set(key, definition);
    return earlier;
  }

  /** Finds `name` in one of the resources, or `resource.name` in any. */
  find(name: string, scopes: readonly string[]): Definition | undefined {
    for (const scope of scopes) {
      const found = this.byKey.get(`${scope}.${name}`);
      if (found) return found;
    }
    return this.byKey.get(name);
  }

  /** True unless a later definition of the same name has replaced this one. */
  isInForce(definition: Definition): boolean {
    return this.byKey.get(`${definition.resource}.${definition.name}`) === definition;
  }

  /** The most similar name that can be referred to from these resources. */
  suggest(name: string, scopes: readonly string[]): string | undefined {
    const names = [...this.byKey.values()].flatMap((definition) => {
      if (definition.type === "rule") return [];
      const full = `${definition.resource}.${definition.name}`;
      return scopes.includes(definition.resource) ? [definition.name, full] : [full];
    });
    return nearest(name, names);
  }
}

export interface ExpandOptions {
  /** Insert macros without parentheses, as upstream does: the warning about precedence compares with that. */
  bareMacros?: boolean;
}

/**
 * Replaces references in conditions, lists and aliases by what they stand for, recursively. Each definition is expanded once, and
 * the total that one expander makes is bounded.
 */
export class Expander {
  private readonly macros = new Map<Definition, readonly Token[]>();
  private readonly lists = new Map<Definition, readonly string[]>();
  private readonly oversized = new Map<Definition, AuditshipError>();
  /** Tokens and items made so far. */
  private total = 0;

  constructor(
    private readonly definitions: Definitions,
    private readonly options: ExpandOptions = {},
  ) {}

  /** The tokens of a condition without references: macros in parentheses, lists as one token, aliases as paths. */
  condition(origin: Origin, scopes: readonly string[]): readonly Token[] {
    return this.expand(tokenize(origin), scopes, []);
  }

  /** A macro's tokens, without the final `end`. */
  macro(definition: Definition, open: readonly Definition[] = []): readonly Token[] {
    const known = this.macros.get(definition);
    if (known) return known;
    const tokens = this.expand(tokenize(originOf(definition)), [definition.resource], [...open, definition]);
    const made = tokens.slice(0, -1);
    this.macros.set(definition, made);
    return made;
  }

  /** A list's items, including those of the lists that it refers to. */
  items(definition: Definition, open: readonly Definition[] = []): readonly string[] {
    const known = this.lists.get(definition);
    if (known) return known;
    const scopes = [definition.resource];
    const path = [...open, definition];
    const items: string[] = [];
    for (const item of definition.items) {
      const reference = /^\$\{([^{}]*)\}$/.exec(item);
      const parts = reference ? this.listItem(reference[1].trim(), definition, scopes, path) : [item];
      for (const part of parts) items.push(part);
      this.total += parts.length;
      if (items.length > MAX_EXPANSION || this.total > MAX_TOTAL) throw this.tooLarge(definition);
    }
    this.lists.set(definition, items);
    return items;
  }

  /** An alias's path, without references. */
  alias(definition: Definition, open: readonly Definition[] = []): string {
    const origin = originOf(definition);
    const tokens = this.expand(tokenize(origin), [definition.resource], [...open, definition]);
    if (tokens.length !== 2 || tokens[0].type !== "path")
      throw syntaxError(origin, 0, "an alias stands for one field, nothing else");
    return tokens[0].text;
  }

  /** An alias's path, resolved. */
  aliasPath(definition: Definition): Path {
    const text = this.alias(definition);
    try {
      return resolvePath(text);
    } catch (error) {
      if (error instanceof PathError) throw syntaxError(originOf(definition), 0, error.message);
      throw error;
    }
  }

  private expand(tokens: readonly Token[], scopes: readonly string[], open: readonly Definition[]): Token[] {
    const result: Token[] = [];
    for (const token of tokens) {
      const parts = token.type === "reference" ? this.reference(token, scopes, open) : [token];
      for (const part of parts) result.push(part);
      this.total += parts.length;
      if (result.length <= MAX_EXPANSION && this.total <= MAX_TOTAL) continue;
      const definition = open.at(-1);
      if (definition) throw this.tooLarge(definition);
      throw syntaxError(token.origin, token.offset, `more than ${MAX_EXPANSION} words after expansion`);
    }
    return result;
  }

  private reference(token: Token, scopes: readonly string[], open: readonly Definition[]): readonly Token[] {
    const definition = this.resolve(token, scopes, open);
    if (token.suffix && definition.type !== "alias")
      throw syntaxError(token.origin, token.offset, `\${${token.text}} is a ${definition.type}, not a field`);
    switch (definition.type) {
      case "alias":
        return [{ ...token, type: "path", text: this.alias(definition, open) + (token.suffix ?? "") }];
      case "list":
        return [{ ...token, type: "list", items: this.items(definition, open) }];
      default: {
        const inner = this.macro(definition, open);
        return this.options.bareMacros ? inner : [{ ...token, type: "(" }, ...inner, { ...token, type: ")" }];
      }
    }
  }

  private listItem(
    name: string,
    list: Definition,
    scopes: readonly string[],
    open: readonly Definition[],
  ): readonly string[] {
    const definition = this.definitions.find(name, scopes);
    if (definition) this.checkOpen(definition, open);
    if (definition?.type === "list") return this.items(definition, open);
    if (definition?.type === "alias") return [this.alias(definition, open)];
    throw new AuditshipError(
      "AUDITSHIP_RULE_REFERENCE",
      `List ${list.name} refers to \${${name}}, which is no list or alias${this.hint(name, scopes)}`,
      list.place,
    );
  }

  private resolve(token: Token, scopes: readonly string[], open: readonly Definition[]): Definition {
    const definition = this.definitions.find(token.text, scopes);
    const place = placeOf(token.origin, token.offset);
    if (!definition) {
      const message = `There is no macro, list or alias \${${token.text}}${this.hint(token.text, scopes)}`;
      throw new AuditshipError("AUDITSHIP_RULE_REFERENCE", message, place);
    }
    if (definition.type === "rule") {
      const message = `\${${token.text}} is a rule; only macros, lists and aliases can be referred to.`;
      throw new AuditshipError("AUDITSHIP_RULE_REFERENCE", message, place);
    }
    this.checkOpen(definition, open);
    return definition;
  }

  /** Throws for a definition that refers to itself, is nested too deeply, or is already known to be too large. */
  private checkOpen(definition: Definition, open: readonly Definition[]): void {
    const oversized = this.oversized.get(definition);
    if (oversized) throw oversized;
    if (open.includes(definition)) throw cycle(definition, open);
    if (open.length === MAX_DEPTH) throw tooDeep(definition);
  }

  private tooLarge(definition: Definition): AuditshipError {
    const { type, name, place } = definition;
    const message = `The ${type} ${name} has more than ${MAX_EXPANSION} words after expansion, or all together ${MAX_TOTAL}.`;
    const error = new AuditshipError("AUDITSHIP_RULE_INVALID", message, place);
    this.oversized.set(definition, error);
    return error;
  }

  private hint(name: string, scopes: readonly string[]): string {
    const suggestion = this.definitions.suggest(name, scopes);
    return suggestion ? `; did you mean \${${suggestion}}?` : ".";
  }
}

function originOf(definition: Definition): Origin {
  const { type, name, text } = definition;
  return { text, name: `${type} ${name}`, locate: definition.placeIn?.bind(definition) };
}

function cycle(definition: Definition, open: readonly Definition[]): AuditshipError {
  const names = [...open.slice(open.indexOf(definition)), definition].map(({ name }) => name);
  const message = `The ${definition.type} ${definition.name} refers to itself: ${names.join(" → ")}.`;
  return new AuditshipError("AUDITSHIP_RULE_REFERENCE", message, definition.place);
}

function tooDeep(definition: Definition): AuditshipError {
  const message = `The ${definition.type} ${definition.name} is referred to through more than ${MAX_DEPTH} others.`;
  return new AuditshipError("AUDITSHIP_RULE_INVALID", message, definition.place);
}

/** The origin of a condition that is no part of a resource. */
export function conditionOrigin(text: string, locate?: (offset: number) => Place): Origin {
  return { text, name: CONDITION, locate };
}
