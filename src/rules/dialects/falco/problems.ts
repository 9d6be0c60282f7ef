import { AuditshipError, type ErrorCode, type Place } from "../../../plugin/index.js";

/** Kinds of errors by their names in Falco (`falco_load_result.cpp`), with our error codes. */
const ERRORS = {
  LOAD_ERR_YAML_VALIDATE: "AUDITSHIP_RULE_INVALID",
  LOAD_ERR_VALIDATE: "AUDITSHIP_RULE_INVALID",
  LOAD_ERR_COMPILE_CONDITION: "AUDITSHIP_RULE_SYNTAX",
  LOAD_ERR_COMPILE_OUTPUT: "AUDITSHIP_RULE_SYNTAX",
} as const satisfies Record<string, ErrorCode>;

export type ErrorKind = keyof typeof ERRORS;

/** Kinds of warnings by their names in Falco. */
export type WarningKind =
  | "LOAD_UNKNOWN_SOURCE"
  | "LOAD_UNSAFE_NA_CHECK"
  | "LOAD_UNKNOWN_FILTER"
  | "LOAD_UNUSED_MACRO"
  | "LOAD_UNUSED_LIST"
  | "LOAD_UNKNOWN_ITEM"
  | "LOAD_DEPRECATED_ITEM"
  | "LOAD_APPEND_NO_VALUES"
  | "LOAD_EXCEPTION_NAME_NOT_UNIQUE"
  | "LOAD_INVALID_MACRO_NAME"
  | "LOAD_INVALID_LIST_NAME"
  | "LOAD_COMPILE_CONDITION"
  | "LOAD_UNKNOWN_KEY";

/** An error with our message and Falco's name for it. */
export function problem(kind: ErrorKind, message: string, place: Place): AuditshipError {
  return new AuditshipError(ERRORS[kind], labelled(kind, message), place);
}

export function labelled(kind: ErrorKind | WarningKind, message: string): string {
  return `${message} (${kind}).`;
}
