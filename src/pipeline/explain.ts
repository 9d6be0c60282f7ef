import { AuditshipError, type EventView, Field, Flag } from "../plugin/index.js";
import { nearest } from "../plugin/nearest.js";
import { auditIDOf, type Explanation, explain, type Rule } from "../rules/index.js";
import { readInput } from "./input.js";
import { inputFiles } from "./input-files.js";
import { loadForCommand, type RuleChoice } from "./load-rules.js";
import type { CommandOutput } from "./output.js";

export interface ExplainOptions extends RuleChoice {
  /** Only rules of this name. */
  rule?: string;
  /** Only the event of this number, from 1 over all files. */
  event?: number;
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
  const redaction =
    options.redact === undefined ? undefined : await (await import("./redaction.js")).createRedaction(options.redact);
  const rules = choose((await loadForCommand(options, output)).running, options.rule);
  let n = 0;
  const batches = readInput(await inputFiles(files), ({ file, line, reason }) =>
    output.complain(`${file}:${line}: no event (${reason})`),
  );
  for await (const batch of batches) {
    await redaction?.run(batch);
    for (let row = 0; row < batch.count; row++) {
      if ((batch.flags(row) & Flag.invalid) !== 0) continue;
      if (++n === (options.event ?? n)) explainEvent(n, batch.at(row), rules, options, output);
    }
    await output.drained();
    if (n >= (options.event ?? Number.POSITIVE_INFINITY)) return;
  }
  if (options.event !== undefined)
    throw new AuditshipError("AUDITSHIP_USAGE", `there is no event ${options.event}; the files have ${n}.`);
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
    const isMatch = explanation.outcome === "yes";
    const shadowedBy = isMatch && rule.exclusive ? first : undefined;
    if (isMatch && rule.exclusive) first ??= titleOf(rule);
    output.print(json ? jsonLine(n, event, rule, explanation, shadowedBy) : text(rule, explanation, shadowedBy));
  }
}

function jsonLine(n: number, event: EventView, rule: Rule, condition: Explanation, shadowedBy?: string): string {
  const { name, resource, dialect } = rule.info;
  const line = { n, auditID: auditIDOf(event), rule: name, resource, dialect, shadowedBy, condition };
  return `${JSON.stringify(line)}\n`;
}

function text(rule: Rule, explanation: Explanation, shadowedBy?: string): string {
  const { priority, place } = rule.info;
  const where = [place.file, place.line].filter((part) => part !== undefined).join(":");
  const says = { yes: "matches", no: "does not match", failed: "fails" }[explanation.outcome];
  const shadow = shadowedBy ? `, but ${shadowedBy} comes first (rules.falco.matching)` : "";
  return `  ${titleOf(rule)}  ${priority}  ${says}${shadow}  ${where}\n${tree(explanation, 2)}\n`;
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
