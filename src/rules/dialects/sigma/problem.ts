import { AuditshipError, type ErrorCode, type Place } from "../../../plugin/index.js";

/** An error in a rule, and its place. */
export function invalid(message: string, place: Place, code: ErrorCode = "AUDITSHIP_RULE_INVALID"): AuditshipError {
  return new AuditshipError(code, message.endsWith("?") ? message : `${message}.`, place);
}

/** A text in quotation marks, on one line and at most 60 characters of it. */
export function quoted(text: string): string {
  const line = text.slice(0, 200).replace(/\s+/g, " ");
  return `“${line.length > 60 || text.length > 200 ? `${line.slice(0, 59)}…` : line}”`;
}
