import type { HttpAnswer } from "../../../src/plugin/index.js";

/** What a server says of an error; only its machine words are fit for a reason, its sentences may quote values. */
export interface ServerError {
  type?: string;
  reason?: string;
}

/** An answer's JSON; undefined if it is none. Its text is not to be shown. */
export function parseAnswer({ body }: Pick<HttpAnswer, "body">): unknown {
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString("utf8"));
  } catch {
    return undefined;
  }
}

/** What an answer that is no success says of its error, as far as it says anything. */
export function errorOf(answer: Pick<HttpAnswer, "body">): ServerError {
  const error = (parseAnswer(answer) as { error?: ServerError | string } | null | undefined)?.error;
  return typeof error === "object" && error !== null ? error : {};
}
