import type { z } from "zod";
import { AuditshipError } from "../plugin/error.js";
import { nearest } from "../plugin/nearest.js";
import type { Path, PlacedDocument } from "./document.js";
import { keysAt } from "./shape.js";

/** One or more errors of a configuration, each with its place; {@link line} gives a line to each. */
export class ConfigError extends AuditshipError {
  readonly errors: readonly AuditshipError[];

  constructor(errors: readonly AuditshipError[]) {
    super(errors[0].code, errors[0].message, errors[0].place);
    this.name = "ConfigError";
    this.errors = errors;
  }

  override line(): string {
    return this.errors.map((error) => error.line()).join("\n");
  }
}

/**
 * What zod found, in words, at the place where it stands. `path` leads from the top of the document to the value that was
 * checked; `schema` knows the keys to suggest. Never quotes a value: it may be a secret.
 */
export function describeIssue(
  issue: z.core.$ZodIssue,
  document: PlacedDocument,
  path: Path,
  schema: z.core.$ZodType,
): AuditshipError[] {
  const at = [...path, ...issue.path];
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(schema, issue.path);
    return issue.keys.map((key) => unknownKey(key, at, known, document));
  }
  if (!document.has(at)) {
    return [new AuditshipError("AUDITSHIP_CONFIG_VALUE", `${dotted(at)} is missing.`, document.keyPlace(at))];
  }
  return [
    new AuditshipError("AUDITSHIP_CONFIG_VALUE", `${dotted(at) || "the whole"}: ${reason(issue)}.`, document.place(at)),
  ];
}

/** `sinks.archive.urls[0]`. */
export function dotted(path: Path): string {
  return path.reduce<string>(
    (text, step) => (typeof step === "number" ? `${text}[${step}]` : text ? `${text}.${String(step)}` : String(step)),
    "",
  );
}

/** ` Did you mean "select"?`, or nothing. */
export function suggestion(name: string, known: Iterable<string>): string {
  const meant = nearest(name, known);
  return meant ? ` Did you mean "${meant}"?` : "";
}

function unknownKey(key: string, at: Path, known: string[], document: PlacedDocument): AuditshipError {
  const where = at.length ? ` in ${dotted(at)}` : "";
  const help = suggestion(key, known) || (known.length ? ` Known are ${[...new Set(known)].sort().join(", ")}.` : "");
  return new AuditshipError(
    "AUDITSHIP_CONFIG_KEY",
    `unknown key "${key}"${where}.${help}`,
    document.keyPlace([...at, key]),
  );
}

function reason(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_union" && issue.errors.length) {
    return [...new Set(issue.errors.flat().map(reason))].join("; or ");
  }
  if (issue.code === "invalid_key")
    return "a name has letters, digits, '_', '.' and '-', and begins with a letter or digit";
  return issue.message.replace(/^Invalid (?:input|option|string): |^Too \w+: /, "").replace(/\.$/, "");
}
