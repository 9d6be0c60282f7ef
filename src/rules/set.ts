import { createHash } from "node:crypto";
import { type Batch, type EventView, Field, Flag, type RuleMatch, type RuleSet } from "../plugin/index.js";
import { Compiler, tryCheck } from "./compile.js";
import { Dispatch } from "./dispatch.js";
import type { Rule } from "./rule.js";
import { Outcome } from "./tree.js";

interface StagedRule {
  readonly rule: Rule;
  /** Bit n: the rule looks at events of stage class n. */
  readonly stages: number;
}

const STAGES = ["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"];
/** Bit 0 is for whatever else an event calls its stage: no rule is kept from looking at that. */
const ALL_STAGES = 0b11111;
const NOT_EVENTS = Flag.invalid | Flag.dropped;

/** Compiles rules to a set. Those that do nothing are left out. */
export function compileSet(rules: readonly Rule[]): RuleSet {
  const active = rules.filter(({ info }) => info.actions.length > 0);
  return new CompiledSet(active);
}

class CompiledSet implements RuleSet {
  readonly hash: string;
  readonly size: number;
  private readonly compiler = new Compiler();
  private readonly dispatch: Dispatch<StagedRule>;
  private readonly stageOf: (event: EventView) => number;
  /** Stages that any rule looks at. */
  private readonly stages: number;

  constructor(rules: readonly Rule[]) {
    this.hash = hashOf(rules);
    this.size = rules.length;
    const staged = rules.map((rule) => ({
      rule,
      stages: stageBits(rule.stages),
    }));
    this.stages = staged.reduce((bits, { stages }) => bits | stages, 0);
    this.stageOf = this.compiler.memo(Field.stage, (event) => STAGES.indexOf(event.text(Field.stage) ?? "") + 1);
    this.dispatch = new Dispatch(staged, ({ rule }) => rule.condition, this.compiler);
  }

  evaluate(batch: Batch, onError?: (rule: RuleMatch) => void): void {
    batch.rules = this.hash;
    if (this.size === 0) return;
    for (let row = 0; row < batch.count; row++) {
      if ((batch.flags(row) & NOT_EVENTS) !== 0) continue;
      const event = batch.at(row);
      this.compiler.next();
      const stage = 1 << this.stageOf(event);
      if ((this.stages & stage) === 0) continue;
      for (const { entry, check } of this.dispatch.candidates(event)) {
        const { rule, stages } = entry;
        if ((stages & stage) === 0) continue;
        const outcome = tryCheck(check, event);
        if (outcome === Outcome.yes) batch.addMatch(row, rule.match);
        else if (outcome === Outcome.failed) onError?.(rule.match);
      }
    }
  }
}

function stageBits(stages: readonly string[] | undefined): number {
  if (!stages) return ALL_STAGES;
  return STAGES.reduce((bits, name, index) => (stages.includes(name) ? bits | (1 << (index + 1)) : bits), 1);
}

/** Short hash of all that decides which events match, and what is said of them. */
function hashOf(rules: readonly Rule[]): string {
  const hash = createHash("sha256");
  for (const { match, condition, output, paths, stages } of rules) {
    const { dialect, resource, rule, priority, actions, tags, facts } = match;
    const decides = [dialect, resource, rule, priority, actions, tags, facts, condition, output, paths, stages];
    hash.update(JSON.stringify(decides)).update("\n");
  }
  return hash.digest("hex").slice(0, 12);
}
