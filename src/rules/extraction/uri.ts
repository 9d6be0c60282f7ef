/**
 * The first value of a parameter in a request's URI; undefined if it has none or cannot be parsed. Parses like Go's `url.Parse` and
 * `url.ParseQuery` (1.23); the first error that these report spoils the whole query.
 */
export function queryParameter(uri: string, name: string): string | undefined {
  const query = queryOf(uri);
  if (query === undefined) return undefined;
  let value: string | undefined;
  for (const part of query.split("&")) {
    if (part.includes(";")) return undefined;
    if (part === "") continue;
    const equals = part.indexOf("=");
    const key = decode(equals < 0 ? part : part.slice(0, equals));
    const text = decode(equals < 0 ? "" : part.slice(equals + 1));
    if (key === undefined || text === undefined) return undefined;
    if (key === name) value ??= text;
  }
  return value;
}

/** The text after the ?; undefined if the URI is invalid. */
function queryOf(uri: string): string | undefined {
  if (hasControls(uri)) return undefined;
  const [, before, fragment = ""] = /^([^#]*)#?(.*)$/s.exec(uri) as RegExpExecArray;
  if (!escapesAreValid(fragment) || before.startsWith(":")) return undefined;
  const scheme = /^[a-zA-Z][a-zA-Z0-9+.-]*:/.exec(before)?.[0] ?? "";
  const [, path, query = ""] = /^([^?]*)\??(.*)$/s.exec(before.slice(scheme.length)) as RegExpExecArray;
  if (!path.startsWith("/")) {
    // "mailto:x" is opaque, and not parsed any further.
    if (scheme !== "") return query;
    if (path.split("/", 1)[0].includes(":")) return undefined;
  }
  const [, authority = "", rest = path] = /^\/\/(?!\/)([^/]*)(.*)$/s.exec(path) ?? [];
  return escapesAreValid(rest) && isAuthority(authority) ? query : undefined;
}

function hasControls(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 0x20 || text.charCodeAt(i) === 0x7f) return true;
  return false;
}

function escapesAreValid(text: string): boolean {
  return !/%(?![0-9a-fA-F]{2})/.test(text);
}

/** `user:password@host:port`, roughly: a request to kube-apiserver never has one. */
function isAuthority(authority: string): boolean {
  return /^(?:[\w.~!$&'()*+,;=:%-]*@)?(?:\[[^\]%]*\]|[\w.~!$&'()*+,;="<>-]|[\x80-\uffff]|%(?:25|[89a-fA-F][0-9a-fA-F]))*(?::\d*)?$/.test(
    authority,
  );
}

/** Decodes + as a space and %XX as a byte; undefined if a % is followed by anything else. */
function decode(text: string): string | undefined {
  if (!escapesAreValid(text)) return undefined;
  const plain = text.replaceAll("+", " ");
  if (!plain.includes("%")) return plain;
  const bytes = plain.replace(/(?:%[0-9a-fA-F]{2})+/g, (run) => Buffer.from(run.replaceAll("%", ""), "hex").toString());
  return bytes;
}
