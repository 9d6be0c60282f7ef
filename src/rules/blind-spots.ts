import { Field } from "../plugin/index.js";
import { type AuditPolicy, LEVELS, STAGES } from "./audit-policy.js";
import { ABSENT } from "./bodies.js";
import type { Rule } from "./rule.js";
import { canMatch, OTHER, type Scenario, textsOf } from "./scenario.js";
import { type Expression, testsOf } from "./tree.js";

/** Larger conditions are skipped, because checking them would take too long. */
const MAX_TESTS = 2000;
/** Conditions that need more tests than this, summed over all kinds of requests, are skipped too. */
const MAX_WORK = 50_000;

/** Warnings about events that a rule was meant to match but cannot. */
export function blindSpots(rule: Rule, policy: AuditPolicy | undefined): string[] {
  let tests = 0;
  for (const _ of testsOf(rule.condition)) if (++tests > MAX_TESTS) return [];
  return [sessionsByWebSocket(rule.condition), stagesLeftOut(rule), policy && notRecorded(rule, policy, tests)].filter(
    (warning) => warning !== undefined,
  );
}

const SESSIONS = ["exec", "attach", "portforward"];

/** kubectl 1.30 and later (portforward: 1.31) opens sessions by WebSocket, which begins with a GET. */
function sessionsByWebSocket(condition: Expression): string | undefined {
  const named = textsOf(condition, Field.objectRefSubresource);
  const session = (subresource: string, verb: string): Scenario => ({
    values: new Map([
      [Field.objectRefResource, "pods"],
      [Field.objectRefSubresource, subresource],
      [Field.verb, verb],
    ]),
  });
  const missed = SESSIONS.filter(
    (name) =>
      named.has(name) && canMatch(condition, session(name, "create")) && !canMatch(condition, session(name, "get")),
  );
  if (missed.length === 0) return undefined;
  return `${missed.join(", ")}: it matches the verb create only, but kubectl 1.30 and later sends get (WebSocket); ask for both.`;
}

function stagesLeftOut({ condition, stages }: Rule): string | undefined {
  if (stages === undefined || stages.some((stage) => canMatchAt(condition, stage))) return undefined;
  const asked = STAGES.filter((stage) => canMatchAt(condition, stage));
  if (asked.length === 0) return undefined;
  return `it never matches: it asks for the stage ${asked.join(" or ")}, which rules.stages leaves out.`;
}

const canMatchAt = (condition: Expression, stage: string): boolean =>
  canMatch(condition, { values: new Map([[Field.stage, stage]]) });

function notRecorded({ condition, stages = STAGES }: Rule, policy: AuditPolicy, tests: number): string | undefined {
  let most = 0;
  let work = 0;
  for (const kind of kindsOf(condition, policy)) {
    work += tests;
    if (work > MAX_WORK) return undefined;
    if (!canMatch(condition, { values: kind.values })) continue;
    for (const { level, stages: recorded } of policy.recordings(kind)) {
      most = Math.max(most, LEVELS.indexOf(level));
      for (const stage of recorded.filter((name) => stages.includes(name))) {
        const values = new Map([...kind.values, [Field.level, level] as const, [Field.stage, stage] as const]);
        if (canMatch(condition, { values, absent: ABSENT[level] })) return undefined;
      }
    }
  }
  const why = most === 0 ? "it records no such request" : `it records such requests at level ${LEVELS[most]} at most`;
  return `it never matches under the audit policy ${policy.file}: ${why}.`;
}

/** A kind of request, as the policy names it and as the field values that a condition sees. */
interface Kind {
  readonly resource?: string;
  readonly group?: string;
  readonly subresource?: string;
  readonly verb?: string;
  readonly values: ReadonlyMap<Field, string | typeof OTHER>;
}

/** Every kind of request that a condition tells apart by resource, subresource and verb, and one for all others. */
function* kindsOf(condition: Expression, policy: AuditPolicy): Generator<Kind> {
  const resources = [...textsOf(condition, Field.objectRefResource), OTHER] as const;
  const asked = textsOf(condition, Field.objectRefSubresource);
  const verbs = [...textsOf(condition, Field.verb), OTHER] as const;
  const text = (value: string | typeof OTHER) => (value === OTHER ? undefined : value);
  for (const resource of resources) {
    const subresources = new Set([...asked, ...policy.subresourcesOf(text(resource)), ""]);
    const groups = resource === OTHER ? [] : policy.groupsOf(resource);
    for (const group of groups.length > 0 ? groups : [undefined])
      for (const subresource of subresources)
        for (const verb of verbs) {
          const values = new Map<Field, string | typeof OTHER>([
            [Field.objectRefResource, resource],
            [Field.objectRefSubresource, subresource === "*" ? OTHER : subresource],
            [Field.verb, verb],
          ]);
          yield { resource: text(resource), group, subresource, verb: text(verb), values };
        }
  }
}
