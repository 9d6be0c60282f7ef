import { describe, expect, test } from "vitest";
import { mappings } from "../../plugins/sinks/elasticsearch/mappings.js";
import { preview } from "../../plugins/sinks/elasticsearch/preview.js";
import { setup as setUp } from "../../plugins/sinks/elasticsearch/setup.js";
import { adminServer } from "../support/admin-server.js";
import { serve } from "../support/serve.js";
import { elasticsearchAt, httpAt } from "./support.js";

const setup = (url: string, options: object = {}) => elasticsearchAt(url, options).setup!(new AbortController().signal);

const TEMPLATE = "/_index_template/auditship-audit-daily";
const ILM = "/_ilm/policy/auditship-audit-daily";
const ISM = "/_plugins/_ism/policies/auditship-audit-daily";

const DAYS = 86_400_000;
const STREAM = {
  target: { kind: "dataStream", name: "audit-prod", pattern: "audit-prod" },
  shape: "native",
  retention: 7 * DAYS,
} as const;

describe("setup on Elasticsearch", () => {
  test("makes a policy that keeps the last event of a day as long as configured, and a template that uses it", async () => {
    const { url, stored } = await adminServer("elasticsearch");
    expect(await setup(url, { retention: "7d" })).toEqual([
      "lifecycle policy auditship-audit-daily: indices are deleted 192 h after their creation",
      "index template auditship-audit-daily (audit-*): version 1, made",
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
        settings: { index: { lifecycle: { name: "auditship-audit-daily" } } },
        mappings: { dynamic: false, properties: { requestObject: { type: "flattened", ignore_above: 8191 } } },
      },
      _meta: { managed_by: "auditship" },
    });
    expect(stored.get(TEMPLATE)).not.toHaveProperty("data_stream");
  });

  test("of a data stream begins a new index each day, and counts the days from there", async () => {
    const { url, stored } = await adminServer("elasticsearch");
    expect(await setUp(httpAt(url), STREAM, new AbortController().signal)).toEqual([
      "lifecycle policy auditship-audit-prod: indices are deleted 168 h after their rollover",
      "index template auditship-audit-prod (audit-prod): version 1, made",
    ]);
    expect(stored.get("/_ilm/policy/auditship-audit-prod")).toMatchObject({
      policy: {
        phases: {
          hot: { actions: { rollover: { max_age: "1d", max_primary_shard_size: "50gb" } } },
          delete: { min_age: "168h" },
        },
      },
    });
    expect(stored.get("/_index_template/auditship-audit-prod")).toMatchObject({
      index_patterns: ["audit-prod"],
      data_stream: {},
    });
  });

  test("with retention none lets its own policy delete nothing more, of the indices that follow it too", async () => {
    const { url, stored } = await adminServer("elasticsearch");
    await setup(url, { retention: "7d" });
    expect((await setup(url, { retention: "none" }))[0]).toBe(
      "lifecycle policy auditship-audit-daily: deletes nothing any more (retention: none)",
    );
    expect(JSON.stringify(stored.get(ILM))).not.toContain("delete");
    expect(JSON.stringify(stored.get(TEMPLATE))).not.toContain("lifecycle");
    const theirs = { policy: { phases: {}, _meta: {} } };
    stored.set(ILM, theirs);
    expect((await setup(url, { retention: "none" }))[0]).toBe("lifecycle: none (retention: none)");
    expect(stored.get(ILM)).toBe(theirs);
  });

  test.each(["elasticsearch", "opensearch"] as const)(
    "of a data stream that is kept for ever rolls over on %s, and deletes nothing",
    async (kind) => {
      const { url, stored } = await adminServer(kind);
      const options = { ...STREAM, retention: undefined };
      expect((await setUp(httpAt(url), options, new AbortController().signal))[0]).toBe(
        "lifecycle policy auditship-audit-prod: no index is deleted",
      );
      const policies = [...stored].filter(([path]) => path.includes("/polic"));
      expect(policies).toHaveLength(1);
      expect(JSON.stringify(policies)).toContain('"rollover":');
      expect(JSON.stringify(policies)).not.toContain('"delete":');
    },
  );

  test("run again changes nothing", async () => {
    const { url, stored } = await adminServer("elasticsearch");
    await setup(url);
    const before = JSON.stringify([...stored]);
    expect(await setup(url)).toContain("index template auditship-audit-daily (audit-*): version 1, was there");
    expect(JSON.stringify([...stored])).toBe(before);
  });

  test("sets up two sinks of which one's indices fit the other's pattern too: the closer one counts", async () => {
    const { url, stored } = await adminServer("elasticsearch");
    await setup(url);
    await setup(url, { index: "audit-prod-{date}" });
    const priorities = [TEMPLATE, "/_index_template/auditship-audit-prod-daily"].map(
      (path) => stored.get(path)?.priority as number,
    );
    expect(priorities[1]).toBeGreaterThan(priorities[0]);
  });

  test("does without a policy where the server has none, and says what does the same", async () => {
    const { url, stored } = await adminServer("elasticsearch", { missing: /_ilm/ });
    expect((await setup(url))[0]).toBe(
      "lifecycle: none; this server has no ILM (400). Run auditship retention once a day",
    );
    expect(JSON.stringify(stored.get(TEMPLATE))).not.toContain("lifecycle");
  });

  test("never deletes an index of all days, nor anything with retention none", async () => {
    const { url, stored } = await adminServer("elasticsearch");
    expect((await setup(url, { index: "audit" }))[0]).toBe(
      "lifecycle: none (an index that holds all days cannot be deleted by age: name it by {date})",
    );
    expect((await setup(url, { retention: "none" }))[0]).toBe("lifecycle: none (retention: none)");
    expect([...stored.keys()]).toEqual(["/_index_template/auditship-audit", TEMPLATE]);
  });

  test.each([
    [TEMPLATE, { index_patterns: ["audit-*"] }],
    [TEMPLATE, { index_patterns: ["audit-*"], _meta: { managed_by: "fleet" } }],
    [ILM, { policy: { phases: {} } }],
  ])("leaves %s alone where somebody else made it", async (path, theirs) => {
    const { url, stored, changes } = await adminServer("elasticsearch");
    stored.set(path, theirs);
    await expect(setup(url)).rejects.toMatchObject({ code: "AUDITSHIP_SETUP" });
    expect(stored.get(path)).toBe(theirs);
    expect(changes).not.toContain(`PUT ${path}`);
  });

  test("brings its own older things up to date, and leaves newer ones alone", async () => {
    const { url, stored } = await adminServer("elasticsearch");
    const template = (version: number) => ({ _meta: { managed_by: "auditship", version }, template: {} });
    const policy = (version: number) => ({ policy: { _meta: { managed_by: "auditship", version } } });
    stored.set(TEMPLATE, template(0));
    stored.set(ILM, policy(0));
    expect((await setup(url))[1]).toContain("version 1, updated");
    expect(stored.get(ILM)).toMatchObject({ policy: { _meta: { version: 1 } } });
    stored.set(TEMPLATE, template(2));
    stored.set(ILM, policy(2));
    expect(await setup(url)).toEqual([expect.stringContaining("left alone"), expect.stringContaining("left alone")]);
    expect([stored.get(TEMPLATE), stored.get(ILM)]).toEqual([template(2), policy(2)]);
  });
});

describe("setup on OpenSearch", () => {
  test("makes an ISM policy and a template with flat_object, which knows no ignore_above", async () => {
    const { url, stored } = await adminServer("opensearch");
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

  test("of a data stream rolls over, and counts the days from there", async () => {
    const { url, stored } = await adminServer("opensearch");
    await setUp(httpAt(url), STREAM, new AbortController().signal);
    expect(stored.get("/_plugins/_ism/policies/auditship-audit-prod")).toMatchObject({
      policy: {
        states: [
          {
            actions: [{ rollover: { min_index_age: "1d", min_primary_shard_size: "50gb" } }],
            transitions: [{ conditions: { min_rollover_age: "168h" } }],
          },
          { actions: [{ delete: {} }] },
        ],
      },
    });
    expect(stored.get("/_index_template/auditship-audit-prod")).toMatchObject({ data_stream: {} });
  });

  test("with retention none deletes its own policy, which would go on with new indices, and says what is left", async () => {
    const { url, stored } = await adminServer("opensearch");
    await setup(url, { retention: "1d" });
    expect((await setup(url, { retention: "none" }))[0]).toBe(
      "lifecycle policy auditship-audit-daily: deleted (retention: none); indices made under it keep it: POST /_plugins/_ism/remove/audit-*",
    );
    expect([...stored.keys()]).toEqual([TEMPLATE]);
  });

  test("updates its own policy by sequence number, and only when it differs", async () => {
    const { url, changes } = await adminServer("opensearch");
    await setup(url, { retention: "1d" });
    await setup(url, { retention: "1d" });
    await setup(url, { retention: "2d" });
    expect(changes.filter((change) => change.startsWith(`PUT ${ISM}`))).toEqual([
      `PUT ${ISM}`,
      `PUT ${ISM}?if_seq_no=7&if_primary_term=1`,
    ]);
  });

  test("leaves a policy alone that somebody else or a newer auditship made", async () => {
    const { url, stored } = await adminServer("opensearch");
    const theirs = { policy: { description: "ours" } };
    stored.set(ISM, theirs);
    await expect(setup(url)).rejects.toMatchObject({ code: "AUDITSHIP_SETUP" });
    expect(stored.get(ISM)).toBe(theirs);
    const newer = { policy: { description: "auditship: delete after 9 hours (version 2)" } };
    stored.set(ISM, newer);
    expect((await setup(url))[0]).toContain("left alone");
    expect(stored.get(ISM)).toBe(newer);
  });

  test("does without a policy where the server has no ISM", async () => {
    const { url } = await adminServer("opensearch", { missing: /_ism/ });
    expect((await setup(url))[0]).toContain("this server has no ISM (400)");
  });
});

test("a preview holds, for each kind of server, what setup sends to it", async () => {
  const [, ...sections] = preview(STREAM).split(/^# (?:Elasticsearch|OpenSearch)\n/m);
  for (const [index, distribution] of (["elasticsearch", "opensearch"] as const).entries()) {
    const { url, stored } = await adminServer(distribution);
    await setUp(httpAt(url), STREAM, new AbortController().signal);
    const requests = [...sections[index].matchAll(/^PUT (\S+)\n(\{.*?\n\})$/gms)];
    expect(requests.map(([, path, body]) => [path, JSON.parse(body)])).toEqual([...stored]);
  }
});

test("setup without the rights for it says which are missing", async () => {
  const url = await serve((_, response) => response.writeHead(403, { "content-type": "application/json" }).end("{}"));
  const failing = setup(url);
  await expect(failing).rejects.toThrow("Setup needs the rights to manage index templates and lifecycle policies");
});

test.each(["elasticsearch", "opensearch"] as const)("the mapping for %s has fewer than 200 fields", (distribution) => {
  const count = (node: object): number =>
    Object.values(node).reduce((sum, value) => sum + 1 + count((value as { properties?: object }).properties ?? {}), 0);
  const fields = count((mappings("native", distribution) as { properties: object }).properties);
  expect(fields).toBeGreaterThan(50);
  expect(fields).toBeLessThan(200);
});
