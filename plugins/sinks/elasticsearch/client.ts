import {
  BaseConnection,
  Client,
  type ConnectionRequestOptions,
  type ConnectionRequestParams,
  errors,
  Transport,
  type TransportOptions,
} from "@elastic/elasticsearch";
import type { HttpClient, HttpRequest } from "../../../src/plugin/index.js";

/** A bulk answer says at most some hundred bytes about a refused item. */
const MAX_ANSWER = 8 * 1024 ** 2;

/**
 * The official client over the host's HTTP client, which knows endpoints, credentials, certificates and bounds. Speaks
 * plain JSON: the one form that Elasticsearch 8, 9 and OpenSearch all take; for the same reason without the product check.
 */
export function createClient(http: HttpClient): Client {
  return new Client({
    node: "http://endpoints-of-the-host",
    Connection: connectionOver(http),
    Transport: PlainTransport as unknown as ClientOptions["Transport"],
    maxRetries: 0,
    enableMetaHeader: false,
  });
}

class PlainTransport extends Transport {
  constructor(options: TransportOptions) {
    super({
      ...options,
      productCheck: undefined,
      vendoredHeaders: {
        jsonContentType: "application/json",
        ndjsonContentType: "application/x-ndjson",
        accept: "application/json",
      },
    });
  }
}

/** The answer is longer than we read: there is no saying what became of the items. */
export class AnswerTooLong extends Error {}

type ClientOptions = ConstructorParameters<typeof Client>[0];

function connectionOver(http: HttpClient): ClientOptions["Connection"] {
  return class extends BaseConnection {
    // biome-ignore lint/suspicious/noExplicitAny: the base class overloads it for streams, which we never ask for.
    override async request(params: ConnectionRequestParams, options: ConnectionRequestOptions): Promise<any> {
      const { "user-agent": _, ...headers } = params.headers as Record<string, string>;
      const answer = await http.request({
        method: params.method as HttpRequest["method"],
        path: params.querystring ? `${params.path}?${params.querystring}` : params.path,
        headers,
        body: (params.body as string | Buffer | null) ?? undefined,
        signal: options.signal,
        maxAnswer: MAX_ANSWER,
      });
      if (answer.truncated) throw new AnswerTooLong("the answer is too long");
      const { "content-encoding": _encoding, ...answerHeaders } = answer.headers;
      return { statusCode: answer.status, headers: answerHeaders, body: Buffer.from(answer.body).toString("utf8") };
    }

    /** The connections are the host's, which closes them. */
    override async close(): Promise<void> {}
  };
}

/** What a server says of an error; only its machine words are fit for a reason, its sentences may quote values. */
export interface ServerError {
  type?: string;
  reason?: string;
}

/** Status, error and Retry-After of an answer that is an error; undefined for anything else. */
export function answerOf(cause: unknown): { status: number; error: ServerError; retryAfter?: string } | undefined {
  if (!(cause instanceof errors.ResponseError)) return undefined;
  const body = cause.body as { error?: ServerError | string } | string | undefined;
  const error = typeof body === "object" && typeof body?.error === "object" ? body.error : {};
  // Not `cause.statusCode`: that believes a `status` in the body more than the answer's own.
  const { statusCode: status = 0, headers } = cause.meta;
  return { status, error, retryAfter: headers?.["retry-after"] as string | undefined };
}

/** True if the answer could not be read as JSON, or claims to be something else. Its text is not to be shown. */
export const isNoJson = (cause: unknown): boolean => cause instanceof errors.DeserializationError;
