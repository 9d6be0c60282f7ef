import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { mappings } from "../../plugins/sinks/elasticsearch/template.js";
import elasticsearch from "../../plugins/sinks/elasticsearch.js";
import { createHttp } from "../../src/delivery/http.js";
import { quietHost } from "../support/far-end.js";
import { testHost } from "./support.js";

type Json = Record<string, unknown>;

interface Server {
  url: string;
  /** What lies under each path that can be put to. */
  stored: Map<string, Json>;
  puts: string[];
}

/** The administrative side of a server, as Elasticsearch and OpenSearch document it. Paths in `missing` have no handler. */
async function server(distribution: "elasticsearch" | "opensearch", missing: RegExp = /^$/): Promise<Server> {
  const stored = new Map<string, Json>();
  const puts: string[] = [];
  const http = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const [path] = request.url!.split("?");
    const name = path.split("/").at(-1)!;
    const answer = (status: number, body: object) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    if (missing.test(path)) return answer(400, { error: `no handler found for uri [${path}]`, status: 400 });
    if (path === "/")
      return answer(200, { version: distribution === "opensearch" ? { distribution } : { number: "8" } });
    if (request.method === "PUT") {
      puts.push(request.url!);
      stored.set(path, JSON.parse(Buffer.concat(chunks).toString()));
      return answer(200, { acknowledged: true });
    }
    const found = stored.get(path);
    if (!found) return answer(404, { error: { type: "resource_not_found_exception" }, status: 404 });
    if (path.startsWith("/_ilm")) return answer(200, { [name]: { version: 1, ...found } });
    if (path.startsWith("/_plugins")) return answer(200, { _id: name, _seq_no: 7, _primary_term: 1, ...found });
    return answer(200, { index_templates: [{ name, index_template: found }] });
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    http.closeAllConnections();
    http.close();
  });
  return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, stored, puts };
}

async function setup(url: string, options: object = {}): Promise<string[]> {
  const host = testHost({
    http: (httpOptions) => {
      const http = createHttp(httpOptions, quietHost("sink"));
      onTestFinished(() => http.close());
      return http;
    },
  });
  const sink = await elasticsearch.create(elasticsearch.options(z).parse({ urls: [url], ...options }), host);
  return sink.setup!(new AbortController().signal);
}

const TEMPLATE = "/_index_template/auditship-audit";
const ILM = "/_ilm/policy/auditship-audit";
const ISM = "/_plugins/_ism/policies/auditship-audit";

describe("setup on Elasticsearch", () => {
  test("makes a policy that keeps the last event of a day as long as configured, and a template that uses it", async () => {
    const { url, stored } = await server("elasticsearch");
    expect(await setup(url, { retention: "7d" })).toEqual([
      "lifecycle policy auditship-audit: indices are deleted 192 h after their creation",
      "index template auditship-audit (audit-*): version 1, made",
    ]);
    expect(stored.get(ILM)).toEqual({
      policy: {
        phases: { hot: { min_age: "0ms", actions: {} }, delete: { min_age: "192h", actions: { delete: {} } } },
        _meta: { managed_by: "auditship", version: 1 },
      },
    });
    expect(stored.get(TEMPLATE)).toMatchObject({
      index_patterns: ["audit-*"],
      template: {
        settings: { index: { lifecycle: { name: "auditship-audit" } } },
        mappings: { dynamic: false, properties: { requestObject: { type: "flattened", ignore_above: 8191 } } },
      },
      _meta: { managed_by: "auditship" },
    });
  });

  test("run again changes nothing", async () => {
    const { url, stored } = await server("elasticsearch");
    await setup(url);
    const before = JSON.stringify([...stored]);
    expect(await setup(url)).toContain("index template auditship-audit (audit-*): version 1, was there");
    expect(JSON.stringify([...stored])).toBe(before);
  });

  test("does without a policy where the server has none, and says so", async () => {
    const { url, stored } = await server("elasticsearch", /_ilm/);
    expect((await setup(url))[0]).toBe(
      "lifecycle: none; this server has no ILM (400). Delete old indices by other means",
    );
    expect(JSON.stringify(stored.get(TEMPLATE))).not.toContain("lifecycle");
  });

  test("never deletes a fixed index, nor anything with retention none", async () => {
    const { url, stored } = await server("elasticsearch");
    expect((await setup(url, { index: "audit" }))[0]).toContain("only an index per day ({date}) can be deleted by age");
    expect((await setup(url, { retention: "none" }))[0]).toBe("lifecycle: none (retention: none)");
    expect([...stored.keys()]).toEqual([TEMPLATE]);
  });

  test.each([
    [TEMPLATE, { index_patterns: ["audit-*"] }],
    [TEMPLATE, { index_patterns: ["audit-*"], _meta: { managed_by: "fleet" } }],
    [ILM, { policy: { phases: {} } }],
  ])("leaves %s alone where somebody else made it", async (path, theirs) => {
    const { url, stored, puts } = await server("elasticsearch");
    stored.set(path, theirs);
    await expect(setup(url)).rejects.toMatchObject({ code: "AUDITSHIP_SETUP" });
    expect(stored.get(path)).toBe(theirs);
    expect(puts).not.toContain(path);
  });

  test("brings its own older template up to date, and leaves a newer one alone", async () => {
    const { url, stored } = await server("elasticsearch");
    const made = (version: number) => ({ _meta: { managed_by: "auditship", version }, template: {} });
    stored.set(TEMPLATE, made(0));
    expect((await setup(url))[1]).toContain("version 1, updated");
    stored.set(TEMPLATE, made(2));
    expect((await setup(url))[1]).toContain("left alone");
    expect(stored.get(TEMPLATE)).toEqual(made(2));
  });
});

describe("setup on OpenSearch", () => {
  test("makes an ISM policy and a template with flat_object, which knows no ignore_above", async () => {
    const { url, stored } = await server("opensearch");
    expect(await setup(url, { retention: "24h" })).toHaveLength(2);
    expect(stored.get(ISM)).toMatchObject({
      policy: {
        default_state: "kept",
        states: [{ transitions: [{ conditions: { min_index_age: "48h" } }] }, { actions: [{ delete: {} }] }],
        ism_template: [{ index_patterns: ["audit-*"] }],
      },
    });
    expect(stored.get(TEMPLATE)).toMatchObject({
      template: { mappings: { properties: { requestObject: { type: "flat_object" } } } },
    });
    expect(JSON.stringify(stored.get(TEMPLATE))).not.toContain("lifecycle");
  });

  test("updates its own policy by sequence number, and only when it differs", async () => {
    const { url, puts } = await server("opensearch");
    await setup(url, { retention: "1d" });
    await setup(url, { retention: "1d" });
    await setup(url, { retention: "2d" });
    expect(puts.filter((path) => path.startsWith(ISM))).toEqual([ISM, `${ISM}?if_seq_no=7&if_primary_term=1`]);
  });

  test("leaves a policy alone that somebody else made", async () => {
    const { url, stored } = await server("opensearch");
    const theirs = { policy: { description: "ours" } };
    stored.set(ISM, theirs);
    await expect(setup(url)).rejects.toMatchObject({ code: "AUDITSHIP_SETUP" });
    expect(stored.get(ISM)).toBe(theirs);
  });

  test("does without a policy where the server has no ISM", async () => {
    const { url } = await server("opensearch", /_ism/);
    expect((await setup(url))[0]).toContain("this server has no ISM (400)");
  });
});

test("setup without the rights for it says which are missing", async () => {
  const http = createServer((_, response) => response.writeHead(403, { "content-type": "application/json" }).end("{}"));
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void http.close());
  const failing = setup(`http://127.0.0.1:${(http.address() as AddressInfo).port}`);
  await expect(failing).rejects.toThrow("Setup needs the rights to manage index templates and policies");
});

test.each(["elasticsearch", "opensearch"] as const)("the mapping for %s has fewer than 200 fields", (distribution) => {
  const count = (node: object): number =>
    Object.values(node).reduce((sum, value) => sum + 1 + count((value as { properties?: object }).properties ?? {}), 0);
  const fields = count((mappings(distribution) as { properties: object }).properties);
  expect(fields).toBeGreaterThan(50);
  expect(fields).toBeLessThan(200);
});
