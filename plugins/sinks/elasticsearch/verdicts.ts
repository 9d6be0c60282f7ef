import {
  DONE,
  DUPLICATE,
  reject,
  retry,
  retryAfter,
  retrySlowly,
  split,
  type Verdict,
} from "../../../src/plugin/index.js";
import type { ServerError } from "./client.js";

/** The answer to a bulk request as far as `filter_path` lets it through. */
export interface BulkAnswer {
  items?: { create?: { status?: number; error?: ServerError } }[];
}

/** What to ask of the answer: every item's status (positions count), and of errors what a verdict needs. */
export const FILTER_PATH = "items.*.status,items.*.error.type,items.*.error.reason";

/** One verdict per item, or one for all if the answer is not one to this request. */
export function itemVerdicts(answer: unknown, count: number): Verdict | Verdict[] {
  const items = (answer as BulkAnswer | null)?.items;
  if (!Array.isArray(items)) return retry("nonsense answer: it has no items");
  if (items.length !== count) return retry(`nonsense answer: ${items.length} items for ${count} events`);
  const verdicts = items.map((item) => itemVerdict(item?.create));
  return verdicts.every((verdict) => verdict === DONE) ? DONE : verdicts;
}

function itemVerdict(item: { status?: number; error?: ServerError } | undefined): Verdict {
  const status = item?.status;
  if (typeof status !== "number") return retry("nonsense answer: an item without status");
  if (status < 300) return DONE;
  if (status === 409) return DUPLICATE;
  const error = item?.error ?? {};
  const cause = CLUSTER_FAULTS[typeOf(error)];
  if (cause && status !== 429) return retrySlowly(`${cause} (${status} ${typeOf(error)})`);
  if (status === 429 || status >= 500) return retry(`${cause ?? "busy"} (${status} ${typeOf(error)})`);
  if (status === 400 || status === 413) return reject(`${typeOf(error)}${fieldOf(error)} (${status})`);
  return retrySlowly(`item refused (${status} ${typeOf(error)})`);
}

/** What is not the document's fault, in an operator's words. */
const CLUSTER_FAULTS: Record<string, string> = Object.assign(Object.create(null), {
  cluster_block_exception: "the index is blocked for writing, by hand or because a disk is full",
  security_exception: "no right to write to the index",
  index_not_found_exception: "the index does not exist and is not to be created",
  index_closed_exception: "the index is closed",
  invalid_index_name_exception: "the index name is not allowed",
  validation_exception: "the cluster takes no more shards",
});

/** The verdict on a whole request that was answered with anything but 200. */
export function requestVerdict(
  answer: { status: number; error: ServerError; retryAfter?: string },
  now: number,
): Verdict {
  const { status, error } = answer;
  const said = error.type === undefined ? `${status}` : `${status} ${typeOf(error)}`;
  const cause = CLUSTER_FAULTS[typeOf(error)];
  if (status === 401) return retrySlowly(`the credentials are refused (${said})`);
  if (status === 413) return split("the request is too large (413)");
  if (cause && status < 429) return retrySlowly(`${cause} (${said})`);
  if (status === 400) return split(`the request is refused (${said})`);
  if (status === 408 || status === 429) return retry(`busy (${said})`, retryAfter(answer.retryAfter, now));
  if (status >= 500) return retry(`the server fails (${said})`, retryAfter(answer.retryAfter, now));
  if (status >= 300 && status < 400) return retrySlowly(`redirected (${said}); redirects are not followed`);
  if (status === 403) return retrySlowly(`no right to write (${said})`);
  return retrySlowly(`not the answer of a search server (${said})`);
}

/** The machine word for an error, never a sentence: those quote values. */
function typeOf(error: ServerError): string {
  return typeof error.type === "string" && /^[a-z_]{1,60}$/.test(error.type) ? error.type : "unknown error";
}

/** ` on field [a.b] of type [date]`, as far as the reason names them. */
function fieldOf({ reason }: ServerError): string {
  const [, field, type] = /field \[([\w.@-]{1,80})\](?: of type \[(\w{1,30})\])?/.exec(String(reason ?? "")) ?? [];
  if (field === undefined) return "";
  return type === undefined ? ` on field [${field}]` : ` on field [${field}] of type [${type}]`;
}
