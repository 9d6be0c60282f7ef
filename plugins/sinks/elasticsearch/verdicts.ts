import {
  DONE,
  DUPLICATE,
  type HttpAnswer,
  reject,
  retry,
  retryAfter,
  retrySlowly,
  retryStatus,
  split,
  unsure,
  type Verdict,
} from "../../../src/plugin/index.js";
import { errorOf, parseAnswer, type ServerError } from "./answer.js";

/** The answer to a bulk request as far as `filter_path` lets it through. */
interface BulkAnswer {
  items?: { create?: { status?: number; error?: ServerError } }[];
}

/** What to ask of the answer: every item's status (positions count), and of errors what a verdict needs. */
export const FILTER_PATH = "items.*.status,items.*.error.type,items.*.error.reason";

/** One verdict per item of a bulk request, or one for all of them. */
export function bulkVerdicts(answer: HttpAnswer, count: number, now: number): Verdict | Verdict[] {
  if (answer.truncated) return unsure(split("the answer is too long"));
  return answer.status === 200 ? itemVerdicts(answer, count) : requestVerdict(answer, now);
}

function itemVerdicts(answer: HttpAnswer, count: number): Verdict | Verdict[] {
  if (isAllCreated(answer.body, count)) return DONE;
  const parsed = parseAnswer(answer);
  if (parsed === undefined) return nonsense("it is not JSON");
  const items = (parsed as BulkAnswer | null)?.items;
  if (!Array.isArray(items)) return nonsense("it has no items");
  if (items.length !== count) return nonsense(`${items.length} items for ${count} events`);
  const verdicts = items.map((item) => itemVerdict(item?.create));
  return verdicts.every((verdict) => verdict === DONE) ? DONE : verdicts;
}

/** Who says such things is no search server; what stands behind it may have taken the events. */
const nonsense = (what: string) => unsure(retry(`nonsense answer: ${what}`));

const ITEMS = Buffer.from('"items":[');
const CREATED = Buffer.from(',{"create":{"status":201}}');
/** As many of them as are compared at once. */
const ALL_CREATED = Buffer.alloc(256 * CREATED.length, CREATED);

/** True if the answer ends in `"items":[`, `count` times the same `{"create":{"status":201}}`, and `]}`: the usual one, not parsed. */
function isAllCreated(body: Uint8Array, count: number): boolean {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  const open = bytes.indexOf(ITEMS, 0, "latin1") + ITEMS.length;
  const end = open + count * CREATED.length - 1;
  if (open < ITEMS.length || end + 2 !== bytes.length || bytes.toString("latin1", end) !== "]}") return false;
  // The first item has no comma before it.
  for (let at = open, from = 1; at < end; from = 0) {
    const length = Math.min(ALL_CREATED.length - from, end - at);
    if (bytes.compare(ALL_CREATED, from, from + length, at, at + length) !== 0) return false;
    at += length;
  }
  return true;
}

function itemVerdict(item: { status?: number; error?: ServerError } | undefined): Verdict {
  const status = item?.status;
  if (typeof status !== "number") return nonsense("an item without status");
  if (status < 300) return DONE;
  if (status === 409) return DUPLICATE;
  const error = item?.error ?? {};
  const said = `${status} ${typeOf(error)}`;
  const cause = clusterFault(status, error);
  if (cause !== undefined) return retrySlowly(`${cause} (${said})`);
  if (status === 429) return retry(`busy (${said})`);
  if (status >= 500) return unsure(retry(`the server fails (${said})`));
  if (status === 400 || status === 413) return reject(`${typeOf(error)}${fieldOf(error)} (${status})`);
  return retrySlowly(`item refused (${said})`);
}

/** What is not the document's fault and stays until somebody mends it, in an operator's words; undefined if it is not such. */
function clusterFault(status: number, error: ServerError): string | undefined {
  if (status >= 500) return undefined;
  const type = typeOf(error);
  if (type === "cluster_block_exception") {
    return status === 429 ? "a disk is full, so the index takes no writes" : "the index is blocked for writing";
  }
  if (type === "illegal_argument_exception") {
    return SETTINGS.find(({ pattern }) => pattern.test(String(error.reason ?? "")))?.cause;
  }
  return CLUSTER_FAULTS[type];
}

const CLUSTER_FAULTS: Record<string, string> = Object.assign(Object.create(null), {
  security_exception: "no right to write to the index",
  index_not_found_exception: "the index does not exist and is not to be created",
  index_closed_exception: "the index is closed",
  invalid_index_name_exception: "the index name is not allowed",
  validation_exception: "the cluster takes no more shards",
});

/** Arguments that are not the document's, by how the server's sentence begins. */
const SETTINGS = [
  { pattern: /^pipeline with id \[/, cause: "the ingest pipeline does not exist" },
  { pattern: /^no write index is defined for alias \[/, cause: "the alias has no index to write to" },
];

/** The verdict on a whole request that was answered with anything but 200. */
function requestVerdict(answer: HttpAnswer, now: number): Verdict {
  const { status, headers } = answer;
  const error = errorOf(answer);
  const after = retryAfter(headers["retry-after"], now);
  const said = error.type === undefined ? `${status}` : `${status} ${typeOf(error)}`;
  if (status === 401) return retrySlowly(`the credentials are refused (${said})`);
  if (status === 413) return split("the request is too large (413)");
  const cause = clusterFault(status, error);
  if (cause !== undefined) return retrySlowly(`${cause} (${said})`);
  if (status === 408 || status === 429) return retryStatus(status, `busy (${said})`, after);
  // A server that reads the request while it comes may have taken what was before the fault.
  if (status === 400) return unsure(split(`the request is refused (${said})`));
  if (status >= 500) return unsure(retryStatus(status, `the server fails (${said})`, after));
  if (status >= 300 && status < 400) return unsure(retrySlowly(`redirected (${said}); redirects are not followed`));
  if (status === 403 && /^text\/html/i.test(headers["content-type"] ?? ""))
    return retrySlowly(`a proxy or firewall refuses the whole request (403 in HTML${signed(headers.server)})`);
  if (status === 403) return retrySlowly(`no right to write (${said})`);
  return unsure(retrySlowly(`not the answer of a search server (${said})`));
}

/** Who says of itself that it answered, as far as that is a name. */
const signed = (server = ""): string => (/^[\w./-]{1,40}$/.test(server) ? `, ${server}` : "");

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
