/**
 * The first value of a parameter in a request's URI; undefined if it has none or cannot be parsed. Go's `url.Parse` and
 * `url.ParseQuery` (1.23), whose first error spoils the whole query.
 */
export function queryParameter(uri: string, name: string): string | undefined {
  const query = queryOf(uri);
  if (query === undefined) return undefined;
  let value: string | undefined;
  for (const part of query.split("&")) {
    if (part.includes(";")) return undefined;
    if (part === "") continue;
    const equals = part.indexOf("=");
    const key = unescape(equals < 0 ? part : part.slice(0, equals));
    const text = unescape(equals < 0 ? "" : part.slice(equals + 1));
    if (key === undefined || text === undefined) return undefined;
    if (key === name) value ??= text;
  }
  return value;
}

/** What stands behind the ?; undefined if the URI is none. */
function queryOf(uri: string): string | undefined {
  if (/[\0-\x1f\x7f]/.test(uri)) return undefined;
  const [, before, fragment = ""] = /^([^#]*)#?([^]*)$/.exec(uri) as RegExpExecArray;
  if (!escapesAreValid(fragment) || before.startsWith(":")) return undefined;
  const scheme = /^[a-zA-Z][a-zA-Z0-9+.-]*:/.exec(before)?.[0] ?? "";
  const [, path, query = ""] = /^([^?]*)\??([^]*)$/.exec(before.slice(scheme.length)) as RegExpExecArray;
  if (!path.startsWith("/")) {
    // "mailto:x" is opaque: not looked at any further.
    if (scheme !== "") return query;
    if (path.split("/", 1)[0].includes(":")) return undefined;
  }
  const [, authority = "", rest = path] = /^\/\/(?!\/)([^/]*)([^]*)$/.exec(path) ?? [];
  return escapesAreValid(rest) && isAuthority(authority) ? query : undefined;
}

function escapesAreValid(text: string): boolean {
  return !/%(?![0-9a-fA-F]{2})/.test(text);
}

/** `user:password@host:port`, roughly: what a request to kube-apiserver never has. */
function isAuthority(authority: string): boolean {
  return /^(?:[\w.~!$&'()*+,;=:%-]*@)?(?:\[[^\]%]*\]|[\w.~!$&'()*+,;="<>-]|[\x80-\uffff]|%(?:25|[89a-fA-F][0-9a-fA-F]))*(?::\d*)?$/.test(
    authority,
  );
}

/** + is a blank, %XX a byte; undefined if a % is followed by anything else. */
function unescape(text: string): string | undefined {
  if (!escapesAreValid(text)) return undefined;
  const plain = text.replaceAll("+", " ");
  if (!plain.includes("%")) return plain;
  const bytes = plain.replace(/(?:%[0-9a-fA-F]{2})+/g, (run) => Buffer.from(run.replaceAll("%", ""), "hex").toString());
  return bytes;
}
