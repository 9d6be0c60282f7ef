import { type EventView, Field, type RuleMatch } from "../../../src/plugin/index.js";
import { type Severity, severityOf } from "../severity.js";

const COLOURS: Record<Severity, string> = { info: "\x1b[36m", warning: "\x1b[33m", critical: "\x1b[31m" };
const BOLD = "\x1b[1m";
const DIM = "\x1b[2m";
const RESET = "\x1b[0m";

/** Longest message and longest other value, in characters. */
const MESSAGE_LENGTH = 400;
const VALUE_LENGTH = 120;

/** What a terminal would obey or not show: controls, direction marks, line separators, zero widths, lone surrogates. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu;

/**
 * An event for people: `time PRIORITY rule: message — user verb resource namespace/name → code (+ other rules)`. What a client
 * wrote cannot move the cursor, break the line or fill the screen.
 */
export function formatLine(event: EventView, colour: boolean): string {
  const invalid = event.batch.invalid(event.row);
  if (invalid) return `${time(event)} invalid line (${invalid.reason}), ${invalid.length} bytes`;
  const paint = (code: string, text: string) => (colour && text ? `${code}${text}${RESET}` : text);
  const [first, ...others] = gravestFirst(event.matches());
  const parts = [paint(DIM, time(event))];
  if (first) parts.push(...finding(event, first, paint), "—");
  parts.push(act(event));
  if (others.length > 0) parts.push(paint(DIM, `(+ ${others.map((match) => safe(match.rule)).join(", ")})`));
  return parts.join(" ");
}

/** Shows `text` so that it is harmless on a terminal, and not longer than `length` characters. */
export function safe(text: string, length = VALUE_LENGTH): string {
  const cut = text.length > length ? `${text.slice(0, length)}…` : text;
  return cut.replace(UNSAFE, (character) => {
    const code = character.codePointAt(0)!;
    return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}

/** The alerting matches, or all where none alerts. */
function gravestFirst(matches: readonly RuleMatch[]): RuleMatch[] {
  const alerting = matches.filter((match) => match.actions.includes("alerting"));
  return (alerting.length > 0 ? alerting : [...matches]).sort((a, b) => b.rank - a.rank);
}

function time(event: EventView): string {
  const milliseconds = event.timeMs();
  return Number.isFinite(milliseconds) ? new Date(milliseconds).toISOString() : "-";
}

function finding(event: EventView, match: RuleMatch, paint: (code: string, text: string) => string): string[] {
  const priority = safe(match.priority).toUpperCase().padEnd(7);
  return [
    paint(COLOURS[severityOf(match.rank)], priority),
    `${paint(BOLD, safe(match.rule))}:`,
    safe(match.message(event), MESSAGE_LENGTH),
  ];
}

/** Who did what: `alice get secrets shop/db → 200`. */
function act(event: EventView): string {
  const text = (field: Field) => safe(event.text(field) ?? "");
  const impersonated = text(Field.impersonatedUserUsername);
  const resource = joined("/", text(Field.objectRefResource), text(Field.objectRefSubresource));
  const object = joined("/", text(Field.objectRefNamespace), text(Field.objectRefName));
  const code = text(Field.responseStatusCode);
  return joined(
    " ",
    text(Field.userUsername) || "(nobody)",
    impersonated && `as ${impersonated}`,
    text(Field.verb),
    resource || text(Field.requestURI),
    object,
    code && `→ ${code}`,
  );
}

const joined = (separator: string, ...parts: string[]): string => parts.filter(Boolean).join(separator);
