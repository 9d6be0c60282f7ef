import { createHash } from "node:crypto";
import { type Batch, type EventView, Field, Flag, type OnError, type OnTime, type RuleSet } from "../plugin/index.js";
import { Compiler, tryCheck } from "./compile.js";
import { Dispatch } from "./dispatch.js";
import { asksForNumber, numberBatch } from "./event-number.js";
import type { Rule } from "./rule.js";
import { type Expression, Outcome, type TestNode } from "./tree.js";

const NOT_EVENTS = Flag.invalid | Flag.dropped;

/** Compiles rules to a set. Rules that do nothing are left out. */
export function compileSet(rules: readonly Rule[]): RuleSet {
  const active = rules.filter(({ info }) => info.actions.length > 0);
  return new CompiledSet(active);
}

class CompiledSet implements RuleSet {
  readonly hash: string;
  readonly size: number;
  private readonly compiler = new Compiler();
  private readonly dispatch: Dispatch<Rule>;
  /** Some rule needs an event's number. */
  private readonly numbered: boolean;
  /** Events seen so far, counted only if some rule needs their number. */
  private events = 0;

  constructor(rules: readonly Rule[]) {
    this.hash = hashOf(rules);
    this.size = rules.length;
    this.numbered = rules.some(asksForNumber);
    const entries = rules.map((rule) => ({ entry: rule, condition: stagedCondition(rule) }));
    this.dispatch = new Dispatch(entries, this.compiler);
  }

  evaluate(batch: Batch, onError?: OnError, onTime?: OnTime): void {
    batch.rules = this.hash;
    if (this.size === 0) return;
    if (this.numbered) this.events = numberBatch(batch, this.events);
    this.dispatch.begin(batch);
    for (let row = 0; row < batch.count; row++) {
      if (this.dispatch.isIdle(row) || (batch.flags(row) & NOT_EVENTS) !== 0) continue;
      const event = batch.at(row);
      const candidates = this.dispatch.candidates(event);
      let isTaken = false;
      for (let i = 0; i < candidates.length; i++) {
        const { entry, check } = candidates[i];
        if (isTaken && entry.exclusive) continue;
        const started = onTime && performance.now();
        const outcome = check === undefined ? Outcome.yes : tryCheck(check, event);
        if (started !== undefined) onTime?.(entry.match, performance.now() - started);
        if (outcome === Outcome.yes) {
          batch.addMatch(row, entry.match);
          if (entry.exclusive) isTaken = true;
        } else if (outcome === Outcome.failed) onError?.(entry.match);
      }
    }
  }
}

/** False if the rule does not look at the event's stage, whatever its condition. */
export function looksAt({ stages }: Rule, event: EventView): boolean {
  const stage = event.text(Field.stage) ?? "";
  return stages === undefined || stages.includes(stage) || !STAGES.includes(stage);
}

/** The rule's condition, limited to the stages that it looks at. Every rule looks at unknown stages. */
function stagedCondition({ condition, stages }: Rule): Expression {
  const others = stages ? STAGES.filter((stage) => !stages.includes(stage)) : [];
  if (others.length === 0) return condition;
  const isOther: TestNode = {
    type: "test",
    path: { text: "Stage", source: { kind: "field", field: Field.stage }, steps: [] },
    test: { op: "in", texts: others },
    negated: false,
    text: `Stage in (${others.join(", ")})`,
  };
  return { type: "and", operands: [{ type: "not", operand: isOther }, condition] };
}

const STAGES = ["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"];

/** Short hash of everything that decides which events match, and what is said about them. */
function hashOf(rules: readonly Rule[]): string {
  const hash = createHash("sha256");
  for (const { match, condition, output, paths, stages, exclusive } of rules) {
    const { dialect, resource, rule, priority, actions, tags, facts } = match;
    const decides = [
      dialect,
      resource,
      rule,
      priority,
      actions,
      tags,
      facts,
      condition,
      output,
      paths,
      stages,
      exclusive,
    ];
    hash.update(JSON.stringify(decides)).update("\n");
  }
  return hash.digest("hex").slice(0, 12);
}
