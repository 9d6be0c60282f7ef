import type { HttpOptions } from "../plugin/index.js";
import { FreshFile } from "../plugin/index.js";

type Auth = NonNullable<HttpOptions["auth"]>;

/** Gives the `Authorization` header of the next request; undefined if none is configured. Files are read again when they change. */
export function createAuthorization(
  auth: Auth | undefined,
  resolve: (path: string) => string,
): () => string | undefined | Promise<string> {
  const headerOf = (value: string | undefined, file: string | undefined, what: string, write: Write) => {
    if (value !== undefined) {
      const header = write(value);
      return () => header;
    }
    if (file === undefined) return undefined;
    const fresh = new FreshFile(resolve(file), what);
    return async () => write(await fresh.text());
  };
  const basic = (password: string) => `Basic ${Buffer.from(`${auth?.username}:${password}`).toString("base64")}`;
  return (
    headerOf(auth?.password, auth?.passwordFile, "auth.passwordFile", basic) ??
    headerOf(auth?.token, auth?.tokenFile, "auth.tokenFile", (token) => `Bearer ${token}`) ??
    headerOf(auth?.apiKey, auth?.apiKeyFile, "auth.apiKeyFile", (key) => `ApiKey ${key}`) ??
    (() => undefined)
  );
}

/** A header from a secret. */
type Write = (secret: string) => string;
