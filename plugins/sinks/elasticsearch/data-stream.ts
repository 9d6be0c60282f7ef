import type { HttpAnswer, HttpClient, Verdict } from "../../../src/plugin/index.js";
import { retry, retryAfter, retrySlowly, split } from "../../../src/plugin/index.js";
import { errorOf, parseAnswer } from "./answer.js";

/** Besides those made since an event, so many backing indices may hold it: the one that was written to then, and one for clocks that differ. */
const BEFORE = 2;
/** Milliseconds by which a server's clock may be ahead of the node's. */
const CLOCKS = 3_600_000;
/** A looked up id takes some hundred bytes in the answer. */
const MAX_ANSWER = 8 * 1024 ** 2;
const JSON_HEADERS = { "content-type": "application/json", accept: "application/json" };

/**
 * Looks up ids in a data stream. `create` finds an id again only in the backing index that is written to: what was stored
 * before a rollover would be stored once more.
 */
export class DataStream {
  readonly #http: HttpClient;
  readonly #name: string;

  constructor(http: HttpClient, name: string) {
    this.#http = http;
    this.#name = name;
  }

  /**
   * Those of the ids that are stored, searched or not yet; a verdict if that cannot be told now. Throws if nobody answers.
   * @param oldest epoch milliseconds of the oldest of these events: none was stored before
   */
  async find(ids: readonly string[], oldest: number, signal: AbortSignal): Promise<Set<string> | Verdict> {
    const indices = await this.#backingIndices(signal);
    if (!Array.isArray(indices)) return indices;
    const since = indices.filter(({ made }) => made >= oldest - CLOCKS).length;
    const found = new Set<string>();
    for (const { name } of indices.slice(0, since + BEFORE)) {
      const left = ids.filter((id) => !found.has(id));
      if (left.length === 0) break;
      const verdict = await this.#findIn(name, left, found, signal);
      if (verdict) return verdict;
    }
    return found;
  }

  /** Newest first; none if there is no such data stream yet. */
  async #backingIndices(signal: AbortSignal): Promise<BackingIndex[] | Verdict> {
    const path = `/${encodeURIComponent(this.#name)}/_settings/index.creation_date`;
    const answer = await this.#http.request({ method: "GET", path, signal, maxAnswer: MAX_ANSWER });
    if (answer.status === 404 && errorOf(answer).type === "index_not_found_exception") return [];
    if (answer.status !== 200) return cannotLookUp(answer);
    const parsed = parseAnswer(answer);
    if (typeof parsed !== "object" || parsed === null) return retry("nonsense answer: it is no JSON object");
    return Object.entries(parsed as Record<string, IndexSettings>)
      .map(([name, { settings }]) => ({ name, made: Number(settings?.index?.creation_date ?? 0) }))
      .sort((a, b) => b.made - a.made);
  }

  /** Adds those that are in an index. Asks for documents by id, which finds what no search sees yet. */
  async #findIn(index: string, ids: readonly string[], found: Set<string>, signal: AbortSignal) {
    const fields = "docs._id,docs.found,docs.error.type,error.type";
    const answer = await this.#http.request({
      method: "POST",
      path: `/${encodeURIComponent(index)}/_mget?_source=false&filter_path=${fields}`,
      headers: JSON_HEADERS,
      body: JSON.stringify({ ids }),
      signal,
      maxAnswer: MAX_ANSWER,
    });
    if (answer.status !== 200) return cannotLookUp(answer);
    const { docs } = (parseAnswer(answer) ?? {}) as { docs?: FoundDocument[] };
    if (docs?.length !== ids.length) return retry("nonsense answer: not one document for each id");
    for (const { _id, found: isThere, error } of docs) {
      if (isThere) found.add(_id);
      // An index that went in between holds nothing any more.
      else if (error && error.type !== "index_not_found_exception") return retry("cannot look up what is stored");
    }
    return undefined;
  }
}

interface BackingIndex {
  name: string;
  /** Epoch milliseconds. */
  made: number;
}

interface IndexSettings {
  settings?: { index?: { creation_date?: string } };
}

interface FoundDocument {
  _id: string;
  found?: boolean;
  error?: { type?: string };
}

function cannotLookUp({ status, headers }: HttpAnswer): Verdict {
  const what = "cannot look up what is stored";
  if (status === 401) return retrySlowly(`the credentials are refused (${status})`);
  if (status === 413) return split("the question for what is stored is too large (413)");
  if (status === 403) return retrySlowly(`no right to ${what.slice(7)} (${status}: view_index_metadata and read)`);
  if (status === 408 || status === 429 || status >= 500)
    return retry(`${what} (${status})`, retryAfter(headers["retry-after"], Date.now()));
  return retrySlowly(`${what} (${status})`);
}
