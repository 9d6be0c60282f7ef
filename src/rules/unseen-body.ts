import {
  type Batch,
  type EventView,
  FIELD_PATHS,
  Field,
  Flag,
  Kind,
  type OnError,
  type OnTime,
  ROW_HEADER,
  ROW_WORDS,
  Row,
  type RuleMatch,
  type RuleSet,
} from "../plugin/index.js";
import { rankOf } from "./priority.js";

const PRIORITY = "WARNING";
const RANK = rankOf(PRIORITY)!;
const VERBS: ReadonlySet<string> = new Set(["create", "update", "patch"]);
const BODIES = [Field.requestObject, Field.responseObject] as const;
/** A smaller body, in bytes, can always be opened, because the tape has room for more nodes. */
const ALWAYS_OPENS = 1_000_000;
const NOT_EVENTS = Flag.invalid | Flag.dropped;

export interface UnseenBodyOptions {
  alertingRank: number;
  /** Audit stages that it looks at; undefined for all. */
  stages: readonly string[] | undefined;
}

/**
 * The built-in rule: a create, update or patch whose body no rule has seen, because its line was longer than `maxLine` or it holds
 * more values than can be opened. Otherwise padding an object would hide it. Runs after the rules of `set`.
 */
export class WithUnseenBody implements RuleSet {
  readonly #set: RuleSet;
  readonly #match: RuleMatch;
  readonly #stages: readonly string[] | undefined;

  constructor(set: RuleSet, { alertingRank, stages }: UnseenBodyOptions) {
    this.#set = set;
    this.#stages = stages;
    this.#match = {
      rule: "UnseenBody",
      dialect: "auditship",
      priority: PRIORITY,
      rank: RANK,
      actions: RANK >= alertingRank ? ["archived", "alerting"] : ["archived"],
      tags: [],
      description: "An object was written that no rule has looked at: it is too large.",
      facts: {},
      message: describe,
    };
  }

  get hash(): string {
    return this.#set.hash;
  }

  get size(): number {
    return this.#set.size;
  }

  evaluate(batch: Batch, onError?: OnError, onTime?: OnTime): void {
    this.#set.evaluate(batch, onError, onTime);
    for (let row = 0; row < batch.count; row++) {
      if (!mayBeUnseen(batch, row)) continue;
      const event = batch.at(row);
      if (unseenBodies(event).length > 0 && this.#concerns(event)) batch.addMatch(row, this.#match);
    }
  }

  #concerns(event: EventView): boolean {
    if (!VERBS.has((event.text(Field.verb) ?? "").toLowerCase())) return false;
    return this.#stages === undefined || this.#stages.includes(event.text(Field.stage) ?? "");
  }
}

/** False for nearly all rows: those that are not events, and events whose bodies can always be opened. */
function mayBeUnseen({ table }: Batch, row: number): boolean {
  const base = row * ROW_WORDS;
  const flags = table[base + Row.flags];
  if ((flags & NOT_EVENTS) !== 0) return false;
  const request = base + ROW_HEADER + 2 * Field.requestObject;
  const response = base + ROW_HEADER + 2 * Field.responseObject;
  return (
    (flags & Flag.truncated) !== 0 ||
    table[request + 1] - table[request] >= ALWAYS_OPENS ||
    table[response + 1] - table[response] >= ALWAYS_OPENS
  );
}

const NONE: readonly Field[] = [];

function unseenBodies(event: EventView): readonly Field[] {
  if ((event.flags() & Flag.truncated) !== 0) {
    return BODIES.filter((field) => event.batch.oversized?.dropped?.includes(FIELD_PATHS[field]));
  }
  if (!isUnseen(event, BODIES[0]) && !isUnseen(event, BODIES[1])) return NONE;
  return BODIES.filter((field) => isUnseen(event, field));
}

function isUnseen(event: EventView, field: Field): boolean {
  return event.end(field) - event.start(field) >= ALWAYS_OPENS && isClosed(event, field);
}

/** True if the body is more than a text, and cannot be opened. */
function isClosed(event: EventView, field: Field): boolean {
  const kind = event.kind(field);
  return (kind === Kind.object || kind === Kind.array) && event.open(field) === undefined;
}

function describe(event: EventView): string {
  const text = (field: Field) => event.text(field) ?? "";
  const what = [text(Field.objectRefNamespace), text(Field.objectRefName)].filter(Boolean).join("/");
  const bodies = unseenBodies(event).map((field) => FIELD_PATHS[field]);
  const who = text(Field.userUsername);
  return `${who} ${text(Field.verb)} ${text(Field.objectRefResource)} ${what}: no rule has seen ${bodies.join(" and ")}, too large`;
}
