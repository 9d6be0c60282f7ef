import { AuditshipError, type Place, type RuleMatch } from "../../../plugin/index.js";
import type { RuleDocument } from "../../documents.js";
import { rankOf } from "../../priority.js";
import type { Reader, ReaderContext } from "../../reader.js";
import type { Rule, RuleInfo as ShownRule } from "../../rule.js";
import type { Path } from "../../tree.js";
import { Binder } from "./binder.js";
import { Collector, type RuleInfo, SOURCE } from "./collector.js";
import { quoted, withExceptions } from "./exceptions.js";
import { Item, isMap } from "./item.js";
import { readItem, Unsatisfied, type Warn } from "./items.js";
import { Macros } from "./macros.js";
import type { MarkedText } from "./marked-text.js";
import { type Bound, UnknownField } from "./operands.js";
import { parseOutput } from "./output.js";
import { parseCondition } from "./parser.js";
import { isBelow } from "./priorities.js";
import { type ErrorKind, labelled, type WarningKind } from "./problems.js";
import { shadowsOf } from "./shadows.js";
import { placeOf, type Syntax } from "./syntax.js";
import { errorOf, SyntaxProblem } from "./syntax-problem.js";

const KEYS = ["rule", "macro", "list", "required_engine_version", "required_plugin_versions"];

/**
 * Reads Falco's rules files: lists, macros and rules in the order of the files, where later ones change earlier ones. Rules of
 * other sources than k8s_audit are left out. Falco refuses a file at its first error; this reader leaves out only what is wrong.
 */
export class FalcoReader implements Reader {
  readonly dialect = "falco";
  /** Everything read so far. */
  readonly collector = new Collector();
  /** Names of lists that were used somewhere. */
  private readonly usedLists = new Set<string>();
  private resolved: Resolved | undefined;
  private readonly binder = new Binder();
  private readonly warn: Warn;

  constructor(private readonly context: ReaderContext) {
    this.warn = (kind, message, place) => context.warn(labelled(kind, message), place);
  }

  accepts({ value }: RuleDocument): boolean {
    return Array.isArray(value) && value.some((item) => isMap(item) && KEYS.some((key) => Object.hasOwn(item, key)));
  }

  read(document: RuleDocument): void {
    for (const [index, value] of (document.spelling as unknown[]).entries()) {
      if (value === null) continue;
      try {
        this.readItem(document, index, value);
      } catch (error) {
        const cause = error instanceof Unsatisfied ? error.cause : asLoadError(error);
        if (!(cause instanceof AuditshipError)) throw error;
        this.context.refuse(titled(titleOf(value), cause));
        if (error instanceof Unsatisfied) return;
      }
    }
  }

  private readItem(document: RuleDocument, index: number, value: unknown): void {
    if (!isMap(value)) throw new Item(document, [index], {}).invalid("This is no rule, macro or list");
    readItem(new Item(document, [index], value), this.collector, this.warn);
  }

  rules(): Rule[] {
    const resolved = this.resolve();
    const rules: Rule[] = [];
    const foreign = new Map<string, RuleInfo[]>();
    for (const rule of this.collector.rules.values()) {
      if (rule.source === SOURCE) {
        const made = this.tryRule(rule, resolved);
        if (made) rules.push(made);
        continue;
      }
      foreign.set(rule.source, [...(foreign.get(rule.source) ?? []), rule]);
      // Lists and macros that only such rules use still count as used.
      attempt(() => this.conditionOf(rule, resolved));
    }
    for (const [source, left] of foreign) this.warnOfSource(source, left);
    this.warnOfUnused(resolved);
    if (this.context.falco.matching === "first") this.warnOfShadows(rules);
    return rules;
  }

  /** Expands lists and macros in a condition, as if it belonged to a rule of these files. Throws {@link SyntaxProblem}. */
  expand(condition: MarkedText): Syntax {
    const resolved = this.resolve();
    return resolved.macros.expand(this.parse(condition, resolved.lists));
  }

  /** A rule's condition with exceptions, lists and macros expanded. */
  conditionOfRule(name: string): Syntax | undefined {
    const rule = this.collector.rules.get(name);
    return rule && this.conditionOf(rule, this.resolve());
  }

  private conditionOf(rule: RuleInfo, { lists, macros }: Resolved): Syntax {
    return macros.expand(this.parse(withExceptions(rule.condition, rule.exceptions), lists));
  }

  private parse(condition: MarkedText, lists: ReadonlyMap<string, string>): Syntax {
    let text = condition;
    for (const [name, items] of lists) {
      const changed = text.substitute(name, items);
      if (!changed) continue;
      text = changed;
      this.usedLists.add(name);
    }
    return parseCondition(text);
  }

  /** Lists and macros as they are after all files were read. */
  private resolve(): Resolved {
    this.resolved ??= { lists: this.resolveLists(), macros: new Macros() };
    if (this.resolved.macros.isEmpty) this.resolveMacros(this.resolved);
    return this.resolved;
  }

  /** Expands lists within lists, one level deep: a list gets those that were defined before it was last changed. */
  private resolveLists(): Map<string, string> {
    const { lists } = this.collector;
    const texts = new Map<string, string>();
    for (const { name, items, visibility } of lists.values()) {
      const all = items.flatMap((item) => {
        const other = lists.get(item);
        if (!other || other.index >= visibility) return [item];
        this.usedLists.add(item);
        return other.items;
      });
      texts.set(
        name,
        all.map(quoted).reduce((text, item) => (text === "" ? item : `${text}, ${item}`), ""),
      );
    }
    return texts;
  }

  /** Reads all macros first; then each is expanded with those that were defined before it was last changed. */
  private resolveMacros({ lists, macros }: Resolved): void {
    const { macros: defined } = this.collector;
    for (const { name, condition } of defined.values()) this.tryMacro(name, macros, () => this.parse(condition, lists));
    for (const { name, visibility } of defined.values()) {
      const condition = macros.get(name);
      const isVisible = (other: string): boolean => (defined.get(other)?.index ?? visibility) < visibility;
      if (condition) this.tryMacro(name, macros, () => macros.expand(condition, isVisible));
    }
  }

  private tryMacro(name: string, macros: Macros, make: () => Syntax): void {
    try {
      macros.set(name, make());
    } catch (error) {
      if (!(error instanceof SyntaxProblem)) throw error;
      macros.refuse(name);
      this.context.refuse(titled(`Macro ${name}`, errorOf(error, "LOAD_ERR_COMPILE_CONDITION")));
    }
  }

  private tryRule(rule: RuleInfo, resolved: Resolved): Rule | undefined {
    try {
      return this.rule(rule, resolved);
    } catch (error) {
      if (!(error instanceof AuditshipError)) throw error;
      this.context.refuse(titled(`Rule ${rule.name}`, error));
      return undefined;
    }
  }

  private rule(rule: RuleInfo, resolved: Resolved): Rule | undefined {
    const info = this.info(rule);
    this.context.info(info);
    const output = this.attemptFor(rule, "LOAD_ERR_COMPILE_OUTPUT", () => parseOutput(rule.output));
    const condition = this.attemptFor(rule, "LOAD_ERR_COMPILE_CONDITION", () =>
      this.binder.bind(this.conditionOf(rule, resolved), ({ kind, message, at }) =>
        this.warn(kind, `Rule ${rule.name}: ${message}`, placeOf(at)),
      ),
    );
    if (!output || !condition || !info.enabled || isBelow(rule.priority, this.context.falco.minPriority))
      return undefined;
    const match: RuleMatch = {
      rule: rule.name,
      dialect: "falco",
      priority: rule.priority,
      rank: info.rank,
      actions: info.actions,
      tags: [...rule.tags].sort(),
      description: rule.description,
      facts: {},
      message: output.message,
      fields: output.fields,
    };
    return {
      info,
      condition,
      match,
      output: rule.output.text,
      paths: output.shown.map(pathOf),
      exclusive: this.context.falco.matching === "first",
    };
  }

  /** Undefined, with a warning, if an unknown field is named and the rule allows that. */
  private attemptFor<T>(rule: RuleInfo, kind: ErrorKind, make: () => T): T | undefined {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof SyntaxProblem)) throw error;
      if (!(error instanceof UnknownField && rule.skipUnknown)) throw errorOf(error, kind);
      this.warn("LOAD_UNKNOWN_FILTER", `Rule ${rule.name} is left out: ${error.message}`, placeOf(error.at));
      return undefined;
    }
  }

  private info({ name, priority, description, enabled, place }: RuleInfo): ShownRule {
    const rank = rankOf(priority) ?? 0;
    const actions = rank >= this.context.alertingRank ? (["archived", "alerting"] as const) : (["archived"] as const);
    return { name, dialect: "falco", priority, rank, actions, description, enabled, place };
  }

  private warnOfSource(source: string, rules: readonly RuleInfo[]): void {
    const count = rules.length === 1 ? `The rule ${rules[0].name} is` : `${rules.length} rules are`;
    const message = `${count} for the source ${source} and left out; only those for ${SOURCE} run here`;
    this.warn("LOAD_UNKNOWN_SOURCE", message, rules[0].place);
  }

  private warnOfShadows(rules: readonly Rule[]): void {
    for (const { rule, hidden } of shadowsOf(rules)) {
      const { name, priority, place } = rule.info;
      const names = hidden.slice(0, MAX_NAMED).map(({ info }) => `${info.name} (${info.priority})`);
      const more = hidden.length > MAX_NAMED ? ` and ${hidden.length - MAX_NAMED} more` : "";
      const message = `Rule ${name} (${priority}) stands before ${names.join(", ")}${more}`;
      this.context.warn(`${message}: with matching: first it hides them on events that match both.`, place);
    }
  }

  private warnOfUnused({ macros }: Resolved): void {
    const { collector } = this;
    const warn = (kind: WarningKind, what: string, name: string, place: Place): void =>
      this.warn(kind, `The ${what} ${name} is not used`, place);
    for (const { name, place } of collector.macros.values())
      if (!macros.used.has(name)) warn("LOAD_UNUSED_MACRO", "macro", name, place);
    for (const { name, place } of collector.lists.values())
      if (!this.usedLists.has(name)) warn("LOAD_UNUSED_LIST", "list", name, place);
  }
}

/** Most rules named in one warning. */
const MAX_NAMED = 5;

interface Resolved {
  /** The text that each list's name stands for. */
  readonly lists: ReadonlyMap<string, string>;
  readonly macros: Macros;
}

function pathOf({ extraction, inBody }: Bound): Path {
  return { text: "", source: { kind: "extraction", extraction, inBody }, steps: [] };
}

/** The item's kind and name, for errors. */
function titleOf(value: unknown): string {
  const item = isMap(value) ? value : {};
  const kind = ["rule", "macro", "list"].find((key) => typeof item[key] === "string");
  return kind ? `${kind[0].toUpperCase()}${kind.slice(1)} ${String(item[kind])}` : "Item";
}

function titled(title: string, { code, message, place }: AuditshipError): AuditshipError {
  return new AuditshipError(code, `${title}: ${message}`, place);
}

/** Turns a SyntaxProblem into a load error: a text that is too long is rejected before it is parsed. */
function asLoadError(error: unknown): unknown {
  return error instanceof SyntaxProblem ? errorOf(error, "LOAD_ERR_VALIDATE") : error;
}

function attempt(make: () => unknown): void {
  try {
    make();
  } catch (error) {
    if (!(error instanceof SyntaxProblem) && !(error instanceof AuditshipError)) throw error;
  }
}
