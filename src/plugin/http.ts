import { X509Certificate } from "node:crypto";
import type { Zod } from "./host.js";
import { delay } from "./units.js";

/** Options that every HTTP sink takes, as the configuration spells them. */
export interface HttpOptions {
  /** Base URLs of equivalent servers: one that fails is left out for a while. */
  urls: string[];
  auth?: {
    username?: string;
    password?: string;
    passwordFile?: string;
    /** `Authorization: Bearer …`; the file is read again when it changes. */
    token?: string;
    tokenFile?: string;
    /** `Authorization: ApiKey …` (Elasticsearch). */
    apiKey?: string;
    apiKeyFile?: string;
  };
  tls?: {
    caFile?: string;
    caBundle?: string;
    certFile?: string;
    keyFile?: string;
    insecureSkipVerify?: boolean;
    serverName?: string;
  };
  headers?: Record<string, string>;
  /** Milliseconds for a whole request. */
  timeout?: number;
}

export interface HttpRequest {
  method: "GET" | "POST" | "PUT" | "DELETE" | "HEAD";
  /** Joined to the endpoint's URL; "" posts to the URL itself. */
  path: string;
  headers?: Record<string, string>;
  body?: Uint8Array | string;
  signal?: AbortSignal;
  /** True if any endpoint will do, so that load is spread; otherwise requests stay with one until it fails. */
  spread?: boolean;
  /** Most bytes of the answer that are read; default 1 MiB. 0: only the status counts, whatever happens to the body. */
  maxAnswer?: number;
}

export interface HttpAnswer {
  status: number;
  headers: Readonly<Record<string, string>>;
  /** The answer up to `maxAnswer` (more is cut, `truncated` says so). */
  body: Uint8Array;
  truncated: boolean;
  /** Scheme, host and port of the endpoint that answered: no path, which may hold a secret. */
  url: string;
}

/**
 * Never throws for a status; throws an Error with a readable message if no endpoint answered, of the name `TimeoutError` if none
 * did in time. Redirects are not followed.
 */
export interface HttpClient {
  request(request: HttpRequest): Promise<HttpAnswer>;
}

/**
 * The options of an HTTP sink as members of its zod schema: `zod.strictObject({ ...httpShape(zod), … })`. What comes out
 * fits {@link HttpOptions}.
 */
export const httpShape = (zod: Zod) => ({
  urls: zod
    .array(endpoint(zod))
    .min(1)
    .describe(
      "Base URLs of equivalent servers. One that cannot be reached, does not answer in time or answers 502, 503 or 504 is left out for a second to a minute, while others remain.",
    ),
  auth: zod
    .strictObject({
      username: zod.string().optional().describe("Basic authentication, with password or passwordFile."),
      password: zod.string().optional().describe("Its password; better kept in passwordFile."),
      passwordFile: zod.string().optional().describe("Read again when it changes, like all files here."),
      token: zod.string().optional().describe("Sent as Authorization: Bearer."),
      tokenFile: zod.string().optional().describe("File that holds the token."),
      apiKey: zod
        .string()
        .optional()
        .describe("Sent as Authorization: ApiKey (Elasticsearch); base64, as Elasticsearch returns it."),
      apiKeyFile: zod.string().optional().describe("File that holds the API key."),
    })
    .refine(isOneCredential, "expected one of username with a password, a token or an API key")
    .optional()
    .describe("Credentials; never logged."),
  tls: zod
    .strictObject({
      caFile: zod.string().optional().describe("CA certificates (PEM) to trust instead of the system's."),
      caBundle: caBundle(zod)
        .optional()
        .describe("The same inline, as in Kubernetes: PEM in base64; instead of caFile."),
      certFile: zod.string().optional().describe("Client certificate (PEM), with keyFile."),
      keyFile: zod.string().optional().describe("Its private key (PEM)."),
      serverName: zod
        .string()
        .optional()
        .describe("Name to expect in the server's certificate instead of the URL's host."),
      insecureSkipVerify: zod.boolean().optional().describe("Do not verify the server's certificate."),
    })
    .refine((tls) => !tls.certFile === !tls.keyFile, "certFile and keyFile go together")
    .refine((tls) => !tls.caFile || !tls.caBundle, "expected one of caFile and caBundle")
    .optional(),
  headers: zod.record(zod.string(), zod.string()).optional().describe("Further headers of every request."),
  timeout: delay(1).prefault("30s").describe("Longest time for a whole request, from connecting to its last byte."),
});

/** One `http://` or `https://` URL. Credentials in it are rejected, because they would end up in messages. */
export const endpoint = (zod: Zod) =>
  zod
    .string()
    .refine(isEndpoint, "expected an http:// or https:// URL without user and password (those go under auth)");

/** Certificates inline, as in Kubernetes. */
export const caBundle = (zod: Zod) => zod.string().refine(isCaBundle, "expected certificates (PEM) in base64");

function isEndpoint(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return /^https?:$/.test(protocol) && !username && !password;
}

function isCaBundle(bundle: string): boolean {
  try {
    new X509Certificate(Buffer.from(bundle, "base64"));
    return true;
  } catch {
    return false;
  }
}

function isOneCredential(auth: NonNullable<HttpOptions["auth"]>): boolean {
  const passwords = [auth.password, auth.passwordFile].filter((value) => value !== undefined).length;
  const others = [auth.token, auth.tokenFile, auth.apiKey, auth.apiKeyFile].filter(
    (value) => value !== undefined,
  ).length;
  return auth.username === undefined ? passwords === 0 && others === 1 : passwords === 1 && others === 0;
}
