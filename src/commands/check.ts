import { accessSync, constants } from "node:fs";
import { relative } from "node:path";
import {
  type LoadedConfig,
  type LoadedSink,
  type LoadedSource,
  loadConfig,
  requireArchivingRules,
} from "../config/load.js";
import { type RulesConfig, rulesSchema } from "../config/schema.js";
import { createSelect } from "../delivery/select.js";
import { planMemory } from "../pipeline/memory.js";
import { inConfig } from "../pipeline/placed.js";
import { withReceivers } from "../pipeline/receivers.js";
import { AuditshipError } from "../plugin/index.js";
import { AuditPolicy, compileCondition, type LoadedRules, loadRules, type RuleInfo } from "../rules/index.js";
import { Descriptor } from "../tail/descriptor.js";
import { Directory } from "../tail/directory.js";
import { withSink } from "./chosen-sinks.js";
import { Excerpts } from "./excerpt.js";

/** Milliseconds that a sink has to answer. */
const PATIENCE = 5000;

/** What was found out. */
export interface CheckResult {
  /** Errors in configuration or rules, a line each; below it, if there is one, the line of a rule file that it speaks of. */
  errors: string[];
  /** Sinks that do not answer. */
  unreachable: string[];
}

type Print = (line: string) => void;

/**
 * Loads a configuration and its rules, asks its sinks, and prints what it would do.
 * @throws AuditshipError if the configuration does not load
 */
export async function checkConfig(file: string, print: Print): Promise<CheckResult> {
  const loaded = await loadConfig(file);
  const result: CheckResult = { errors: [], unreachable: [] };
  print(`configuration  ${file}`);
  print(`state          ${loaded.config.state}`);
  print(`metrics        ${loaded.config.observe.listen}`);
  print("sources");
  for (const source of loaded.sources) describeSource(source, loaded, result, print);
  const rules = await describeRules(loaded.config.rules, result, print);
  const { watch, namespaces } = loaded.config.rules;
  if (watch) print(`  beside what is watched: Rule resources of ${namespaces.join(", ")}, and Webhook resources`);
  describeStages(loaded, rules, print);
  await checkRedaction(loaded, result, print);
  noteErrors(result, () => requireArchivingRules(loaded, rules.archiving));
  print("sinks");
  const whole = await withReceivers(loaded, rules.receivers);
  noteErrors(result, () => planMemory(whole), loaded, ["memory", "buffers"]);
  const probes = whole.sinks.map((sink) => describeSink(sink, loaded, result));
  for (const line of await Promise.all(probes)) print(line);
  return result;
}

/** Loads rules and prints how many there are, and what is wrong with them. */
export async function checkRules(
  paths: readonly string[],
  auditPolicy: string | undefined,
  print: Print,
): Promise<CheckResult> {
  const result: CheckResult = { errors: [], unreachable: [] };
  const { rules, running } = await describeRules(rulesSchema.parse({ paths, auditPolicy }), result, print);
  const loaded = new Set(running.map(({ info }) => info));
  for (const rule of rules) if (!rule.enabled || loaded.has(rule)) print(describeRule(rule));
  return result;
}

/** `SecretRead  WARNING  archived, alerting  kubesphere`, and the label `workspace` of a KubeSphere rule. */
function describeRule({ name, resource, dialect, priority, actions, enabled, workspace }: RuleInfo): string {
  const does = enabled ? actions.join(", ") || "nothing" : "off";
  const parts = [resource ? `${resource}.${name}` : name, priority, does, dialect];
  if (workspace !== undefined) parts.push(`workspace ${workspace}`);
  return `    ${parts.join("  ")}`;
}

function describeSource(source: LoadedSource, loaded: LoadedConfig, result: CheckResult, print: Print): void {
  const { name, plugin, options, common } = source;
  print(
    `  ${name}  ${plugin.name}  ${plugin.name === "file" ? files(loaded.resolve(String(options.path)), result) : String(options.listen ?? "")}`.trimEnd(),
  );
  if (common.drop === undefined) return;
  print(`    drops ${common.drop}`);
  noteErrors(result, () => compileCondition(common.drop as string, { envelopeOnly: true }), loaded, [
    "sources",
    name,
    "drop",
  ]);
}

/** The log that a source's path names. */
function files(path: string, result: CheckResult): string {
  try {
    const directory = Directory.find(path, (name) => new Descriptor(name));
    if (!directory) return `${path}: not there yet; the agent waits for it`;
    const backups = directory.list().size;
    const active = directory.statActive();
    if (active) accessSync(directory.activePath, constants.R_OK);
    const size = active ? `${active.size} bytes` : "no active file";
    return `${directory.activePath}: ${size}, ${backups} backups`;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof AuditshipError) noteError(result, error);
    return `${path}: cannot be read (${code}); the agent keeps trying`;
  }
}

async function describeRules(config: RulesConfig, result: CheckResult, print: Print): Promise<LoadedRules> {
  const loaded = await loadRules({ ...config, auditPolicy: await checkPolicy(config, result) });
  const { set, rules, refused } = loaded;
  const off = rules.filter(({ enabled, actions }) => !enabled || actions.length === 0);
  print(`rules          ${set.size} in force, ${off.length} off, ${refused.length} refused`);
  for (const [file, count] of perFile(loaded)) print(`  ${relative(process.cwd(), file) || file}  ${count}`);
  for (const warning of loaded.warnings) print(`warning: ${warning.line()}`);
  const excerpts = new Excerpts();
  for (const error of refused) {
    const shown = excerpts.at(error.place);
    result.errors.push(shown ? `${error.line()}\n${shown}` : error.line());
  }
  return loaded;
}

/** The audit policy, if it is one: an agent would only warn that it is not. */
async function checkPolicy({ auditPolicy }: RulesConfig, result: CheckResult): Promise<string | undefined> {
  if (auditPolicy === undefined) return undefined;
  try {
    return (await AuditPolicy.load(auditPolicy)).file;
  } catch (error) {
    if (!(error instanceof AuditshipError)) throw error;
    noteError(result, error);
    return undefined;
  }
}

function perFile({ rules }: LoadedRules): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { place } of rules) counts.set(place.file ?? "", (counts.get(place.file ?? "") ?? 0) + 1);
  return counts;
}

function describeStages({ stages }: LoadedConfig, rules: LoadedRules, print: Print): void {
  const order = stages.map(({ plugin }) => plugin.name);
  print(`stages         ${order.join(" → ")}`);
  if (rules.set.size > 0 && !order.includes("match")) print("warning: there is no match stage: no rule is looked at");
  if (rules.needs.workspace && order.indexOf("workspace") > order.indexOf("match")) {
    print("warning: workspace runs after match: rules that ask for Workspace see none");
  }
  if (rules.needs.workspace && !order.includes("workspace")) {
    print("warning: there is no workspace stage: rules that ask for Workspace see none");
  }
  if (order.includes("redact") && order.indexOf("redact") < order.indexOf("match")) {
    print("warning: redact runs before match: rules see hashes where secrets were");
  }
}

/** Whether what leaves is clean; its own rules and its key are looked at as the agent does when it starts. */
async function checkRedaction(loaded: LoadedConfig, result: CheckResult, print: Print): Promise<void> {
  const index = loaded.stages.findIndex(({ plugin }) => plugin.name === "redact");
  if (index < 0) {
    print("warning: there is no redact stage: secrets leave this node in clear text");
    return;
  }
  const { profile } = loaded.stages[index].options as { profile?: string };
  if (profile === "off") print("warning: redact has profile off: secrets leave this node in clear text");
  const { redactionOf } = await import("./redaction.js");
  try {
    await redactionOf(loaded);
  } catch (error) {
    if (!(error instanceof AuditshipError)) throw error;
    noteError(result, inConfig(error, loaded, ["stages", String(index)]));
  }
}

/** What a sink takes, and whether it answers. */
async function describeSink(sink: LoadedSink, loaded: LoadedConfig, result: CheckResult): Promise<string> {
  const { name, plugin, common } = sink;
  noteErrors(result, () => createSelect(common.select, compileCondition), loaded, ["sinks", name, "select"]);
  const signal = AbortSignal.timeout(PATIENCE);
  const answer = await withSink(loaded, sink, signal, (made) => within(signal, made.probe(signal))).then(
    () => "answers",
    (error: Error) => {
      if (error instanceof AuditshipError && error.code.startsWith("AUDITSHIP_CONFIG")) {
        noteError(result, inConfig(error, loaded, ["sinks", name]));
        return "cannot be made of this configuration";
      }
      result.unreachable.push(name);
      return `does not answer: ${error.message}`;
    },
  );
  return `  ${name}  ${plugin.name}  takes ${common.select}  ${answer}`;
}

function within<Result>(signal: AbortSignal, work: Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(new Error(`no answer within ${PATIENCE} ms`)));
    work.then(resolve, reject);
  });
}

/** Notes what `check` throws. A condition has lines and columns of its own: they are told beside where it stands. */
function noteErrors(result: CheckResult, check: () => unknown, loaded?: LoadedConfig, path: string[] = []): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof AuditshipError)) throw error;
    noteError(result, loaded ? inConfig(error, loaded, path) : error);
  }
}

function noteError(result: CheckResult, error: AuditshipError): void {
  result.errors.push(...error.line().split("\n"));
}
