import { AuditshipError, type Dialect, FIELD_PATHS, type Place, placeText, type RuleSet } from "../plugin/index.js";
import { AuditPolicy } from "./audit-policy.js";
import { blindSpots } from "./blind-spots.js";
import { ABSENT, bodiesOf, sourcesOf } from "./bodies.js";
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
import { WithUnseenBody } from "./unseen-body.js";
import type { Webhook } from "./webhook.js";

export interface LoadOptions {
  /** Files or directories (all .yaml, .yml and .json files below them, by name), in this order. */
  paths: readonly string[];
  /** Archiving rules below this priority archive nothing. */
  archivingPriority: string;
  /** Alerting rules below this priority archive but do not alert. */
  alertingPriority: string;
  /** Audit stages that rules look at. Default: all. */
  stages?: readonly string[];
  /** How KubeSphere's `like` matches. Default: `upstream`. */
  like?: Like;
  /** How Falco's rules run. Default: the first that matches, of all priorities. */
  falco?: Partial<FalcoOptions>;
  /** How Sigma's rules are read. Default: without extra field names and placeholders. */
  sigma?: Partial<SigmaOptions>;
  /** What an earlier load found at `paths`; with it they are not read again. */
  files?: RuleFiles;
  /** Resources that are watched in a cluster, read after the paths. */
  resources?: readonly LiveResource[];
  /** File with kube-apiserver's audit policy: rules that can never match under it cause a warning. */
  auditPolicy?: string;
  /** Load only this dialect's rules. */
  dialect?: Dialect;
}

/** A resource as the API server gives it. */
export interface LiveResource {
  /** Stands for the file name in errors: `rules.auditing.kubesphere.io/kubesphere-logging-system/shop`. */
  readonly name: string;
  /** The namespace of a Rule resource. Rules of other namespaces and of files can neither use nor replace its definitions. */
  readonly namespace?: string;
  readonly value: unknown;
  /** Why it is refused without being read. */
  readonly problem?: string;
}

/** Rule files as they were read. */
export interface RuleFiles {
  readonly documents: readonly RuleDocument[];
  readonly errors: readonly AuditshipError[];
}

/** What is odd about a rule that runs nevertheless, or about a file without rules. */
export interface RuleWarning {
  readonly message: string;
  readonly place: Place;
  /** `file:3:7: message`. */
  line(): string;
}

/** What the rules need, so that a configuration can be checked against it. */
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
  /** Every rule that was read, including those that are turned off or do nothing, in order of definition. */
  readonly rules: readonly RuleInfo[];
  /** Rules and files that were left out; the others run. */
  readonly refused: readonly AuditshipError[];
  readonly warnings: readonly RuleWarning[];
  readonly needs: Needs;
  readonly files: RuleFiles;
  /** KubeSphere's Webhook resource, if there is one. */
  readonly webhook: Webhook | undefined;
  /** Warnings about its selectors that select nothing; they are also in `warnings`. */
  readonly selectors: readonly RuleWarning[];
  /** Further receivers of alerts, defined by a resource among the rules. */
  readonly receivers: readonly Receiver[];
  /** True if some rule may archive. */
  readonly archiving: boolean;
}

/** One reader per dialect. A document is read by the first that accepts it. */
const READERS: readonly (new (context: ReaderContext) => Reader)[] = [KubeSphereReader, FalcoReader, SigmaReader];

const UNREAD = "This document holds no rules that auditship knows; it is left out.";

/** Loads and compiles rules. Throws only for an unknown priority; errors in files are in `refused`. */
export async function loadRules(options: LoadOptions): Promise<LoadedRules> {
  const found: Found = { rules: [], refused: [], warnings: [], selectors: [] };
  const context = contextOf(options, found);
  const readers: Reader[] = READERS.map((DialectReader) => new DialectReader(context));
  const files = options.files ?? (await readFiles(options.paths));
  for (const error of files.errors) context.refuse(error);
  for (const document of [...files.documents, ...readLive(options.resources ?? [], context)]) {
    const reader = readers.find((candidate) => candidate.accepts(document));
    if (!reader) context.warn(UNREAD, document.place([]));
    else if (!options.dialect || reader.dialect === options.dialect) reader.read(document);
  }
  const made = readers.flatMap((reader) => reader.rules());
  await warnOfBlindSpots(made, options.auditPolicy, context);
  warnOfLevel(made, context);
  const set = compileSet(made);
  return {
    set: options.dialect ? set : new WithUnseenBody(set, context),
    running: made,
    ...found,
    needs: needsOf(made),
    files,
    webhook: context.webhook,
    receivers: context.webhook?.receivers ?? [],
    archiving: made.some(({ info }) => info.actions.includes("archived")),
  };
}

/** What readers find besides the rules that run. */
interface Found {
  readonly rules: RuleInfo[];
  readonly refused: AuditshipError[];
  readonly warnings: RuleWarning[];
  readonly selectors: RuleWarning[];
}

/** The options in the form that readers take, and where readers put what they find. */
function contextOf(options: LoadOptions, { rules, refused, warnings, selectors }: Found): ReaderContext {
  return {
    archivingRank: threshold("archivingPriority", options.archivingPriority),
    alertingRank: threshold("alertingPriority", options.alertingPriority),
    like: options.like ?? "upstream",
    stages: options.stages,
    falco: { matching: options.falco?.matching ?? "first", minPriority: options.falco?.minPriority ?? "Debug" },
    sigma: { ...SIGMA_DEFAULTS, ...options.sigma },
    info: (info) => rules.push(info),
    refuse: (error) => refused.push(error),
    warn: (message, place) => warnings.push(warning(message, place)),
    warnOfSelector: (message, place) => {
      selectors.push(warning(message, place));
      warnings.push(warning(message, place));
    },
  };
}

/** Warns of rules that need parts of KubeSphere's own events which the Webhook resource's `auditLevel` removes. */
function warnOfLevel(rules: readonly Rule[], { webhook, warn }: ReaderContext): void {
  const level = webhook?.auditLevel;
  if (level === undefined || ABSENT[level].size === 0) return;
  for (const rule of rules) {
    const missed = [...bodiesOf(rule)].filter((field) => ABSENT[level].has(field)).map((field) => FIELD_PATHS[field]);
    if (missed.length === 0) continue;
    const what = `it asks for ${missed.join(" and ")}, which auditLevel ${level} takes out of KubeSphere's own events.`;
    warn(`Rule ${titleOf(rule)}: ${what}`, rule.info.place);
  }
}

async function warnOfBlindSpots(
  rules: readonly Rule[],
  policyFile: string | undefined,
  { warn }: ReaderContext,
): Promise<void> {
  const policy = policyFile === undefined ? undefined : await loadPolicy(policyFile, warn);
  for (const rule of rules) {
    for (const what of blindSpots(rule, policy)) warn(`Rule ${titleOf(rule)}: ${what}`, rule.info.place);
  }
}

/** Loads the policy. If that fails, it warns, and the rules run all the same. */
async function loadPolicy(file: string, warn: ReaderContext["warn"]): Promise<AuditPolicy | undefined> {
  try {
    return await AuditPolicy.load(file);
  } catch (error) {
    if (!(error instanceof AuditshipError)) throw error;
    warn(error.message, { file, ...error.place });
    return undefined;
  }
}

async function readFiles(paths: readonly string[]): Promise<RuleFiles> {
  const documents: RuleDocument[] = [];
  const errors: AuditshipError[] = [];
  for (const path of paths) {
    try {
      for (const file of await listFiles(path)) {
        const read = parseDocuments(file, await readRuleFile(file));
        for (const document of read.documents) documents.push(document);
        for (const error of read.errors) errors.push(error);
      }
    } catch (error) {
      if (!(error instanceof AuditshipError)) throw error;
      errors.push(error);
    }
  }
  return { documents, errors };
}

function readLive(resources: readonly LiveResource[], { refuse }: ReaderContext): RuleDocument[] {
  return resources.flatMap(({ name, namespace, value, problem }) => {
    if (problem === undefined) return [documentOf(name, value, namespace)];
    refuse(new AuditshipError("AUDITSHIP_RULE_INVALID", problem, { file: name }));
    return [];
  });
}

function threshold(key: string, name: string): number {
  const rank = rankOf(name);
  if (rank !== undefined) return rank;
  const suggestion = nearestPriority(name);
  const message = `rules.${key} is ${name}, which is no priority${suggestion ? `; did you mean ${suggestion}?` : "."}`;
  throw new AuditshipError("AUDITSHIP_CONFIG_VALUE", message);
}

function warning(message: string, place: Place): RuleWarning {
  const where = placeText(place);
  return { message, place, line: () => (where ? `${where}: ${message}` : message) };
}

function needsOf(rules: readonly Rule[]): Needs {
  const needs = { workspace: false, latency: false, bodies: false };
  for (const rule of rules) {
    if (bodiesOf(rule).size > 0) needs.bodies = true;
    for (const source of sourcesOf(rule)) {
      if (source.kind === "annotation" && source.field !== undefined) needs.workspace = true;
      if (source.kind === "latency") needs.latency = true;
      if (source.kind === "values" && source.root === "workspace") needs.workspace = true;
    }
  }
  return needs;
}

const titleOf = ({ info: { resource, name } }: Rule): string => (resource ? `${resource}.${name}` : name);
