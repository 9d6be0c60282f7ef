/** Base URL of a real Elasticsearch or OpenSearch, with credentials of its user if it needs them. */
export const SEARCH_SERVER = process.env.AUDITSHIP_TEST_ELASTICSEARCH;

/** The server's address and user, as a sink's options. */
export function sinkOptions(): { urls: string[]; auth?: { username: string; password: string } } {
  const { origin, username, password } = new URL(SEARCH_SERVER!);
  if (!username) return { urls: [origin] };
  return { urls: [origin], auth: { username: decodeURIComponent(username), password: decodeURIComponent(password) } };
}

/** What the server answers, whatever its status. */
export async function askText(method: string, path: string, body?: object): Promise<string> {
  const { urls, auth } = sinkOptions();
  const authorization = auth && `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString("base64")}`;
  const headers = { "content-type": "application/json", ...(authorization && { authorization }) };
  const answer = await fetch(urls[0] + path, { method, headers, body: body && JSON.stringify(body) });
  return answer.text();
}

export async function ask<Answer>(method: string, path: string, body?: object): Promise<Answer> {
  return JSON.parse(await askText(method, path, body)) as Answer;
}

/** How many documents an index holds; 0 as long as there is none. */
export async function countDocuments(index: string): Promise<number> {
  await ask("POST", `/${index}/_refresh?ignore_unavailable=true`);
  const { count } = await ask<{ count: number }>("GET", `/${index}/_count?ignore_unavailable=true`);
  return count;
}

/** All documents of an index, as the server's answers of some hundred each. */
export async function* pages(index: string): AsyncGenerator<string> {
  await ask("POST", `/${index}/_refresh`);
  let text = await askText("POST", `/${index}/_search?scroll=1m`, { size: 200, sort: ["_doc"] });
  for (;;) {
    const { _scroll_id, hits } = JSON.parse(text) as { _scroll_id: string; hits: { hits: unknown[] } };
    if (hits.hits.length === 0) {
      await ask("DELETE", "/_search/scroll", { scroll_id: _scroll_id });
      return;
    }
    yield text;
    text = await askText("POST", "/_search/scroll", { scroll: "1m", scroll_id: _scroll_id });
  }
}
