import { AuditshipError, type Place } from "../../../plugin/index.js";
import { nearest } from "../../suggest.js";
import type { Path } from "../../tree.js";
import { PathError, resolvePath } from "./fields.js";
import { CONDITION, type Origin, placeOf, syntaxError, type Token, tokenize } from "./lexer.js";

/** What `${…}` can stand for: a macro, a list or an alias of a Rule resource. A rule has a name but cannot be referred to. */
export interface Definition {
  readonly type: "rule" | "macro" | "list" | "alias";
  /** The Rule resource it stands in. */
  readonly resource: string;
  readonly name: string;
  /** A macro's condition, an alias's path. */
  readonly text: string;
  /** A list's items. */
  readonly items: readonly string[];
  readonly place: Place;
  /** Where a character of `text` stands. */
  placeIn?(offset: number): Place;
}

/** More tokens, or items, than a condition or list may become: what keeps macros that double from filling the memory. */
const MAX_EXPANSION = 200_000;
/** Macros in macros, and so on, at most. */
const MAX_DEPTH = 100;

/** All definitions, by resource and name. */
export class Definitions {
  private readonly byKey = new Map<string, Definition>();

  /** A later one of the same name takes the place of an earlier one, which is returned. */
  add(definition: Definition): Definition | undefined {
    const key = `${definition.resource}.${definition.name}`;
    const earlier = this.byKey.get(key);
    this.byKey.set(key, definition);
    return earlier;
  }

  /** `name` of one of the resources, or `resource.name` of any. */
  find(name: string, scopes: readonly string[]): Definition | undefined {
    for (const scope of scopes) {
      const found = this.byKey.get(`${scope}.${name}`);
      if (found) return found;
    }
    return this.byKey.get(name);
  }

  /** The definition that is in force under a name. */
  isInForce(definition: Definition): boolean {
    return this.byKey.get(`${definition.resource}.${definition.name}`) === definition;
  }

  /** A name most like this one that can be referred to from these resources. */
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
  /** Put macros in, as upstream does, without parentheses: what the warning compares with. */
  bareMacros?: boolean;
}

/** Replaces references in conditions, lists and aliases by what they stand for, recursively. */
export class Expander {
  private size = 0;

  constructor(
    private readonly definitions: Definitions,
    private readonly options: ExpandOptions = {},
  ) {}

  /** The tokens of a condition without references: macros in parentheses, lists as one token, aliases as paths. */
  condition(origin: Origin, scopes: readonly string[]): Token[] {
    this.size = 0;
    return this.expand(tokenize(origin), scopes, []);
  }

  /** A list's items with those of the lists it refers to. */
  items(list: Definition): string[] {
    this.size = 0;
    return this.list(list, []);
  }

  private list(definition: Definition, open: readonly Definition[]): string[] {
    const scopes = [definition.resource];
    const path = [...open, definition];
    const items: string[] = [];
    for (const item of definition.items) {
      const reference = /^\$\{([^{}]*)\}$/.exec(item);
      if (++this.size > MAX_EXPANSION) throw tooLarge(definition);
      if (!reference) items.push(item);
      else for (const spliced of this.listItem(reference[1].trim(), definition, scopes, path)) items.push(spliced);
    }
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
      if (token.type === "reference") for (const part of this.reference(token, scopes, open)) result.push(part);
      else result.push(token);
      if (++this.size > MAX_EXPANSION)
        throw syntaxError(token.origin, token.offset, `more than ${MAX_EXPANSION} words after expansion`);
    }
    return result;
  }

  private reference(token: Token, scopes: readonly string[], open: readonly Definition[]): Token[] {
    const definition = this.resolve(token, scopes, open);
    if (token.suffix && definition.type !== "alias")
      throw syntaxError(token.origin, token.offset, `\${${token.text}} is a ${definition.type}, not a field`);
    switch (definition.type) {
      case "alias":
        return [{ ...token, type: "path", text: this.alias(definition, open) + (token.suffix ?? "") }];
      case "list":
        return [{ ...token, type: "list", items: this.list(definition, open) }];
      default: {
        const inner = this.expand(tokenize(originOf(definition)), [definition.resource], [...open, definition]);
        inner.pop();
        if (this.options.bareMacros) return inner;
        return [{ ...token, type: "(" }, ...inner, { ...token, type: ")" }];
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
    if (definition && open.includes(definition)) throw cycle(definition, open);
    if (definition && open.length === MAX_DEPTH) throw tooDeep(definition);
    if (definition?.type === "list") return this.list(definition, open);
    if (definition?.type === "alias") return [this.alias(definition, open)];
    throw new AuditshipError(
      "AUDITSHIP_RULE_REFERENCE",
      `List ${list.name} refers to \${${name}}, which is no list or alias${this.hint(name, scopes)}.`,
      list.place,
    );
  }

  private resolve(token: Token, scopes: readonly string[], open: readonly Definition[]): Definition {
    const definition = this.definitions.find(token.text, scopes);
    const place = placeOf(token.origin, token.offset);
    if (!definition) {
      const message = `There is no macro, list or alias \${${token.text}}${this.hint(token.text, scopes)}.`;
      throw new AuditshipError("AUDITSHIP_RULE_REFERENCE", message, place);
    }
    if (definition.type === "rule") {
      const message = `\${${token.text}} is a rule; only macros, lists and aliases can be referred to.`;
      throw new AuditshipError("AUDITSHIP_RULE_REFERENCE", message, place);
    }
    if (open.includes(definition)) throw cycle(definition, open);
    if (open.length === MAX_DEPTH) throw tooDeep(definition);
    return definition;
  }

  private hint(name: string, scopes: readonly string[]): string {
    const suggestion = this.definitions.suggest(name, scopes);
    return suggestion ? `; did you mean \${${suggestion}}?` : "";
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

function tooLarge(definition: Definition): AuditshipError {
  const message = `List ${definition.name} has more than ${MAX_EXPANSION} items after expansion.`;
  return new AuditshipError("AUDITSHIP_RULE_INVALID", message, definition.place);
}

/** The origin of a condition that stands for itself. */
export function conditionOrigin(text: string, locate?: (offset: number) => Place): Origin {
  return { text, name: CONDITION, locate };
}
