import { AuditshipError, type Expiry, type HttpClient } from "../../../src/plugin/index.js";
import { type Kept, whyKept } from "./lifecycle.js";
import { Server } from "./server.js";

const DAY = 86_400_000;

const ERRORS = {
  code: "AUDITSHIP_RETENTION",
  rights: "It needs the index privileges view_index_metadata and delete_index.",
} as const;

/**
 * Deletes the indices of days whose newest event is older than the sink keeps, by the day in their names: only names
 * that are exactly the sink's own with a day (UTC) in it. One that cannot be deleted does not keep the others. Throws
 * AUDITSHIP_RETENTION.
 */
export async function expire(
  http: HttpClient,
  kept: Kept,
  { dryRun, print }: Expiry,
  now: number,
  signal: AbortSignal,
): Promise<void> {
  const why = whyKept(kept);
  if (why !== undefined) return print(`nothing to delete (${why})`);
  if (kept.target.kind === "dataStream") return print("nothing to delete: a data stream's own lifecycle does it");
  const server = new Server(http, ERRORS, signal);
  const names = await expired(server, kept, now);
  if (names.length === 0) print("nothing to delete");
  const failures: string[] = [];
  for (const name of names) {
    try {
      if (dryRun) print(`would delete ${name}`);
      else print((await server.delete(`/${name}`)) ? `deleted ${name}` : `${name} was gone already`);
    } catch (error) {
      failures.push((error as Error).message);
    }
  }
  if (failures.length === 0) return;
  const all = `${failures.length} of ${names.length} indices could not be deleted: ${failures.join("; ")}`;
  throw new AuditshipError("AUDITSHIP_RETENTION", all);
}

/** The names of indices that are too old, oldest first. */
async function expired(server: Server, { target, retention }: Kept, now: number): Promise<string[]> {
  // Of all that lists indices by pattern it needs the least rights, and an alias is none of them.
  const { status, body } = await server.get(`/${target.pattern}/_alias?expand_wildcards=open,closed`);
  if (status === 404) return [];
  if (status !== 200) {
    throw new AuditshipError("AUDITSHIP_RETENTION", `the indices ${target.pattern} cannot be listed (${status}).`);
  }
  const newest = now - DAY - (retention ?? 0);
  return Object.keys(body as object)
    .filter((name) => (dayOf(target.name, name) ?? Number.POSITIVE_INFINITY) <= newest)
    .sort();
}

/** When the day begins that an index is named after (epoch milliseconds); undefined if it is not one of `pattern`'s. */
export function dayOf(pattern: string, name: string): number | undefined {
  const [prefix, suffix] = pattern.split("{date}");
  const day = name.slice(prefix.length, name.length - suffix.length);
  if (!/^\d{4}\.\d\d\.\d\d$/.test(day) || name !== prefix + day + suffix) return undefined;
  const time = Date.parse(`${day.replaceAll(".", "-")}T00:00:00Z`);
  // 2026.02.30 is no day, though some parsers take it for one.
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(day.replaceAll(".", "-")) ? time : undefined;
}
