/**
 * Every error a user can meet: its code, and what it means in one line. `docs/errors.md` has a row for each (a test
 * holds them together). The message of a thrown error says what, where and what to do.
 */
export const ERRORS = {
  AUDITSHIP_USAGE: "A command was called with options or arguments that it does not accept.",
  AUDITSHIP_CONFIG_READ: "The configuration file cannot be read.",
  AUDITSHIP_CONFIG_SYNTAX: "The configuration is not valid YAML.",
  AUDITSHIP_CONFIG_KEY: "The configuration has an unknown key.",
  AUDITSHIP_CONFIG_VALUE: "A value in the configuration is not one that its key accepts.",
  AUDITSHIP_CONFIG_ENV: "The configuration names an environment variable that is not set and has no default.",
  AUDITSHIP_PLUGIN_LOAD: "A plugin cannot be loaded, or is not what the configuration uses it as.",
  AUDITSHIP_RULE_READ: "A rules file or directory cannot be read.",
  AUDITSHIP_RULE_SYNTAX: "A rule's condition, or the file it stands in, has a syntax error.",
  AUDITSHIP_RULE_REFERENCE: "A rule refers to a macro, list or alias that does not exist, or to itself.",
  AUDITSHIP_RULE_INVALID: "A rule lacks something that it needs, or has a value that is not allowed.",
  AUDITSHIP_SOURCE_PATH: "A source's path does not name exactly one audit log.",
  AUDITSHIP_SOURCE_READ: "An audit file cannot be read.",
  AUDITSHIP_SOURCE_PIN: "Audit files cannot be pinned where the configuration says.",
  AUDITSHIP_SOURCE_SPOOL: "A webhook source cannot keep what is posted to it.",
  AUDITSHIP_KUBERNETES: "The cluster's API server cannot be found in a kubeconfig.",
  AUDITSHIP_STATE_LOCKED: "Another agent uses the state directory.",
  AUDITSHIP_STATE_FORMAT: "A state file is damaged or was written by a newer version.",
  AUDITSHIP_STATE_WRITE: "The state directory cannot be written.",
  AUDITSHIP_STATUS: "The agent that holds a state directory cannot be asked how it does.",
  AUDITSHIP_SINK_FAILED: "A sink could not deliver.",
  AUDITSHIP_DEAD_LETTERS: "The dead letters cannot be read or written.",
  AUDITSHIP_SETUP: "A sink's far end could not be set up.",
  AUDITSHIP_RETENTION: "Events older than a sink's retention could not be deleted.",
  AUDITSHIP_VERIFY:
    "The two scanners read a line differently (checked only with AUDITSHIP_VERIFY=1 in the environment).",
  AUDITSHIP_INPUT: "An input file of a command cannot be read.",
  AUDITSHIP_OUTPUT: "The output of a command cannot be written.",
} as const;

export type ErrorCode = keyof typeof ERRORS;

/** Where an error lies. Lines and columns count from 1. */
export interface Place {
  file?: string;
  line?: number;
  column?: number;
}

/** `file:3:7`, as far as it is known. */
export const placeText = ({ file, line, column }: Place): string =>
  [file, line, column].filter((part) => part !== undefined).join(":");

/** An error that a user is meant to read: `file:line:column: what. What to do.` */
export class AuditshipError extends Error {
  readonly code: ErrorCode;
  readonly place: Place;

  constructor(code: ErrorCode, message: string, place: Place = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = "AuditshipError";
    this.code = code;
    this.place = place;
  }

  /** One line: `file:3:7: message (CODE)`. */
  line(): string {
    const where = placeText(this.place);
    return `${where ? `${where}: ` : ""}${this.message} (${this.code})`;
  }
}
