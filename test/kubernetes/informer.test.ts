import { beforeEach, expect, it, onTestFinished } from "vitest";
import { KubernetesClient } from "../../src/kubernetes/client.js";
import { Informer } from "../../src/kubernetes/informer.js";
import { ApiServer, fail } from "./api-server.js";

const PATH = "/api/v1/namespaces";

let api: ApiServer;
let metrics: Map<string, number>;
let warnings: string[];

beforeEach(async () => {
  api = await ApiServer.start();
  metrics = new Map();
  warnings = [];
});

interface Options {
  metadataOnly?: boolean;
  kubeconfig?: string;
}

/** An informer that keeps the label `w`. */
async function inform({ metadataOnly, kubeconfig = api.kubeconfig() }: Options = {}): Promise<Informer<string>> {
  const abort = new AbortController();
  onTestFinished(() => abort.abort());
  return new Informer(await KubernetesClient.open(kubeconfig), {
    path: PATH,
    metadataOnly,
    pick: ({ metadata }) => metadata.labels?.w ?? "",
    log: { debug() {}, info() {}, warn: (_, message) => warnings.push(message), error() {} },
    meter: {
      add: (name, value, ...labels) =>
        metrics.set(`${name} ${labels}`, (metrics.get(`${name} ${labels}`) ?? 0) + value),
      set: (name, value, ...labels) => metrics.set(`${name} ${labels}`, value),
      observe() {},
    },
    signal: abort.signal,
    random: () => 0,
  });
}

const lists = () => api.asked.filter(({ query }) => !query.has("watch") && !query.has("continue")).length;
const watching = () => expect.poll(() => api.watching).toBe(1);

it("an informer knows what is listed, and follows what is added, changed and deleted", async () => {
  api.put("shop", { w: "team-a" });
  const informer = await inform();
  await informer.synced;
  expect(informer.items).toEqual(new Map([["shop", "team-a"]]));
  await watching();
  const changes: unknown[] = [];
  informer.onChange = (...change) => changes.push(change);
  api.put("bank", { w: "team-b" });
  api.put("shop", { w: "team-c" });
  api.delete("bank");
  await expect
    .poll(() => changes)
    .toEqual([
      ["bank", "team-b"],
      ["shop", "team-c"],
      ["bank", undefined],
    ]);
  expect(informer.items).toEqual(new Map([["shop", "team-c"]]));
  expect(metrics.get(`auditship_kubernetes_synced ${PATH}`)).toBe(1);
});

it("an informer reads a long list in pages, with its credentials", async () => {
  for (let n = 0; n < 1201; n++) api.put(`n${n}`);
  const informer = await inform();
  await informer.synced;
  expect(informer.items.size).toBe(1201);
  expect(api.asked.slice(0, 3).map(({ query }) => query.get("continue"))).toEqual([null, "500", "1000"]);
  for (const { headers } of api.asked) expect(headers.authorization).toBe("Bearer secret");
});

it("an informer that needs metadata only asks for no more", async () => {
  await (await inform({ metadataOnly: true })).synced;
  await watching();
  expect(api.asked.map(({ headers }) => headers.accept)).toEqual([
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
  ]);
});

it.each(["end", "destroy"] as const)(
  "an informer goes on from a bookmark when its watch is cut (%s), without a new list",
  async (how) => {
    await (await inform()).synced;
    await watching();
    api.say("BOOKMARK", { metadata: { resourceVersion: "77" } });
    api.put("late");
    api.say("BOOKMARK", { metadata: { resourceVersion: "99" } });
    api.endWatches(how);
    await watching();
    const [first, second] = api.asked.filter(({ query }) => query.has("watch")).map(({ query }) => query);
    expect(first.get("allowWatchBookmarks")).toBe("true");
    // What was said just before a connection is destroyed may be lost with it.
    if (how === "end") expect(second.get("resourceVersion")).toBe("99");
    expect(lists()).toBe(1);
  },
);

it.each<[string, (api: ApiServer) => void]>([
  ["in the watch", (api) => api.say("ERROR", { kind: "Status", code: 410, reason: "Expired" })],
  [
    "as its answer",
    (api) => {
      let once = true;
      api.script = ({ query }, response) => {
        if (!query.has("watch") || !once) return false;
        once = false;
        return fail(response, 410, "Expired");
      };
      api.endWatches();
    },
  ],
])("an informer lists anew when its version is too old (410 %s), and drops what is gone", async (_, expire) => {
  api.put("stays");
  api.put("goes");
  const informer = await inform();
  await informer.synced;
  await watching();
  api.objects.delete("goes");
  const gone: string[] = [];
  informer.onChange = (key, item) => item === undefined && gone.push(key);
  expire(api);
  await expect.poll(() => gone).toEqual(["goes"]);
  expect([...informer.items.keys()]).toEqual(["stays"]);
  expect(lists()).toBe(2);
  expect(warnings).toEqual([]);
});

it("an informer waits for a server that fails, says so once, and keeps what it knew", async () => {
  api.put("shop", { w: "team-a" });
  const informer = await inform();
  await informer.synced;
  await watching();
  let refused = 0;
  api.script = (_, response) => {
    refused++;
    return fail(response, 403, "Forbidden");
  };
  api.endWatches();
  await expect.poll(() => refused).toBeGreaterThan(2);
  expect(warnings).toHaveLength(1);
  expect(informer.items.get("shop")).toBe("team-a");
  expect(metrics.get(`auditship_kubernetes_synced ${PATH}`)).toBe(0);
  api.script = () => false;
  await watching();
  api.put("shop", { w: "team-b" });
  await expect.poll(() => informer.items.get("shop")).toBe("team-b");
});

it("a kubeconfig without a cluster is refused, and says why", async () => {
  await expect(KubernetesClient.open("/none")).rejects.toMatchObject({ code: "AUDITSHIP_KUBERNETES" });
});
