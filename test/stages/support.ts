import { z } from "zod";
import type { Scope } from "../../plugins/stages/redact/hash.js";
import type { Profile } from "../../plugins/stages/redact/profile.js";
import { type RuleOptions, Rules } from "../../plugins/stages/redact/rules.js";
import redact, { RedactStage } from "../../plugins/stages/redact.js";
import { EventBatch, openTape } from "../../src/event/index.js";
import { AuditshipError, ByteWriter, type FileRef, type StageHost } from "../../src/plugin/index.js";
import { quietHost } from "../support/far-end.js";

export const FILE: FileRef = {
  fingerprint: "ab".repeat(32),
  id: "q".repeat(16),
  ordinal: 0,
  time: Date.UTC(2026, 0, 2),
};

/** A batch of these lines, at most `maxRows`. */
export function load(text: string | Uint8Array, maxRows = 64): EventBatch {
  const bytes = Buffer.from(text as string);
  const batch = new EventBatch({
    capacity: 0,
    maxRows,
    documents: { cluster: "", node: "", labels: {} },
  });
  batch.load({ bytes, length: bytes.length, file: FILE, offset: 0 }, "apiserver");
  return batch;
}

/** A batch of these objects, one a line, as Go's encoder writes them. */
export const loadEvents = (...events: object[]) =>
  load(events.map((event) => `${goJson(event)}\n`).join(""), events.length);

/** JSON with the characters that Go's encoder escapes for HTML's sake. */
export function goJson(value: unknown): string {
  const escapes: Record<string, string> = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
  };
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (char) => escapes[char]);
}

export function documentOf(batch: EventBatch, row = 0): string {
  const out = new ByteWriter(16);
  batch.at(row).writeDocument(out);
  return Buffer.from(out.view()).toString();
}

/** Every document of a batch, one a line. */
export function documentsOf(batch: EventBatch): string {
  const out = new ByteWriter(1 << 16);
  for (let row = 0; row < batch.count; row++) {
    batch.at(row).writeDocument(out);
    out.byte(0x0a);
  }
  return Buffer.from(out.view()).toString();
}

interface TestHost extends StageHost {
  /** Sums of counters by name and labels. */
  readonly counts: Map<string, number>;
  readonly warnings: string[];
}

export function stageHost(overrides: Partial<StageHost> = {}): TestHost {
  const counts = new Map<string, number>();
  const warnings: string[] = [];
  const never = (): never => {
    throw new AuditshipError("AUDITSHIP_USAGE", "not in this test");
  };
  return {
    ...quietHost("stage", counts),
    log: { debug() {}, info() {}, error() {}, warn: (_, message) => void warnings.push(message) },
    rules: never,
    condition: never,
    watch: never,
    openTape,
    stateDirectory: never,
    counts,
    warnings,
    ...overrides,
  };
}

export const KEY = Buffer.from("0123456789abcdef0123456789abcdef");

export interface RedactOptions {
  profile?: Profile;
  configMaps?: boolean;
  rules?: Partial<RuleOptions>[];
  users?: boolean;
  ips?: boolean;
  scope?: Scope;
  searchFirst?: boolean;
  host?: StageHost;
}

/** A redact stage with a fixed key. */
export function redactStage(options: RedactOptions = {}): RedactStage {
  const { configMaps = false, scope = "namespace", searchFirst = true, host = stageHost() } = options;
  const { profile = "default", rules = [], users = false, ips = false } = options;
  const own = new Rules(rules.map((rule) => ({ resources: ["*"], paths: [], action: "hash", keep: 16, ...rule })));
  const policy = { profile, configMaps, scope, rules: own, pseudonymize: { users, ips } };
  return new RedactStage(KEY, policy, host, { searchFirst });
}

/** The options of a stage's plugin with their defaults. */
export const redactOptions = (options: object) => redact.options(z).parse(options);

/** Whether two values are equal where `after` holds no hash. */
export function equalElsewhere(before: unknown, after: unknown): boolean {
  if (typeof after === "string" && after.includes("hmac:")) return true;
  if (typeof before !== "object" || before === null) return Object.is(before, after);
  if (typeof after !== "object" || after === null) return false;
  const keys = Object.keys(before);
  if (keys.join() !== Object.keys(after).join()) return false;
  return keys.every((key) =>
    equalElsewhere((before as Record<string, unknown>)[key], (after as Record<string, unknown>)[key]),
  );
}
