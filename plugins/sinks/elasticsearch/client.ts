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
import type { ServerError } from "./answer.js";

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

/** A cluster's list of all indices of a pattern, with their aliases, is not small. */
const MAX_ANSWER = 64 * 1024 ** 2;

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
      if (answer.truncated) throw new Error(`the answer is longer than ${MAX_ANSWER >> 20} MiB`);
      const { "content-encoding": _encoding, ...answerHeaders } = answer.headers;
      return { statusCode: answer.status, headers: answerHeaders, body: Buffer.from(answer.body).toString("utf8") };
    }

    /** The connections are the host's, which closes them. */
    override async close(): Promise<void> {}
  };
}

/** Status and error of an answer that is an error; undefined for anything else. */
export function answerOf(cause: unknown): { status: number; error: ServerError } | undefined {
  if (!(cause instanceof errors.ResponseError)) return undefined;
  const body = cause.body as { error?: ServerError | string } | string | undefined;
  const error = typeof body === "object" && typeof body?.error === "object" ? body.error : {};
  // Not `cause.statusCode`: that believes a `status` in the body more than the answer's own.
  return { status: cause.meta.statusCode ?? 0, error };
}
