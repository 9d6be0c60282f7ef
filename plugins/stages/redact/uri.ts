import { CommandLine } from "./command.js";
import { isCredentialName } from "./credentials.js";
import { HARMLESS_PARAMETERS } from "./kept.js";
import { type Replace, scrubShapes, scrubShort } from "./text.js";

const HARMLESS = new Set(HARMLESS_PARAMETERS);

/**
 * The URI without its credentials: values of credential parameters, exec's command, secrets recognisable by their shape. Behind the
 * API server's proxy only the pod, service or node knows what a query means, so all of its values are hashed.
 * @param strict also hash the values of all parameters that are not the API server's own, including commands
 */
export function redactUri(uri: string, replace: Replace, strict = false): string {
  const question = uri.indexOf("?");
  if (question < 0) return scrubShapes(uri, replace);
  const parts = uri.slice(question + 1).split(/([&;])/);
  const parameters = parts.map((part, index) => (index % 2 === 0 ? parameter(part) : undefined));
  const command = new CommandLine(replace);
  const isProxied = PROXY.test(uri.slice(0, question));
  const query = parts.map((part, index) => {
    const each = parameters[index];
    if (each === undefined) return part;
    if (isProxied || (strict && !HARMLESS.has(each.name))) return proxied(part, each, replace);
    const clean = cleanValue(each, command, replace);
    return clean === each.value ? part : `${part.slice(0, each.rawName)}=${encode(clean)}`;
  });
  return `${scrubShapes(uri.slice(0, question), replace)}?${query.join("")}`;
}

const PROXY = /\/proxy(?:\/|$)/;

/** Replaces the value. A query without a name counts as a value, too. */
function proxied(part: string, { value, rawName }: Parameter, replace: Replace): string {
  if (rawName === part.length) return part === "" ? part : encode(replace(decode(part), "query"));
  return value === "" ? part : `${part.slice(0, rawName)}=${encode(replace(value, "query"))}`;
}

interface Parameter {
  name: string;
  value: string;
  /** Length of the name as written in the URI. */
  rawName: number;
}

function parameter(part: string): Parameter {
  const equals = part.indexOf("=");
  const rawName = equals < 0 ? part.length : equals;
  return { name: decode(part.slice(0, rawName)), value: decode(part.slice(rawName + 1)), rawName };
}

function cleanValue({ name, value }: Parameter, command: CommandLine, replace: Replace): string {
  if (name === "command") return command.next(value);
  if (HARMLESS.has(name)) return scrubShapes(value, replace);
  return value !== "" && isCredentialName(name) ? replace(value, "query") : scrubShort(value, replace);
}

/** Decodes like Go's url.ParseQuery: `+` is a space. Invalid encodings stay as they are. */
function decode(text: string): string {
  const spaced = text.replaceAll("+", " ");
  return spaced.replace(/(?:%[0-9a-f]{2})+/gi, (run) => Buffer.from(run.replaceAll("%", ""), "hex").toString("utf8"));
}

/** Like encodeURIComponent, but keeps a hash readable, and accepts lone surrogates. */
function encode(text: string): string {
  return encodeURIComponent(Buffer.from(text).toString()).replaceAll("%3A", ":");
}
