import type { Entry, ExceptionInfo } from "./collector.js";
import type { MarkedText } from "./marked-text.js";
import { LIST_OPERATORS } from "./operators.js";
import { problem } from "./problems.js";

/**
 * A condition followed by its rule's exceptions: `(condition) and not (field in (value, …)) and not ((a = x and b = y) or …)`.
 * Composed as text, as upstream does. Throws AuditshipError. Source: `build_rule_exception_infos` of `rule_loader_compiler.cpp`.
 */
export function withExceptions(condition: MarkedText, exceptions: readonly ExceptionInfo[]): MarkedText {
  if (exceptions.length === 0) return condition;
  const parts = exceptions.map(exceptionText).filter((text) => text !== "");
  const behind = `)${parts.map((text) => ` and not ${text}`).join("")}`;
  return condition.wrap("(", behind, () => exceptions[0].place);
}

function exceptionText(exception: ExceptionInfo): string {
  const { fields = "", comps = "", values } = exception;
  if (values.length === 0) return "";
  if (typeof fields === "string") {
    const texts = values.map((value) => {
      if (typeof value === "string") return quoted(value);
      throw invalid(exception, "has one field; its values are texts, not lists");
    });
    return `(${fields} ${String(comps)} (${texts.join(", ")}))`;
  }
  const rows = values.map((row) => {
    if (typeof row === "string" || row.length !== fields.length)
      throw invalid(exception, `has ${fields.length} fields; each of its values is a list of as many`);
    const checks = fields.map(
      (field, index) => ` ${String(field)} ${comps[index]} ${valueText(row[index], String(comps[index]))}`,
    );
    return `(${checks.join(" and ")})`;
  });
  return `(${rows.join(" or ")})`;
}

function valueText(value: Entry, operator: string): string {
  if (typeof value !== "string") return `(${value.map((item) => quoted(String(item))).join(", ")})`;
  if (LIST_OPERATORS.includes(operator) || operator.includes(" ")) return value.startsWith("(") ? value : `(${value})`;
  return quoted(value);
}

/** Adds quotes if the text contains a space and does not begin with a quote. */
export function quoted(text: string): string {
  return text.includes(" ") && !/^["']/.test(text) ? `"${text}"` : text;
}

function invalid({ name, place }: ExceptionInfo, what: string) {
  return problem("LOAD_ERR_VALIDATE", `The exception ${name} ${what}`, place);
}
