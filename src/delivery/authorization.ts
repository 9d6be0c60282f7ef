import type { HttpOptions } from "../plugin/index.js";
import { FreshFile } from "../plugin/index.js";

type Auth = NonNullable<HttpOptions["auth"]>;

/** Gives the `Authorization` header of the next request; undefined if none is configured. Files are read again when they change. */
export function createAuthorization(auth: Auth | undefined, resolve: (path: string) => string) {
  const secret = (value: string | undefined, file: string | undefined, what: string) => {
    if (value !== undefined) return async () => value;
    if (file === undefined) return undefined;
    const fresh = new FreshFile(resolve(file), what);
    return () => fresh.text();
  };
  const password = secret(auth?.password, auth?.passwordFile, "auth.passwordFile");
  const token = secret(auth?.token, auth?.tokenFile, "auth.tokenFile");
  const apiKey = secret(auth?.apiKey, auth?.apiKeyFile, "auth.apiKeyFile");

  return async (): Promise<string | undefined> => {
    if (password) return `Basic ${Buffer.from(`${auth?.username}:${await password()}`).toString("base64")}`;
    if (token) return `Bearer ${await token()}`;
    if (apiKey) return `ApiKey ${await apiKey()}`;
    return undefined;
  };
}
