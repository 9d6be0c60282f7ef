import type { Place } from "../../../plugin/index.js";
import type { Collector, Entry, ExceptionInfo, RuleChange } from "./collector.js";
import { type Item, isMap, wholeNumber } from "./item.js";
import { nearestPriority, priorityOf } from "./priorities.js";
import { problem, type WarningKind } from "./problems.js";
import { engineSatisfies, engineVersion, type PluginRequirement, parseVersion, pluginsSatisfy } from "./versions.js";

/** Receives warnings. */
export type Warn = (kind: WarningKind, message: string, place: Place) => void;

/** The item's requirement is not met: the items after it in its document are left out. */
export class Unsatisfied extends Error {}

/**
 * Reads one item of a rules file into the collector. Throws AuditshipError for errors in it, and {@link Unsatisfied}. Source:
 * `rule_loader_reader.cpp` of Falco 0.44.1.
 */
export function readItem(item: Item, collector: Collector, warn: Warn): void {
  const kind = KINDS.find(({ key }) => item.has(key));
  if (!kind) {
    warn("LOAD_UNKNOWN_ITEM", `This is none of ${KINDS.map(({ key }) => key).join(", ")}`, item.place());
    return;
  }
  kind.read(item, collector, warn);
  for (const [message, place] of item.unknownKeys(kind.keys)) warn("LOAD_UNKNOWN_KEY", message, place);
}

interface Kind {
  /** The key that identifies an item of this kind. */
  readonly key: string;
  readonly keys: readonly string[];
  read(item: Item, collector: Collector, warn: Warn): void;
}

const KINDS: readonly Kind[] = [
  { key: "required_engine_version", keys: ["required_engine_version"], read: readEngineVersion },
  { key: "required_plugin_versions", keys: ["required_plugin_versions"], read: readPluginVersions },
  { key: "list", keys: ["list", "items", "append", "override"], read: readList },
  { key: "macro", keys: ["macro", "condition", "append", "override"], read: readMacro },
  {
    key: "rule",
    keys: [
      "rule",
      "condition",
      "output",
      "desc",
      "priority",
      "source",
      "enabled",
      "capture",
      "capture_duration",
      "warn_evttypes",
      "skip-if-unknown-filter",
      "tags",
      "exceptions",
      "override",
      "append",
    ],
    read: readRule,
  },
];

/** A minor version alone, or a version of three numbers. */
function readEngineVersion(item: Item): void {
  const key = "required_engine_version";
  const text = item.text(key);
  const minor = wholeNumber(text);
  const version = minor === undefined ? parseVersion(text) : ([0, minor, 0] as const);
  if (!version) throw item.invalid(`The version “${text}” is no x.y.z`, key);
  if (engineSatisfies(version)) return;
  const message = `These rules need version ${version.join(".")} of Falco's engine; this is like ${engineVersion()}`;
  throw new Unsatisfied(message, { cause: problem("LOAD_ERR_VALIDATE", message, item.place(key)) });
}

function readPluginVersions(item: Item): void {
  const key = "required_plugin_versions";
  for (const plugin of item.items(key)) {
    const alternatives = plugin.has("alternatives") ? plugin.items("alternatives") : [];
    const requirements = [plugin, ...alternatives].map(readRequirement);
    const names = requirements.map(({ name }) => name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) throw problem("LOAD_ERR_VALIDATE", `The plugin ${twice} is named twice`, plugin.place());
    if (pluginsSatisfy(requirements)) continue;
    const wanted = requirements.map(({ name, version }) => `${name} ${version}`).join(" or ");
    const message = `These rules need the plugin ${wanted}, whose fields are not known here`;
    throw new Unsatisfied(message, { cause: problem("LOAD_ERR_VALIDATE", message, plugin.place()) });
  }
}

function readRequirement(item: Item): PluginRequirement {
  const requirement = { name: item.text("name"), version: item.text("version") };
  if (parseVersion(requirement.version)) return requirement;
  const message = `The version “${requirement.version}” of ${requirement.name} is no x.y.z`;
  throw problem("LOAD_ERR_VALIDATE", message, item.place("version"));
}

function readList(item: Item, collector: Collector, warn: Warn): void {
  const name = item.text("list");
  const place = item.place("list");
  if (!/^[^()"'\s=,]+$/.test(name))
    warn("LOAD_INVALID_LIST_NAME", `A list's name holds no blank, quote, comma, = or parenthesis: “${name}”`, place);
  const list = { name, items: item.texts("items"), place };
  if (isAppended(item, "items", warn)) collector.appendList(list);
  else collector.defineList(list);
}

function readMacro(item: Item, collector: Collector, warn: Warn): void {
  const name = item.text("macro");
  const place = item.place("macro");
  if (!/^[a-zA-Z]+[a-zA-Z0-9_]*$/.test(name))
    warn("LOAD_INVALID_MACRO_NAME", `A macro's name is made of letters, digits and _: “${name}”`, place);
  const condition = item.marked("condition", `macro ${name}`);
  if (isAppended(item, "condition", warn))
    collector.appendMacro(name, condition.text, (offset) => item.placeIn("condition", offset), place);
  else collector.defineMacro({ name, condition, place });
}

/** Whether a list or macro extends the earlier one of the same name: `append: true` or `override: {<key>: append}`. */
function isAppended(item: Item, key: string, warn: Warn): boolean {
  const isFlagged = readAppend(item, warn);
  const overrides = readOverrides(item, [key], [key]);
  if (isFlagged && overrides.size > 0) throw bothWays(item);
  return isFlagged || overrides.get(key) === "append";
}

function readAppend(item: Item, warn: Warn): boolean {
  const append = item.optionalBoolean("append") === true;
  if (append)
    warn(
      "LOAD_DEPRECATED_ITEM",
      "append: true is deprecated; write override: {condition: append}",
      item.place("append"),
    );
  return append;
}

function bothWays(item: Item) {
  return item.invalid("It has both append: true and override; write override: {condition: append}", "override");
}

type Operation = "append" | "replace";

function readOverrides(
  item: Item,
  appendable: readonly string[],
  replaceable: readonly string[],
): Map<string, Operation> {
  const overrides = new Map<string, Operation>();
  const value = item.get("override");
  if (!isMap(value)) return overrides;
  for (const [key, operation] of Object.entries(value)) {
    if (operation !== "append" && operation !== "replace")
      throw item.invalid(`override says ${String(operation)} of ${key}, neither append nor replace`, "override", key);
    if (operation === "append" && !appendable.includes(key))
      throw item.invalid(
        `${key} cannot be appended to${replaceable.includes(key) ? ", only replaced" : ""}`,
        "override",
        key,
      );
    if (operation === "replace" && !replaceable.includes(key))
      throw item.invalid(`${key} cannot be replaced`, "override", key);
    overrides.set(key, operation);
  }
  return overrides;
}

const APPENDABLE = ["condition", "exceptions", "output", "desc", "tags"];
const REPLACEABLE = [
  ...APPENDABLE,
  "priority",
  "capture",
  "capture_duration",
  "enabled",
  "warn_evttypes",
  "skip-if-unknown-filter",
];

function readRule(item: Item, collector: Collector, warn: Warn): void {
  const name = item.text("rule");
  const source = item.textOrNothing("source");
  const isAppend = readAppend(item, warn);
  const overrides = readOverrides(item, APPENDABLE, REPLACEABLE);
  if (isAppend && overrides.size > 0) throw bothWays(item);
  if (overrides.size > 0) overrideRule(item, name, source, overrides, collector, warn);
  else if (isAppend) {
    const keys = ["condition", "exceptions"].filter((key) => item.has(key));
    collector.appendRule({ ...readChange(item, name, source, keys, "append", warn), source });
  } else if (["condition", "output", "desc", "priority"].some((key) => item.has(key))) {
    defineRule(item, name, collector, warn);
  } else {
    const enabled = item.optionalBoolean("enabled");
    if (enabled === undefined) throw item.invalid("It has neither a condition nor enabled");
    const place = item.place("enabled");
    warn("LOAD_DEPRECATED_ITEM", "enabled alone is deprecated; write override: {enabled: replace} with it", place);
    collector.enableRule(name, enabled, item.place("rule"));
  }
}

function defineRule(item: Item, name: string, collector: Collector, warn: Warn): void {
  const condition = item.marked("condition", "");
  const output = item.marked("output", "", true);
  const description = item.text("desc");
  const priority = readPriority(item);
  const source = item.optionalText("source") ?? "syscall";
  const enabled = item.optionalBoolean("enabled") ?? true;
  readIgnored(item);
  collector.defineRule({
    name,
    source,
    place: item.place("rule"),
    condition,
    output,
    description,
    priority,
    enabled,
    skipUnknown: item.optionalBoolean("skip-if-unknown-filter") ?? false,
    tags: new Set(item.optionalTexts("tags")),
    exceptions: readExceptions(item, false, warn),
  });
}

/** Keys that matter only for system calls: they are checked and then ignored. */
function readIgnored(item: Item): void {
  item.optionalBoolean("capture");
  item.checkNumber("capture_duration");
  item.optionalBoolean("warn_evttypes");
}

/** Applies what is appended first, then what is replaced. Every key in `override` must have a value in the item. */
function overrideRule(
  item: Item,
  name: string,
  source: string,
  overrides: ReadonlyMap<string, Operation>,
  collector: Collector,
  warn: Warn,
): void {
  for (const operation of ["append", "replace"] as const) {
    const keys = (operation === "append" ? APPENDABLE : REPLACEABLE).filter((key) => overrides.get(key) === operation);
    if (keys.length === 0) continue;
    const missing = keys.find((key) => !item.has(key));
    if (missing !== undefined)
      throw item.invalid(`override says ${operation} of ${missing}, which is not there`, "override", missing);
    const change = readChange(item, name, source, keys, operation, warn);
    if (operation === "append") collector.appendRule(change);
    else collector.replaceInRule(change);
  }
  const stray = REPLACEABLE.find((key) => item.has(key) && !overrides.has(key));
  if (stray !== undefined) throw item.invalid(`override does not say what to do with ${stray}`, stray);
}

function readChange(
  item: Item,
  name: string,
  source: string,
  keys: readonly string[],
  operation: Operation,
  warn: Warn,
): RuleChange {
  const has = (key: string): boolean => keys.includes(key);
  const condition = has("condition") ? item.marked("condition", "") : undefined;
  if (keys.some((key) => key.startsWith("capture") || key === "warn_evttypes")) readIgnored(item);
  return {
    name,
    source: condition ? source : "",
    place: item.place("rule"),
    condition,
    exceptions: has("exceptions") ? readExceptions(item, operation === "append", warn) : undefined,
    output: has("output") ? item.marked("output", "") : undefined,
    description: has("desc") ? item.text("desc") : undefined,
    tags: has("tags") ? new Set(item.optionalTexts("tags")) : undefined,
    priority: has("priority") ? readPriority(item) : undefined,
    enabled: has("enabled") ? item.optionalBoolean("enabled") : undefined,
    skipUnknown: has("skip-if-unknown-filter") ? item.optionalBoolean("skip-if-unknown-filter") : undefined,
  };
}

/** Reads a priority in any case; `info` is Informational. */
function readPriority(item: Item): string {
  const text = item.text("priority");
  const priority = priorityOf(text);
  if (priority) return priority;
  const suggestion = nearestPriority(text);
  throw item.invalid(`“${text}” is no priority${suggestion ? `; did you mean ${suggestion}?` : ""}`, "priority");
}

function readExceptions(rule: Item, isAppend: boolean, warn: Warn): ExceptionInfo[] {
  if (!rule.has("exceptions") || rule.get("exceptions") === null) return [];
  const exceptions: ExceptionInfo[] = [];
  for (const item of rule.items("exceptions")) {
    const name = item.text("name");
    const place = item.place("name");
    if (exceptions.some((earlier) => earlier.name === name))
      warn("LOAD_EXCEPTION_NAME_NOT_UNIQUE", `The exception ${name} is defined twice in this rule`, place);
    if (!isAppend && !item.has("fields")) throw item.invalid(`The exception ${name} has no fields`);
    const values = item.get("values");
    if (values !== undefined && !Array.isArray(values)) throw item.invalid("The values are no list", "values");
    if (values === undefined && isAppend)
      warn("LOAD_APPEND_NO_VALUES", `Nothing is appended to the exception ${name}`, place);
    exceptions.push({
      name,
      fields: readEntry(item, item.get("fields"), "fields"),
      comps: readEntry(item, item.get("comps"), "comps"),
      values: (values ?? []).map((value: unknown) => readEntry(item, value, "values") ?? []),
      place,
    });
  }
  return exceptions;
}

/** A text that is not empty, or a list of such entries. Anything else counts as missing. */
function readEntry(item: Item, value: unknown, key: string): Entry | undefined {
  if (value === "") throw item.invalid(`A text in ${key} is empty`, key);
  if (typeof value === "string") return value;
  return Array.isArray(value) ? value.map((part) => readEntry(item, part, key) ?? []) : undefined;
}
