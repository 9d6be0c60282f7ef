import type { z } from "zod";
import { type Action, AuditshipError, type Place, type RuleMatch } from "../../../plugin/index.js";
import { nearest } from "../../../plugin/nearest.js";
import type { Keys, RuleDocument } from "../../documents.js";
import { rankOf } from "../../priority.js";
import type { Reader, ReaderContext } from "../../reader.js";
import type { Rule, RuleInfo } from "../../rule.js";
import type { Expression, Path } from "../../tree.js";
import { ConditionParser, type Search } from "./condition.js";
import { DetectionReader } from "./detection.js";
import { Mapping } from "./mapping.js";
import { messageOf } from "./message.js";
import type { Placeholders } from "./modifiers.js";
import { invalid, quoted } from "./problem.js";
import { isSigma, type LogSource, logsourceSchema, otherKind, type RuleFile, ruleSchema } from "./rule-file.js";

const LEVELS = ["informational", "low", "medium", "high", "critical"];
const STATUSES = ["stable", "test", "experimental", "deprecated", "unsupported"];
/** The level of a rule without one. */
const LEVEL = "medium";

interface Entry {
  readonly rule: RuleFile;
  readonly document: RuleDocument;
}

/** Rules that are left out for the same reason. */
interface LeftOut {
  readonly kinds: Map<string, number>;
  readonly place: Place;
}

/**
 * Reads Sigma rules of product kubernetes, service audit. Rules of other log sources, or of a status that is not asked for, are
 * left out, with one warning for each of these reasons. A later rule with the same id replaces an earlier one.
 */
export class SigmaReader implements Reader {
  readonly dialect = "sigma";
  private readonly entries: Entry[] = [];
  private readonly foreign = new Map<"source" | "status", LeftOut>();
  private readonly mapping: Mapping;
  private readonly placeholders: Placeholders;

  constructor(private readonly context: ReaderContext) {
    this.mapping = new Mapping(context.sigma.fields);
    this.placeholders = new Map(Object.entries(context.sigma.placeholders));
  }

  accepts(document: RuleDocument): boolean {
    return isSigma(document);
  }

  read(document: RuleDocument): void {
    const { value } = document;
    const other = otherKind(value);
    if (other) {
      this.context.refuse(titled(value, invalid(other.reason, document.placeOfKey([other.key]))));
      return;
    }
    const source = logsourceSchema.safeParse(value).data?.logsource;
    if (source && !isOurs(source)) {
      this.leaveOut("source", nameOf(source), document.place(["logsource"]));
      return;
    }
    const parsed = ruleSchema.safeParse(value);
    if (parsed.success) this.add({ rule: parsed.data, document });
    else this.context.refuse(titled(value, shapeError(parsed.error, document)));
  }

  rules(): Rule[] {
    this.warnOfLeftOut();
    const rules: Rule[] = [];
    for (const entry of this.inForce()) {
      try {
        rules.push(this.rule(entry));
      } catch (error) {
        if (!(error instanceof AuditshipError)) throw error;
        this.context.refuse(titled(entry.rule, error));
      }
    }
    return rules;
  }

  private add(entry: Entry): void {
    const { status, title } = entry.rule;
    const place = entry.document.place(["status"]);
    const isKnown = !status || STATUSES.includes(status);
    if (!isKnown)
      this.context.warn(`${quoted(title)}: there is no status ${quoted(status)}${near(status, STATUSES)}`, place);
    if (isKnown && status && !this.context.sigma.status.includes(status)) this.leaveOut("status", status, place);
    else this.entries.push(entry);
  }

  private leaveOut(reason: "source" | "status", kind: string, place: Place): void {
    const left = this.foreign.get(reason) ?? { kinds: new Map<string, number>(), place };
    left.kinds.set(kind, (left.kinds.get(kind) ?? 0) + 1);
    this.foreign.set(reason, left);
  }

  private warnOfLeftOut(): void {
    const source = this.foreign.get("source");
    if (source) this.context.warn(`${countOf(source)} Only product kubernetes, service audit is read.`, source.place);
    const status = this.foreign.get("status");
    if (status) this.context.warn(`${countOf(status)} rules.sigma.status says which are read.`, status.place);
  }

  /** The rules without those that a later one replaces. Warns of these, and of two rules with the same title. */
  private inForce(): Entry[] {
    const byId = new Map<string, Entry>();
    const byTitle = new Map<string, Entry>();
    for (const entry of this.entries) {
      const { title, id } = entry.rule;
      const place = entry.document.place(["title"]);
      const replaced = id ? byId.get(id.toLowerCase()) : undefined;
      if (id) byId.set(id.toLowerCase(), entry);
      if (replaced)
        this.context.warn(`${quoted(title)} has the id of an earlier rule (${at(replaced)}) and replaces it.`, place);
      else if (byTitle.has(title))
        this.context.warn(`${quoted(title)} is the title of two rules: what matched is told by its id alone.`, place);
      byTitle.set(title, entry);
    }
    return this.entries.filter((entry) => !entry.rule.id || byId.get(entry.rule.id.toLowerCase()) === entry);
  }

  private rule(entry: Entry): Rule {
    const { rule, document } = entry;
    const info = this.info(entry);
    const condition = this.condition(entry);
    this.context.info(info);
    const paths = (rule.fields ?? []).flatMap((name, index) =>
      this.shownPaths(name, document.place(["fields", index])),
    );
    const match: RuleMatch = {
      rule: rule.title,
      dialect: "sigma",
      priority: info.priority,
      rank: info.rank,
      actions: info.actions,
      tags: rule.tags ?? [],
      description: info.description,
      facts: factsOf(rule),
      message: (event) => {
        try {
          return messageOf(rule.title, paths, event);
        } catch {
          return rule.title;
        }
      },
    };
    return { info, condition, match, output: "", paths, stages: this.context.stages };
  }

  private info({ rule, document }: Entry): RuleInfo {
    const level = (rule.level ?? LEVEL).toLowerCase();
    const rank = LEVELS.includes(level) ? rankOf(level) : undefined;
    if (rank === undefined)
      throw invalid(`there is no level ${quoted(level)}${near(level, LEVELS)}`, document.place(["level"]));
    const actions: readonly Action[] = rank >= this.context.alertingRank ? ["archived", "alerting"] : ["archived"];
    return {
      name: rule.title,
      dialect: "sigma",
      priority: level,
      rank,
      actions,
      description: rule.description?.trim(),
      enabled: true,
      place: document.place(["title"]),
    };
  }

  private condition(entry: Entry): Expression {
    const { rule, document } = entry;
    const searches = this.searchesOf(entry);
    const parser = new ConditionParser(searches);
    const condition = parser.parseAll(document, ["detection", "condition"], rule.detection.condition);
    for (const name of searches.keys())
      if (!parser.used.has(name))
        this.warn(entry, `the search ${quoted(name)} is in no condition.`, ["detection", name]);
    return condition;
  }

  private searchesOf(entry: Entry): Map<string, Search> {
    const { rule, document } = entry;
    const told = new Set<string>();
    const reader = new DetectionReader({
      document,
      mapping: this.mapping,
      placeholders: this.placeholders,
      named: (field, place) => {
        const problem = this.mapping.problem(field);
        if (problem && !told.has(field)) this.context.warn(`${quoted(rule.title)}: ${problem}`, place);
        told.add(field);
      },
    });
    // As it was written, because a search may be named like a member of JavaScript's objects.
    const { detection } = document.value as { detection: Record<string, unknown> };
    if (Object.hasOwn(detection, "timeframe"))
      this.warn(entry, "timeframe is not looked at: conditions are about one event.", ["detection", "timeframe"]);
    return reader.searches(detection, ["detection"]);
  }

  private shownPaths(name: string, place: Place): Path[] {
    const locations = this.mapping.locations(name);
    if (!locations) throw invalid(`the field ${quoted(name)} has too many parts`, place);
    return locations.map((location) => ({ text: name, source: { kind: "values", ...location }, steps: [] }));
  }

  private warn({ rule, document }: Entry, message: string, keys: Keys): void {
    this.context.warn(`${quoted(rule.title)}: ${message}`, document.placeOfKey(keys));
  }
}

/** What the licence of SigmaHQ's rules (DRL 1.1) requires with every alert, and what helps whoever receives it. */
function factsOf({ id, author, references, falsepositives, status, license }: RuleFile): Record<string, string> {
  const facts = {
    id,
    author,
    references: references?.join("\n"),
    falsepositives: falsepositives?.join("\n"),
    status,
    license,
  };
  return Object.fromEntries(Object.entries(facts).filter((fact): fact is [string, string] => !!fact[1]));
}

/** A rule that names no service is about all of Kubernetes' logs. */
function isOurs({ product, service }: LogSource): boolean {
  return product?.toLowerCase() === "kubernetes" && (!service || service.toLowerCase() === "audit");
}

function nameOf({ category, product, service }: LogSource): string {
  return [product, category, service].filter(Boolean).join("/") || "no log source";
}

/** `12 Sigma rules are left out: windows/process_creation (10), linux (2).` */
function countOf({ kinds }: LeftOut): string {
  const total = [...kinds.values()].reduce((sum, count) => sum + count, 0);
  const most = [...kinds].sort(([, a], [, b]) => b - a).map(([kind, count]) => `${kind} (${count})`);
  const shown = most.slice(0, 5).join(", ") + (most.length > 5 ? ", …" : "");
  return `${total === 1 ? "One Sigma rule is" : `${total} Sigma rules are`} left out: ${shown}.`;
}

function at({ document }: Entry): string {
  const { file, line } = document.place(["title"]);
  return `${file}:${line}`;
}

function near(name: string, known: readonly string[]): string {
  const suggestion = nearest(name, known);
  return suggestion ? `; did you mean ${suggestion}?` : `, but ${known.join(", ")}.`;
}

function titled(rule: unknown, { code, message, place }: AuditshipError): AuditshipError {
  const { title } = rule as { title?: unknown };
  return new AuditshipError(
    code,
    `Sigma rule ${typeof title === "string" ? quoted(title) : "without a title"}: ${message}`,
    place,
  );
}

function shapeError(error: z.ZodError, document: RuleDocument): AuditshipError {
  const [issue] = error.issues;
  const path = issue.path.filter((key) => typeof key !== "symbol");
  const what = path.join(".") || "it";
  return invalid(`${what} is not as it should be (${issue.message})`, document.place(path));
}
