import { CommandLine } from "./command.js";
import { isCredentialName } from "./credentials.js";
import { HARMLESS_PARAMETERS } from "./kept.js";
import { type Replace, scrubShapes, scrubShort } from "./text.js";

const HARMLESS = new Set(HARMLESS_PARAMETERS);

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
  if (HARMLESS.has(name)) return scrubShapes(value, replace);
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
