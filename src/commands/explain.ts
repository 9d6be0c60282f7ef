import { type LoadedConfig, loadConfig } from "../config/load.js";
import { AuditshipError, type EventView, Field, Flag, placeText, type Stage } from "../plugin/index.js";
import { nearest } from "../plugin/nearest.js";
import { auditIDOf, type Explanation, explain, looksAt, type Rule } from "../rules/index.js";
import { agentLogs } from "./agent-logs.js";
import { readInput } from "./input.js";
import { type InputFile, inputFiles } from "./input-files.js";
import { InvalidLines } from "./invalid-lines.js";
import { loadConfigured, loadForCommand, type RuleChoice } from "./load-rules.js";
import type { CommandOutput } from "./output.js";

export interface ExplainOptions extends RuleChoice {
  /** An agent's configuration: its rules, on its own logs if no files are named, shown as they leave the node. */
  config?: string;
  /** Only rules of this name. */
  rule?: string;
  /** Only the event of this number, from 1 over all files. */
  event?: number;
  /** Only events of this auditID. */
  auditId?: string;
  /** Show what would leave: the profile of `createRedaction`. */
  redact?: string;
  /** One JSON line per event and rule. */
  json?: boolean;
}

/** Longer texts are cut, in UTF-16 units. */
const MAX_SHOWN = 200;

/**
 * Says why rules match events or not: each part of a condition with its value, each test with the text that it saw.
 * @throws AuditshipError AUDITSHIP_INPUT, AUDITSHIP_USAGE, or AUDITSHIP_RULE_INVALID if no rule could be loaded
 */
export async function explainFiles(
  files: readonly string[],
  options: ExplainOptions,
  output: CommandOutput,
): Promise<void> {
  const subject = await (options.config === undefined
    ? named(files, options, output)
    : configured(await loadConfig(options.config), files, output));
  const rules = choose(subject.rules, options.rule);
  let n = 0;
  let shown = 0;
  const invalid = new InvalidLines(output);
  for await (const batch of readInput(subject.files, invalid.add)) {
    const chosen: { row: number; n: number }[] = [];
    for (let row = 0; row < batch.count; row++) {
      if ((batch.flags(row) & Flag.invalid) === 0 && isChosen(++n, batch.at(row), options)) chosen.push({ row, n });
    }
    if (chosen.length > 0) await subject.redaction?.run(batch);
    for (const event of chosen) explainEvent(event.n, batch.at(event.row), rules, options, output);
    shown += chosen.length;
    await output.drained();
    if (n >= (options.event ?? Number.POSITIVE_INFINITY)) break;
  }
  invalid.end();
  if (shown === 0) tellNone(n, options);
}

/** What is explained, of what, and how it is shown. */
interface Subject {
  readonly rules: readonly Rule[];
  readonly files: readonly InputFile[];
  readonly redaction: Stage | undefined;
}

async function named(files: readonly string[], options: ExplainOptions, output: CommandOutput): Promise<Subject> {
  const { redact } = options;
  const redaction = redact === undefined ? undefined : await (await import("./redaction.js")).createRedaction(redact);
  return { rules: (await loadForCommand(options, output)).running, files: await inputFiles(files), redaction };
}

async function configured(loaded: LoadedConfig, files: readonly string[], output: CommandOutput): Promise<Subject> {
  const { running, needs } = await loadConfigured(loaded.config.rules, output);
  if (needs.workspace) output.complain("Workspace is known to the agent only: here it is missing");
  const { redactionOf } = await import("./redaction.js");
  return {
    rules: running,
    files: files.length > 0 ? await inputFiles(files) : agentLogs(loaded),
    redaction: await redactionOf(loaded),
  };
}

function isChosen(n: number, event: EventView, { event: wanted, auditId }: ExplainOptions): boolean {
  return n === (wanted ?? n) && (auditId === undefined || auditIDOf(event) === auditId);
}

/** Nothing was to be shown, or what was asked for is not there. */
function tellNone(n: number, { event, auditId }: ExplainOptions): void {
  const of = auditId === undefined ? "" : ` of the auditID ${auditId}`;
  if (event === undefined && auditId === undefined) return;
  const what = event === undefined ? `no event${of}` : `no event ${event}${of}`;
  throw new AuditshipError("AUDITSHIP_USAGE", `there is ${what}; the files have ${n}.`);
}

function choose(rules: readonly Rule[], name: string | undefined): readonly Rule[] {
  if (name === undefined) return rules;
  const titles = rules.map(titleOf);
  const chosen = rules.filter((rule, index) => rule.info.name === name || titles[index] === name);
  if (chosen.length > 0) return chosen;
  const suggestion = nearest(name, titles.concat(rules.map(({ info }) => info.name)));
  const hint = suggestion ? `; did you mean ${suggestion}?` : ".";
  throw new AuditshipError("AUDITSHIP_USAGE", `no rule that runs is named ${name}${hint}`);
}

const titleOf = ({ info }: Rule): string => (info.resource ? `${info.resource}.${info.name}` : info.name);

function explainEvent(
  n: number,
  event: EventView,
  rules: readonly Rule[],
  { json }: ExplainOptions,
  output: CommandOutput,
): void {
  if (!json) output.print(`event ${n}  ${describe(event)}\n`);
  /** Of those of which only the first counts. */
  let first: string | undefined;
  for (const rule of rules) {
    const explanation = explain(rule.condition, event);
    const stageLeftOut = !looksAt(rule, event);
    const isMatch = explanation.outcome === "yes" && !stageLeftOut;
    const shadowedBy = isMatch && rule.exclusive ? first : undefined;
    if (isMatch && rule.exclusive) first ??= titleOf(rule);
    const found = { condition: explanation, shadowedBy, stageLeftOut: stageLeftOut || undefined };
    output.print(json ? jsonLine(n, event, rule, found) : text(rule, found));
  }
}

interface Found {
  readonly condition: Explanation;
  /** The rule that comes first where only the first counts. */
  readonly shadowedBy?: string;
  /** The rule does not look at events of this stage. */
  readonly stageLeftOut?: boolean;
}

function jsonLine(n: number, event: EventView, rule: Rule, { condition, ...more }: Found): string {
  const { name, resource, dialect } = rule.info;
  return `${JSON.stringify({ n, auditID: auditIDOf(event), rule: name, resource, dialect, ...more, condition })}\n`;
}

function text(rule: Rule, { condition, shadowedBy, stageLeftOut }: Found): string {
  const { priority, place } = rule.info;
  const where = placeText({ file: place.file, line: place.line });
  const says = { yes: "matches", no: "does not match", failed: "fails" }[condition.outcome];
  const shadow = shadowedBy ? `, but ${shadowedBy} comes first (rules.falco.matching)` : "";
  const stage = stageLeftOut ? ", and does not look at this stage (rules.stages)" : "";
  return `  ${titleOf(rule)}  ${priority}  ${says}${shadow}${stage}  ${where}\n${tree(condition, 2)}\n`;
}

function tree({ text, outcome, saw, parts }: Explanation, depth: number): string {
  const shown = saw === undefined ? "" : saw === null ? "   (missing)" : `   ${quoted(saw)}`;
  const line = `${"  ".repeat(depth)}${outcome.padEnd(6)} ${cut(text)}${shown}\n`;
  return line + parts.map((part) => tree(part, depth + 1)).join("");
}

/** As JSON, so that what a client wrote cannot write over the terminal. */
const quoted = (text: string): string => JSON.stringify(cut(text));

const cut = (text: string): string => (text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN - 1)}…` : text);

function describe(event: EventView): string {
  const fields = [Field.auditID, Field.stage, Field.userUsername, Field.verb, Field.requestURI];
  return fields.map((field) => JSON.stringify(cut(event.text(field) ?? "")).slice(1, -1)).join("  ");
}
