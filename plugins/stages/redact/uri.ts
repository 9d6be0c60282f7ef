import { CommandLine } from "./command.js";
import { isCredentialName } from "./credentials.js";
import { Names } from "./names.js";
import { type Replace, scrubShapes, scrubShort } from "./text.js";

/** Query parameters of the API server whose values are no secrets. */
const HARMLESS = new Names(
  new Map(
    [
      "allowWatchBookmarks",
      "container",
      "continue",
      "dryRun",
      "fieldManager",
      "fieldSelector",
      "fieldValidation",
      "follow",
      "force",
      "gracePeriodSeconds",
      "includeObject",
      "labelSelector",
      "limit",
      "limitBytes",
      "orphanDependents",
      "pretty",
      "previous",
      "propagationPolicy",
      "resourceVersion",
      "resourceVersionMatch",
      "sendInitialEvents",
      "sinceSeconds",
      "stderr",
      "stdin",
      "stdout",
      "tailLines",
      "timeout",
      "timeoutSeconds",
      "timestamps",
      "tty",
      "watch",
    ].map((name) => [name, 1] as const),
  ),
);

const AMPERSAND = 0x26;
const PERCENT = 0x25;
const SEMICOLON = 0x3b;
const BACKSLASH = 0x5c;
const EQUALS = 0x3d;
const PLUS = 0x2b;
const AT = 0x40;
/** `&` as Go's encoder writes it. */
const ESCAPED_AMPERSAND = new Names(new Map([["\\u0026", 1]]));

/** Encoded bytes that no secret is known by: `, = : / ! ( )`. */
const HARMLESS_CODES = new Names(new Map(["2C", "3D", "3A", "2F", "21", "28", "29"].map((code) => [code, 1] as const)));

/**
 * Whether the query [start, end) of a URI, from its question mark on, as it stands in a JSON string, consists of harmless
 * parameters with nothing encoded in them that matters, so that {@link redactUri} would find nothing that is not seen in
 * the bytes themselves. No allocation.
 */
export function isHarmlessQuery(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    const name = ++at;
    while (at < end && bytes[at] !== EQUALS && bytes[at] !== AMPERSAND && bytes[at] !== BACKSLASH) at++;
    if (HARMLESS.find(bytes, name, at) === 0) return false;
    at = harmlessValueEnd(bytes, at, end);
    if (at < 0) return false;
  }
  return true;
}

/** 1 for bytes that stand for themselves in a value. */
const IS_PLAIN = new Uint8Array(256).fill(1);
for (const byte of [AMPERSAND, BACKSLASH, PERCENT, PLUS, SEMICOLON, AT]) IS_PLAIN[byte] = 0;

/** The last byte of the `&` that ends the value, or `end`; -1 if the value is to be looked at. */
function harmlessValueEnd(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    if (IS_PLAIN[bytes[at]] === 1) continue;
    switch (bytes[at]) {
      case AMPERSAND:
        return at;
      case BACKSLASH:
        return ESCAPED_AMPERSAND.find(bytes, at, at + 6) === 0 ? -1 : at + 5;
      case PERCENT:
        if (HARMLESS_CODES.find(bytes, at + 1, at + 3) === 0) return -1;
        break;
      case PLUS:
      case SEMICOLON:
      case AT:
        return -1;
    }
  }
  return end;
}

/**
 * The URI without the credentials in it: values of credential parameters, exec's command, secrets known by their shape. What
 * is asked of a pod, service or node behind the API server's proxy is theirs to understand: all values of its query go.
 * @param strict hashes the values of all parameters that are not the API server's own, commands included
 */
export function redactUri(uri: string, replace: Replace, strict = false): string {
  const question = uri.indexOf("?");
  if (question < 0) return scrubShapes(uri, replace);
  const parts = uri.slice(question + 1).split(/([&;])/);
  const parameters = parts.map((part, index) => (index % 2 === 0 ? parameter(part) : undefined));
  const words = parameters.filter((each) => each?.name === "command").map((each) => each!.value);
  const command = new CommandLine(words, replace);
  const isProxied = PROXY.test(uri.slice(0, question));
  const query = parts.map((part, index) => {
    const each = parameters[index];
    if (each === undefined) return part;
    if (isProxied || (strict && HARMLESS.get(each.name) === 0)) return proxied(part, each, replace);
    const clean = cleanValue(each, command, replace);
    return clean === each.value ? part : `${part.slice(0, each.rawName)}=${encode(clean)}`;
  });
  return `${scrubShapes(uri.slice(0, question), replace)}?${query.join("")}`;
}

const PROXY = /\/proxy(?:\/|$)/;

/** A query without a name is a value, too. */
function proxied(part: string, { value, rawName }: Parameter, replace: Replace): string {
  if (rawName === part.length) return part === "" ? part : encode(replace(decode(part), "query"));
  return value === "" ? part : `${part.slice(0, rawName)}=${encode(replace(value, "query"))}`;
}

interface Parameter {
  name: string;
  value: string;
  /** Length of the name as it stands in the URI. */
  rawName: number;
}

function parameter(part: string): Parameter {
  const equals = part.indexOf("=");
  const rawName = equals < 0 ? part.length : equals;
  return { name: decode(part.slice(0, rawName)), value: decode(part.slice(rawName + 1)), rawName };
}

function cleanValue({ name, value }: Parameter, command: CommandLine, replace: Replace): string {
  if (name === "command") return command.next(value);
  if (HARMLESS.get(name) !== 0) return scrubShapes(value, replace);
  return value !== "" && isCredentialName(name) ? replace(value, "query") : scrubShort(value, replace);
}

/** As Go's url.ParseQuery: `+` is a space; what is no valid encoding stays as it is. */
function decode(text: string): string {
  const spaced = text.replaceAll("+", " ");
  return spaced.replace(/(?:%[0-9a-f]{2})+/gi, (run) => Buffer.from(run.replaceAll("%", ""), "hex").toString("utf8"));
}

/** Like encodeURIComponent, but a hash stays readable and a lone surrogate is no error. */
function encode(text: string): string {
  return encodeURIComponent(Buffer.from(text).toString()).replaceAll("%3A", ":");
}
