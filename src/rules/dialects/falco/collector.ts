import type { Place } from "../../../plugin/index.js";
import { nearest } from "../../../plugin/nearest.js";
import type { MarkedText } from "./marked-text.js";
import { bindOperand } from "./operands.js";
import { MODIFIABLE, OPERATORS } from "./operators.js";
import { parseCondition, parseOperand } from "./parser.js";
import { problem } from "./problems.js";

/** When something was first defined and when it was last changed: this decides which definitions it sees, and which see it. */
interface Dated {
  index: number;
  visibility: number;
}

export interface ListInfo extends Dated {
  readonly name: string;
  /** Owned by the collector, which appends to it. */
  readonly items: string[];
  readonly place: Place;
}

export interface MacroInfo extends Dated {
  readonly name: string;
  condition: MarkedText;
  readonly place: Place;
}

/** A text or a list of entries, nested to any depth: `fields`, `comps` and `values` of an exception. */
export type Entry = string | readonly Entry[];

export interface ExceptionInfo {
  readonly name: string;
  readonly fields?: Entry;
  readonly comps?: Entry;
  /** Owned by the collector, which appends to it. */
  readonly values: Entry[];
  readonly place: Place;
}

/** A rule as it is after everything read so far. */
export interface RuleInfo extends Dated {
  readonly name: string;
  readonly source: string;
  readonly place: Place;
  condition: MarkedText;
  output: MarkedText;
  description: string;
  priority: string;
  enabled: boolean;
  skipUnknown: boolean;
  tags: Set<string>;
  exceptions: readonly ExceptionInfo[];
}

/** What an item changes in a rule; undefined members stay as they are. */
export interface RuleChange {
  readonly name: string;
  /** "" if the item names none. */
  readonly source: string;
  readonly place: Place;
  readonly condition?: MarkedText;
  readonly output?: MarkedText;
  readonly description?: string;
  readonly priority?: string;
  readonly enabled?: boolean;
  readonly skipUnknown?: boolean;
  readonly tags?: Set<string>;
  readonly exceptions?: readonly ExceptionInfo[];
}

/** The only event source whose fields are known. */
export const SOURCE = "k8s_audit";

/**
 * Lists, macros and rules, as the files define, redefine, append to and replace them, in that order. A redefinition keeps the place
 * of the first definition. Throws AuditshipError. Source: `rule_loader_collector.cpp` of Falco 0.44.1.
 */
export class Collector {
  readonly lists = new Map<string, ListInfo>();
  readonly macros = new Map<string, MacroInfo>();
  readonly rules = new Map<string, RuleInfo>();
  private next = 0;

  defineList(list: Omit<ListInfo, keyof Dated>): void {
    this.lists.set(list.name, { ...list, ...this.dated(this.lists.get(list.name)) });
  }

  appendList({ name, items, place }: Omit<ListInfo, keyof Dated>): void {
    const earlier = this.lists.get(name);
    if (!earlier) throw invalid(`There is no list ${name} to append to${hint(name, this.lists)}`, place);
    for (const item of items) earlier.items.push(item);
    earlier.visibility = this.next++;
  }

  defineMacro(macro: Omit<MacroInfo, keyof Dated>): void {
    this.macros.set(macro.name, { ...macro, ...this.dated(this.macros.get(macro.name)) });
  }

  appendMacro(name: string, condition: string, placeOf: (offset: number) => Place, place: Place): void {
    const earlier = this.macros.get(name);
    if (!earlier) throw invalid(`There is no macro ${name} to append to${hint(name, this.macros)}`, place);
    earlier.condition = earlier.condition.append(condition, placeOf);
    earlier.visibility = this.next++;
  }

  defineRule(rule: Omit<RuleInfo, keyof Dated>): void {
    this.checkSource(rule);
    const exceptions = rule.exceptions.map((exception) => {
      if (!isDefined(exception.fields)) throw invalid(`The exception ${exception.name} has no fields`, exception.place);
      return validated(exception, rule.source);
    });
    this.rules.set(rule.name, { ...rule, exceptions, ...this.dated(this.rules.get(rule.name)) });
  }

  /** Appends texts after a space, adds tags and exceptions, and adds values to existing exceptions. */
  appendRule(change: RuleChange): void {
    const rule = this.earlierRule(change, "append to");
    const { condition, output, description, tags, exceptions } = change;
    const any = condition ?? output ?? description ?? tags ?? exceptions;
    if (any === undefined) throw invalid(`Nothing is appended to the rule ${change.name}`, change.place);
    if (condition?.text) rule.condition = rule.condition.append(condition.text, (offset) => condition.placeAt(offset));
    if (output?.text) rule.output = rule.output.append(output.text, (offset) => output.placeAt(offset));
    if (description) rule.description += ` ${description}`;
    for (const tag of tags ?? []) rule.tags.add(tag);
    for (const exception of exceptions ?? []) rule.exceptions = withException(rule, exception);
    rule.visibility = this.next++;
  }

  replaceInRule(change: RuleChange): void {
    const rule = this.earlierRule(change, "replace anything in");
    const exceptions = change.exceptions?.map((exception) => validated(exception, rule.source));
    const changed = { ...change, exceptions };
    for (const key of REPLACEABLE) if (changed[key] !== undefined) Object.assign(rule, { [key]: changed[key] });
    rule.visibility = this.next++;
  }

  enableRule(name: string, enabled: boolean, place: Place): void {
    const rule = this.rules.get(name);
    if (!rule) throw invalid(`There is no rule ${name} to turn on or off${hint(name, this.rules)}`, place);
    rule.enabled = enabled;
  }

  private earlierRule(change: RuleChange, what: string): RuleInfo {
    const rule = this.checkSource(change);
    if (!rule)
      throw invalid(`There is no rule ${change.name} to ${what}${hint(change.name, this.rules)}`, change.place);
    return rule;
  }

  private checkSource({ name, source, place }: Pick<RuleChange, "name" | "source" | "place">): RuleInfo | undefined {
    const earlier = this.rules.get(name);
    if (earlier && earlier.source !== "" && source !== "" && earlier.source !== source)
      throw invalid(`The rule ${name} is defined for the source ${earlier.source}, and here for ${source}`, place);
    return earlier;
  }

  private dated(earlier: Dated | undefined): Dated {
    const now = this.next++;
    return { index: earlier?.index ?? now, visibility: now };
  }
}

const REPLACEABLE = [
  "condition",
  "output",
  "description",
  "tags",
  "exceptions",
  "priority",
  "enabled",
  "skipUnknown",
] as const;

/** True for a text, and for a list that is not empty. */
function isDefined(entry: Entry | undefined): boolean {
  return entry !== undefined && entry.length > 0;
}

/** Adds a new exception to a rule, or values to one that it has. */
function withException(rule: RuleInfo, added: ExceptionInfo): readonly ExceptionInfo[] {
  const { name, place } = added;
  const index = rule.exceptions.findIndex((exception) => exception.name === name);
  if (index < 0) {
    if (!isDefined(added.fields)) throw invalid(`The exception ${name} has no fields`, place);
    if (added.values.length === 0) throw invalid(`The exception ${name} has no values`, place);
    return [...rule.exceptions, validated(added, rule.source)];
  }
  if (isDefined(added.fields)) throw invalid(`The exception ${name} is there already; only values may be added`, place);
  if (isDefined(added.comps)) throw invalid(`The exception ${name} is there already; only values may be added`, place);
  const earlier = rule.exceptions[index];
  for (const value of added.values) earlier.values.push(value);
  return rule.exceptions;
}

/** Checks an exception and fills in its comparisons. */
function validated(exception: ExceptionInfo, source: string): ExceptionInfo {
  const { name, fields = "", place } = exception;
  const comps = isDefined(exception.comps) ? exception.comps : undefined;
  const isKnown = source === SOURCE;
  if (typeof fields === "string") {
    const comp = comps ?? "in";
    if (typeof comp !== "string") throw invalid(`The exception ${name} has one field and a list of comps`, place);
    const operator = comp.trim();
    if (!["in", "pmatch", "intersects"].includes(operator) && !isModified(operator))
      throw invalid(
        `The exception ${name} has one field: “${operator}” is none of in, pmatch, intersects, startswith oneof, …`,
        place,
      );
    if (isKnown) checkField(fields, exception);
    return { ...exception, fields, comps: operator };
  }
  const operators = comps ?? fields.map(() => "=");
  if (typeof operators === "string" || operators.length !== fields.length)
    throw invalid(`The exception ${name} has not as many comps as fields`, place);
  const trimmed = operators.map((operator) => text(operator).trim());
  const unknown = trimmed.find((operator) => !OPERATORS.includes(operator) && !isModified(operator));
  if (unknown !== undefined)
    throw invalid(`“${unknown}” in the exception ${name} is no operator${suggest(unknown, OPERATORS)}`, place);
  if (isKnown) for (const field of fields) checkField(text(field), exception);
  return { ...exception, fields, comps: trimmed };
}

const text = (entry: Entry): string => (typeof entry === "string" ? entry : "");

function isModified(operator: string): boolean {
  const space = operator.indexOf(" ");
  return (
    MODIFIABLE.includes(operator.slice(0, space)) && ["oneof", "anyof", "allof"].includes(operator.slice(space + 1))
  );
}

/** Throws unless the text is a field, or a transformer of one. */
function checkField(field: string, { name, place }: ExceptionInfo): void {
  const written = { text: field, name: "" };
  try {
    if (field.includes("(")) {
      const condition = parseCondition({ text: `${field} exists`, name: "" });
      if (condition.type === "check") bindOperand(condition.left);
    } else if (parseOperand(written).end === field.length) {
      bindOperand(parseOperand(written).operand);
    } else throw new Error(`“${field}” is no field`);
  } catch (error) {
    throw invalid(`In the exception ${name}: ${(error as Error).message}`, place);
  }
}

function hint(name: string, known: ReadonlyMap<string, unknown>): string {
  return suggest(name, known.keys());
}

function suggest(name: string, known: Iterable<string>): string {
  const found = nearest(name, known);
  return found ? `; did you mean ${found}?` : "";
}

function invalid(message: string, place: Place) {
  return problem("LOAD_ERR_VALIDATE", message, place);
}
