/** Options that every HTTP sink takes, as the configuration spells them. */
export interface HttpOptions {
  /** Base URLs; tried in turn when one does not answer. */
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
  tls?: { caFile?: string; certFile?: string; keyFile?: string; insecureSkipVerify?: boolean; serverName?: string };
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
}

export interface HttpAnswer {
  status: number;
  headers: Readonly<Record<string, string>>;
  /** At most 1 MiB of the answer (more is cut, `truncated` says so). */
  body: Uint8Array;
  truncated: boolean;
  /** The endpoint that answered. */
  url: string;
}

/** Never throws for a status; throws an Error with a readable message if no endpoint answered. Redirects are not followed. */
export interface HttpClient {
  request(request: HttpRequest): Promise<HttpAnswer>;
  /** The same to every endpoint (Alertmanager peers): one result each, in order. */
  requestAll(request: HttpRequest): Promise<PromiseSettledResult<HttpAnswer>[]>;
}
