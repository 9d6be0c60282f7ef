import type { AuditshipError } from "../../../plugin/index.js";
import { type ErrorKind, problem } from "./problems.js";
import { type At, placeOf } from "./syntax.js";

/** A condition or output that cannot be read: what is wrong with it, and where in its text. */
export class SyntaxProblem extends Error {
  constructor(
    message: string,
    readonly at: At,
  ) {
    super(message);
  }
}

/** The problem as an error: what is wrong, near which text, and at which place. */
export function errorOf({ message, at }: SyntaxProblem, kind: ErrorKind): AuditshipError {
  const { text, offset } = at;
  const where = text.name === "" ? "" : ` in ${text.name}`;
  const near = text.text === "" ? "" : `, near ${excerpt(text.text, offset)}`;
  return problem(kind, `${message}${where}${near}`, placeOf(at));
}

/** The text around an offset, with a mark at it. */
function excerpt(text: string, offset: number): string {
  const from = Math.max(0, offset - 20);
  const to = Math.min(text.length, offset + 24);
  const before = text.slice(from, offset).replace(/\s+/g, " ");
  const after = text.slice(offset, to).replace(/\s+/g, " ");
  return `“${from > 0 ? "…" : ""}${before}»${after}${to < text.length ? "…" : ""}”`;
}
