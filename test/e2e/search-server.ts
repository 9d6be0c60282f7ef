/** A real Elasticsearch or OpenSearch. */
export class SearchServer {
  /**
   * @param name for titles of tests
   * @param url base URL, with credentials of its user if it needs them; undefined if the environment names none
   */
  constructor(
    readonly name: string,
    readonly url: string | undefined,
  ) {}

  /** The server's address and user, as a sink's options. */
  sinkOptions(): { urls: string[]; auth?: { username: string; password: string } } {
    const { origin, username, password } = new URL(this.url!);
    if (!username) return { urls: [origin] };
    return { urls: [origin], auth: { username: decodeURIComponent(username), password: decodeURIComponent(password) } };
  }

  /** What the server answers, whatever its status. */
  async askText(method: string, path: string, body?: object): Promise<string> {
    const { urls, auth } = this.sinkOptions();
    const authorization = auth && `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString("base64")}`;
    const headers = { "content-type": "application/json", ...(authorization && { authorization }) };
    const answer = await fetch(urls[0] + path, { method, headers, body: body && JSON.stringify(body) });
    return answer.text();
  }

  async ask<Answer>(method: string, path: string, body?: object): Promise<Answer> {
    return JSON.parse(await this.askText(method, path, body)) as Answer;
  }

  /** How many documents an index holds; 0 as long as there is none. */
  async countDocuments(index: string): Promise<number> {
    await this.ask("POST", `/${index}/_refresh?ignore_unavailable=true`);
    const { count } = await this.ask<{ count: number }>("GET", `/${index}/_count?ignore_unavailable=true`);
    return count;
  }

  /** All documents of an index, as the server's answers of a thousand each. */
  async *pages(index: string): AsyncGenerator<string> {
    await this.ask("POST", `/${index}/_refresh`);
    let text = await this.askText("POST", `/${index}/_search?scroll=1m`, { size: 1000, sort: ["_doc"] });
    for (;;) {
      const { _scroll_id, hits } = JSON.parse(text) as { _scroll_id: string; hits: { hits: unknown[] } };
      if (hits.hits.length === 0) {
        await this.ask("DELETE", "/_search/scroll", { scroll_id: _scroll_id });
        return;
      }
      yield text;
      text = await this.askText("POST", "/_search/scroll", { scroll: "1m", scroll_id: _scroll_id });
    }
  }
}

/** The servers that the environment names, or not: tests of one without an address are skipped. */
export const SEARCH_SERVERS: readonly SearchServer[] = [
  new SearchServer("Elasticsearch 8", process.env.AUDITSHIP_TEST_ELASTICSEARCH),
  new SearchServer("Elasticsearch 9", process.env.AUDITSHIP_TEST_ELASTICSEARCH_9),
  new SearchServer("OpenSearch 3", process.env.AUDITSHIP_TEST_OPENSEARCH),
  new SearchServer("OpenSearch 2", process.env.AUDITSHIP_TEST_OPENSEARCH_2),
];

/** For tests that need but one. */
export const [ELASTICSEARCH] = SEARCH_SERVERS;
