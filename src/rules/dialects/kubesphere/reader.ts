import { type Action, AuditshipError, type Place, type RuleMatch } from "../../../plugin/index.js";
import { nearest } from "../../../plugin/nearest.js";
import type { Keys, RuleDocument } from "../../documents.js";
import { rankOf } from "../../priority.js";
import type { Reader, ReaderContext } from "../../reader.js";
import type { Rule, RuleInfo } from "../../rule.js";
import { conditionOrigin, type Definition, Definitions, Expander } from "./definitions.js";
import { unknownField } from "./fields.js";
import { type OutputPart, outputTemplate, parseOutput, renderOutput } from "./output.js";
import { parse } from "./parser.js";
import {
  type Item,
  isList,
  isResource,
  isRule,
  isTypedList,
  itemSchema,
  type Json,
  resourceSchema,
} from "./resource.js";
import { invalidShape, type Labels, selects, textOf } from "./shape.js";
import { conditionWarnings } from "./warnings.js";
import { readWebhook } from "./webhook.js";

const PRIORITIES = ["DEBUG", "INFO", "WARNING"];

/** What an item inherits from its resource. */
interface OfResource {
  /** The name by which other items refer to its definitions. */
  readonly name: string;
  /** The name, with its namespace if the resource is watched. */
  readonly title: string;
  readonly labels: Labels;
  readonly facts: RuleMatch["facts"];
}

/** An item with the resource that contains it. */
interface Entry extends OfResource {
  readonly item: Item;
  readonly definition: Definition;
  readonly document: RuleDocument;
  readonly keys: Keys;
}

/** Labels of the resources whose rules archive or alert, unless a Webhook resource says otherwise. */
const ARCHIVING: Labels = { type: "archiving" };
const ALERTING: Labels = { type: "alerting" };

/** Resources that may refer to each other: those in files, or those of one namespace. */
class Scope {
  readonly entries: Entry[] = [];
  readonly definitions = new Definitions();
}

/**
 * Reads KubeSphere's Rule resources and its Webhook resource, as documents or as `List`s of them. In files a Rule resource is known
 * by its name alone, and a later definition of a name replaces an earlier one, as in KubeSphere. Watched resources are known by
 * namespace and name, and replace nothing.
 */
export class KubeSphereReader implements Reader {
  readonly dialect = "kubesphere";
  /** By namespace; "" for files. */
  private readonly scopes = new Map([["", new Scope()]]);
  /** Resources with rules, by name. */
  private readonly resources = new Map<string, { labels: Labels; place: Place }>();

  /** The thresholds that apply unless a Webhook resource sets them. */
  private readonly configured: Pick<ReaderContext, "archivingRank" | "alertingRank">;

  constructor(private readonly context: ReaderContext) {
    const { archivingRank, alertingRank } = context;
    this.configured = { archivingRank, alertingRank };
  }

  /** What rules in files may refer to. */
  get definitions(): Definitions {
    return this.scope("").definitions;
  }

  accepts({ value }: RuleDocument): boolean {
    if (isResource(value)) return true;
    return isList(value) && (isTypedList(value) || value.items.some(isResource));
  }

  read(document: RuleDocument): void {
    const { value } = document;
    if (!isList(value)) {
      this.readResource(document, value, []);
      return;
    }
    // Items of a typed list need not name their kind.
    const kind = isTypedList(value) ? value.kind.replace(/List$/, "") : undefined;
    for (const [index, item] of value.items.entries())
      if (isResource(item) || kind) this.readResource(document, item, ["items", index], kind);
  }

  /** Names of the resources that were read from files. */
  get names(): readonly string[] {
    return [...new Set(this.scope("").entries.map(({ name }) => name))];
  }

  rules(): Rule[] {
    this.warnOfUnselected();
    this.warnOfSelectors();
    return [...this.scopes.values()].flatMap((scope) => this.rulesOf(scope));
  }

  private rulesOf({ entries, definitions }: Scope): Rule[] {
    const rules: Rule[] = [];
    const expander = new Expander(definitions);
    const bare = new Expander(definitions, { bareMacros: true });
    for (const entry of entries) {
      if (!definitions.isInForce(entry.definition)) continue;
      try {
        const rule = this.check(entry, expander, bare, definitions);
        if (rule) rules.push(rule);
      } catch (error) {
        if (!(error instanceof AuditshipError)) throw error;
        this.refuse(entry, error);
      }
    }
    return rules;
  }

  private scope(namespace: string): Scope {
    const known = this.scopes.get(namespace) ?? new Scope();
    this.scopes.set(namespace, known);
    return known;
  }

  private readResource(document: RuleDocument, value: unknown, keys: Keys, kind = (value as Json).kind): void {
    if (kind === "Webhook") this.readWebhook(document, value, keys);
    else this.readRules(document, value, keys);
  }

  /** Reads a Webhook resource. Its thresholds apply to all rules, whatever the configuration says; the last resource wins. */
  private readWebhook(document: RuleDocument, value: unknown, keys: Keys): void {
    try {
      const warn = (message: string, key: Keys) =>
        this.context.warn(message, document.place([...keys, "spec", ...key]));
      const webhook = readWebhook(value, document, keys, { warn, refuse: (error) => this.context.refuse(error) });
      this.context.webhook = webhook;
      this.context.archivingRank = webhook.archivingRank ?? this.configured.archivingRank;
      this.context.alertingRank = webhook.alertingRank ?? this.configured.alertingRank;
    } catch (error) {
      if (!(error instanceof AuditshipError)) throw error;
      this.context.refuse(error);
    }
  }

  private readRules(document: RuleDocument, value: unknown, keys: Keys): void {
    const resource = resourceSchema.safeParse(value);
    if (!resource.success) {
      this.context.refuse(invalidShape("Rule resource", resource.error, document, keys));
      return;
    }
    const { metadata, spec } = resource.data;
    const labels = metadata.labels ?? {};
    const runbook = metadata.annotations?.runbook_url;
    const title = document.namespace === undefined ? metadata.name : `${document.namespace}/${metadata.name}`;
    const own: OfResource = { name: metadata.name, title, labels, facts: runbook ? { runbook_url: runbook } : {} };
    const items = spec?.rules ?? [];
    if (items.some(isRule)) this.resources.set(title, { labels, place: document.place([...keys, "metadata"]) });
    for (const [index, item] of items.entries()) this.readItem(item, own, document, [...keys, "spec", "rules", index]);
  }

  private readItem(value: unknown, own: OfResource, document: RuleDocument, keys: Keys): void {
    const { name: resource, title } = own;
    const parsed = itemSchema.safeParse(value);
    if (!parsed.success) {
      const name = (value as { name?: unknown } | null)?.name;
      this.context.refuse(
        invalidShape(`Rule ${title}.${typeof name === "string" ? name : "?"}`, parsed.error, document, keys),
      );
      return;
    }
    const item = parsed.data;
    for (const key of Object.keys(item)) {
      if (Object.hasOwn(itemSchema.shape, key)) continue;
      const suggestion = nearest(key, Object.keys(itemSchema.shape));
      const hint = suggestion ? `; did you mean ${suggestion}?` : ".";
      this.context.warn(`Rule ${title}.${item.name} has an unknown key ${key}${hint}`, document.place([...keys, key]));
    }
    const text = item.type === "macro" ? item.macro : item.type === "alias" ? item.alias : "";
    const definition: Definition = {
      type: item.type,
      resource,
      name: item.name,
      text: text ?? "",
      items: item.list ?? [],
      place: document.place([...keys, "name"]),
      placeIn: (offset) => document.placeIn([...keys, item.type], offset),
    };
    const { definitions, entries } = this.scope(document.namespace ?? "");
    if (definitions.add(definition)) {
      this.context.warn(
        `${title}.${item.name} is defined more than once; this definition replaces the earlier one.`,
        definition.place,
      );
    }
    entries.push({ item, definition, ...own, document, keys });
  }

  private warnOfUnselected(): void {
    const { archivingLabels = ARCHIVING, alertingLabels = ALERTING } = this.context.webhook ?? {};
    const wanted = [archivingLabels, alertingLabels].map(textOf);
    for (const [name, { labels, place }] of this.resources) {
      if (selects(archivingLabels, labels) || selects(alertingLabels, labels)) continue;
      const message = `Rule resource ${name} has no label ${wanted.join(" or ")}; its rules do nothing.`;
      this.context.warn(message, place);
    }
  }

  /**
   * Warns of selectors that select nothing, such as the example in KubeSphere's documentation: its `type: persistence` is on none
   * of KubeSphere's own Rule resources.
   */
  private warnOfSelectors(): void {
    const { webhook } = this.context;
    if (!webhook) return;
    const labelled = [...this.resources.values()];
    for (const kind of ["archiving", "alerting"] as const) {
      const wanted = webhook[`${kind}Labels`];
      if (!wanted || labelled.some(({ labels }) => selects(wanted, labels))) continue;
      const message = `${kind}RuleSelector of the Webhook resource asks for ${textOf(wanted)}, which no Rule resource has; none is ${kind}.`;
      this.context.warnOfSelector(message, webhook.place);
    }
  }

  /** Checks an item. Returns a rule that runs; undefined for other items and for rules that are turned off. */
  private check(entry: Entry, expander: Expander, bare: Expander, definitions: Definitions): Rule | undefined {
    const { item, definition } = entry;
    const { like } = this.context;
    switch (item.type) {
      case "rule":
        return this.rule(entry, expander, bare, definitions);
      case "macro":
        this.require(entry, "macro");
        parse(expander.condition(conditionOrigin(definition.text, definition.placeIn), [definition.resource]), {
          like,
        });
        return undefined;
      case "alias": {
        this.require(entry, "alias");
        const unknown = unknownField(expander.aliasPath(definition));
        if (unknown) this.warn(entry, `Alias ${definition.name}: ${unknown}`, ["alias"]);
        return undefined;
      }
      case "list":
        expander.items(definition);
        return undefined;
    }
  }

  private rule(entry: Entry, expander: Expander, bare: Expander, definitions: Definitions): Rule | undefined {
    const { item, definition, title, facts, document, keys } = entry;
    const { resource } = definition;
    const info = this.info(entry);
    this.context.info(info);
    if (!info.enabled) return undefined;

    const text = this.require(entry, "condition");
    const origin = conditionOrigin(text, (offset) => document.placeIn([...keys, "condition"], offset));
    const tokens = expander.condition(origin, [resource]);
    const { like } = this.context;
    const condition = parse(tokens, { like });
    for (const warning of conditionWarnings(condition, tokens, {
      like,
      bareTokens: () => bare.condition(origin, [resource]),
    }))
      this.warn(entry, `Rule ${title}.${item.name}: ${warning}`, ["condition"]);

    const outputPlace = document.place([...keys, "output"]);
    const output = parseOutput(item.output ?? "", resource, definitions, expander, outputPlace);
    const paths = output.flatMap((part) => (typeof part === "object" && "path" in part ? [part.path] : []));
    for (const path of paths) {
      const unknown = unknownField(path);
      if (unknown) this.warn(entry, `Rule ${title}.${item.name}: ${unknown}`, ["output"]);
    }
    const match = matchOf(info, output, facts);
    return { info, condition, match, output: item.output ?? "", paths, stages: this.context.stages };
  }

  private info({ item, definition, title, labels, document, keys }: Entry): RuleInfo {
    const priority = this.priority(item, document.place([...keys, "priority"]));
    return {
      name: item.name,
      resource: title,
      dialect: "kubesphere",
      ...priority,
      actions: this.actions(labels, priority.rank),
      description: item.desc ?? undefined,
      enabled: item.enable === true,
      workspace: labels.workspace,
      place: definition.place,
    };
  }

  /** The priority in KubeSphere's spelling. A rule without one has the lowest. */
  private priority({ priority }: Item, place: Place): { priority: string; rank: number } {
    const name = (priority ?? "DEBUG").toUpperCase();
    const rank = PRIORITIES.includes(name) ? rankOf(name) : undefined;
    if (rank !== undefined) return { priority: name, rank };
    const suggestion = nearest(name, PRIORITIES);
    throw new AuditshipError(
      "AUDITSHIP_RULE_INVALID",
      `The priority ${priority} is none of DEBUG, INFO and WARNING${suggestion ? `; did you mean ${suggestion}?` : "."}`,
      place,
    );
  }

  /** An alerting rule always archives as well. */
  private actions(labels: Labels, rank: number): readonly Action[] {
    const { archivingLabels = ARCHIVING, alertingLabels = ALERTING } = this.context.webhook ?? {};
    if (selects(alertingLabels, labels))
      return rank >= this.context.alertingRank ? ["archived", "alerting"] : ["archived"];
    return selects(archivingLabels, labels) && rank >= this.context.archivingRank ? ["archived"] : [];
  }

  private require({ item, document, keys }: Entry, key: "condition" | "macro" | "alias"): string {
    const value = item[key];
    if (typeof value === "string" && value.trim() !== "") return value;
    throw new AuditshipError("AUDITSHIP_RULE_INVALID", `The ${item.type} has no ${key}.`, document.place(keys));
  }

  private warn({ document, keys }: Entry, message: string, key: Keys): void {
    this.context.warn(message, document.place([...keys, ...key]));
  }

  private refuse({ definition, title }: Entry, { code, message, place: at }: AuditshipError): void {
    const { type, name, place } = definition;
    const what = type === "rule" ? "Rule" : `${type[0].toUpperCase()}${type.slice(1)}`;
    this.context.refuse(new AuditshipError(code, `${what} ${title}.${name}: ${message}`, { ...place, ...at }));
  }
}

/** The match that a rule with this output reports. */
function matchOf(
  { name, resource, priority, rank, actions, description }: RuleInfo,
  output: readonly OutputPart[],
  facts: RuleMatch["facts"],
): RuleMatch {
  return {
    rule: name,
    resource,
    dialect: "kubesphere",
    priority,
    rank,
    actions,
    tags: [],
    description,
    facts,
    message: (event) => {
      try {
        return renderOutput(output, event);
      } catch {
        return "";
      }
    },
    template: outputTemplate(output),
  };
}
