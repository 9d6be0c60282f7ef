import { AuditshipError, type Dialect, Field, type Place, type RuleSet } from "../plugin/index.js";
import { AuditPolicy } from "./audit-policy.js";
import { blindSpots } from "./blind-spots.js";
import { FalcoReader } from "./dialects/falco/reader.js";
import { KubeSphereReader } from "./dialects/kubesphere/reader.js";
import { SigmaReader } from "./dialects/sigma/reader.js";
import { documentOf, listFiles, parseDocuments, type RuleDocument, readRuleFile } from "./documents.js";
import { nearestPriority, rankOf } from "./priority.js";
import {
  type FalcoOptions,
  type Like,
  type Reader,
  type ReaderContext,
  SIGMA_DEFAULTS,
  type SigmaOptions,
} from "./reader.js";
import type { Receiver } from "./receiver.js";
import type { Rule, RuleInfo } from "./rule.js";
import { compileSet } from "./set.js";
import { testsOf } from "./tree.js";
import { WithUnseenBody } from "./unseen-body.js";

export interface LoadOptions {
  /** Files or directories (all .yaml, .yml and .json below them, by name), in this order. */
  paths: readonly string[];
  /** Archiving rules below it archive nothing. */
  archivingPriority: string;
  /** Alerting rules below it archive but do not alert. */
  alertingPriority: string;
  /** Audit stages that rules look at; without it they look at all. */
  stages?: readonly string[];
  /** How KubeSphere's `like` is read; `upstream` if it is left out. */
  like?: Like;
  /** How Falco's rules run; the first that matches, of all priorities, if it is left out. */
  falco?: Partial<FalcoOptions>;
  /** How Sigma's rules are read; without names and placeholders of one's own if it is left out. */
  sigma?: Partial<SigmaOptions>;
  /** Resources that stand in no file, read after the paths: what is watched in a cluster. */
  resources?: readonly LiveResource[];
  /** kube-apiserver's audit policy: rules that never match under it are warned of. */
  auditPolicy?: string;
  /** Load only this dialect's rules. */
  dialect?: Dialect;
}

/** A resource as the API server gives it. */
export interface LiveResource {
  /** Stands for the file in errors: `rules.auditing.kubesphere.io/shop`. */
  readonly name: string;
  readonly value: unknown;
}

/** What is odd about a rule that runs nevertheless, or a file that holds none. */
export interface RuleWarning {
  readonly message: string;
  readonly place: Place;
  /** `file:3:7: message`. */
  line(): string;
}

/** What the rules look at, so that a configuration can be checked against it. */
export interface Needs {
  /** The stage `workspace`, before `match`. */
  readonly workspace: boolean;
  /** The event's two times, which `parse` reads. */
  readonly latency: boolean;
  /** requestObject or responseObject: an audit policy of level Request or RequestResponse. */
  readonly bodies: boolean;
}

export interface LoadedRules {
  readonly set: RuleSet;
  /** The rules that run, in order of definition. */
  readonly running: readonly Rule[];
  /** Every rule that was read, those that are turned off or do nothing included, in order of definition. */
  readonly rules: readonly RuleInfo[];
  /** Rules and files that were left out; the others run. */
  readonly refused: readonly AuditshipError[];
  readonly warnings: readonly RuleWarning[];
  readonly needs: Needs;
  /** Who else is told of alerts, as a resource among the rules says. */
  readonly receivers: readonly Receiver[];
  /** True if some rule may archive. */
  readonly archiving: boolean;
}

/** One for each dialect. A document is read by the first that accepts it. */
const READERS: readonly (new (context: ReaderContext) => Reader)[] = [KubeSphereReader, FalcoReader, SigmaReader];

/** Loads and compiles rules. Throws only for a priority that is none; what is wrong in files is in `refused`. */
export async function loadRules(options: LoadOptions): Promise<LoadedRules> {
  const rules: RuleInfo[] = [];
  const refused: AuditshipError[] = [];
  const warnings: RuleWarning[] = [];
  const context: ReaderContext = {
    archivingRank: threshold("archivingPriority", options.archivingPriority),
    alertingRank: threshold("alertingPriority", options.alertingPriority),
    receivers: [],
    like: options.like ?? "upstream",
    stages: options.stages,
    falco: { matching: options.falco?.matching ?? "first", minPriority: options.falco?.minPriority ?? "Debug" },
    sigma: { ...SIGMA_DEFAULTS, ...options.sigma },
    info: (info) => rules.push(info),
    refuse: (error) => refused.push(error),
    warn: (message, place) => warnings.push(warning(message, place)),
  };
  const readers: Reader[] = READERS.map((DialectReader) => new DialectReader(context));
  const live = (options.resources ?? []).map(({ name, value }) => documentOf(name, value));
  for (const document of [...(await readDocuments(options.paths, context)), ...live]) {
    const reader = readers.find((candidate) => candidate.accepts(document));
    if (!reader) warnings.push(unread(document));
    else if (!options.dialect || reader.dialect === options.dialect) reader.read(document);
  }
  const made = readers.flatMap((reader) => reader.rules());
  await warnOfBlindSpots(made, options.auditPolicy, context);
  const set = compileSet(made);
  return {
    set: options.dialect ? set : new WithUnseenBody(set, context),
    running: made,
    rules,
    refused,
    warnings,
    needs: needsOf(made),
    receivers: context.receivers,
    archiving: made.some(({ info }) => info.actions.includes("archived")),
  };
}

async function warnOfBlindSpots(
  rules: readonly Rule[],
  policyFile: string | undefined,
  { warn }: ReaderContext,
): Promise<void> {
  const policy = policyFile === undefined ? undefined : await loadPolicy(policyFile, warn);
  for (const rule of rules) {
    const { name, resource, place } = rule.info;
    const title = resource ? `${resource}.${name}` : name;
    for (const what of blindSpots(rule, policy)) warn(`Rule ${title}: ${what}`, place);
  }
}

/** Without it the rules run all the same. */
async function loadPolicy(file: string, warn: ReaderContext["warn"]): Promise<AuditPolicy | undefined> {
  try {
    return await AuditPolicy.load(file);
  } catch (error) {
    if (!(error instanceof AuditshipError)) throw error;
    warn(`rules.auditPolicy: ${error.message}`, { file, ...error.place });
    return undefined;
  }
}

async function readDocuments(paths: readonly string[], { refuse }: ReaderContext): Promise<RuleDocument[]> {
  const result: RuleDocument[] = [];
  for (const path of paths) {
    try {
      for (const file of await listFiles(path)) {
        const { documents, errors } = parseDocuments(file, await readRuleFile(file));
        for (const document of documents) result.push(document);
        for (const error of errors) refuse(error);
      }
    } catch (error) {
      if (!(error instanceof AuditshipError)) throw error;
      refuse(error);
    }
  }
  return result;
}

function threshold(key: string, name: string): number {
  const rank = rankOf(name);
  if (rank !== undefined) return rank;
  const suggestion = nearestPriority(name);
  const message = `rules.${key} is ${name}, which is no priority${suggestion ? `; did you mean ${suggestion}?` : "."}`;
  throw new AuditshipError("AUDITSHIP_CONFIG_VALUE", message);
}

function unread(document: RuleDocument): RuleWarning {
  return warning("This document holds no rules that auditship knows; it is left out.", document.place([]));
}

function warning(message: string, place: Place): RuleWarning {
  const where = [place.file, place.line, place.column].filter((part) => part !== undefined).join(":");
  return { message, place, line: () => (where ? `${where}: ${message}` : message) };
}

function needsOf(rules: readonly Rule[]): Needs {
  const needs = { workspace: false, latency: false, bodies: false };
  for (const { condition, paths } of rules) {
    const conditionPaths = [...testsOf(condition)].map(({ path }) => path);
    for (const { source } of [...conditionPaths, ...paths]) {
      if (source.kind === "annotation" && source.field !== undefined) needs.workspace = true;
      if (source.kind === "latency") needs.latency = true;
      if (source.kind === "field" && (source.field === Field.requestObject || source.field === Field.responseObject))
        needs.bodies = true;
      if (source.kind === "extraction" && source.inBody) needs.bodies = true;
      if (source.kind === "values" && (source.root === Field.requestObject || source.root === Field.responseObject))
        needs.bodies = true;
      if (source.kind === "values" && source.root === "workspace") needs.workspace = true;
    }
  }
  return needs;
}
