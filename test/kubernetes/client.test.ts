import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { KubernetesClient } from "../../src/kubernetes/client.js";
import { ApiServer } from "./api-server.js";

afterEach(() => vi.useRealTimers());

it("a token that is renewed on disk, as a pod's, is shown after a minute at most", async () => {
  const api = await ApiServer.start();
  const kubeconfig = api.kubeconfig();
  const tokenFile = join(dirname(kubeconfig), "token");
  // How the official client has a pod's service account.
  const user = { "auth-provider": { name: "tokenFile", config: { tokenFile } } };
  const cluster = { server: api.url, "insecure-skip-tls-verify": true };
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      clusters: [{ name: "c", cluster }],
      users: [{ name: "u", user }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      "current-context": "x",
    }),
  );
  writeFileSync(tokenFile, "first");
  const client = await KubernetesClient.open(kubeconfig);
  await client.json("/version");
  writeFileSync(tokenFile, "second");
  vi.useFakeTimers({ toFake: ["Date"] });
  vi.setSystemTime(Date.now() + 61_000);
  await client.json("/version");
  expect(api.asked.map(({ headers }) => headers.authorization)).toEqual(["Bearer first", "Bearer second"]);
});
