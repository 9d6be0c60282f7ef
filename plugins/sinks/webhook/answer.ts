import {
  DONE,
  type HttpAnswer,
  reject,
  retryAfter,
  retrySlowly,
  retryStatus,
  split,
  stop,
  type Verdict,
} from "../../../src/plugin/index.js";

/** What an answer says of what was posted; `now` in epoch milliseconds. */
export function verdictOf({ status, headers, url }: HttpAnswer, now: number): Verdict {
  if (status >= 200 && status < 300) return DONE;
  if (status < 400)
    return retrySlowly(`redirected (${status}) to ${target(headers.location, url)}; it is not followed`);
  if (status === 410) return stop("the receiver is gone (410)");
  if (status === 413) return split("the request is too large (413)");
  // What one event holds must not cost those beside it their delivery: halved until it is alone.
  if (CONTENT.has(status)) return split(`refused (${status})`);
  if (status >= 500 || RETRIED.has(status)) {
    const after = retryAfter(headers["retry-after"], now);
    return retryStatus(status, `the receiver is busy or failing (${status})`, after);
  }
  return reject(`refused (${status})`);
}

const CONTENT = new Set([400, 422]);
const RETRIED = new Set([408, 425, 429]);

/** Where a redirect points to, without its path, which may hold a secret. */
function target(location: string | undefined, from: string): string {
  if (location === undefined || !URL.canParse(location, from)) return "nowhere";
  const { origin } = new URL(location, from);
  return origin === from ? "another path there" : origin;
}
