import { appendFile, mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { expect, it, vi } from "vitest";
import { patience } from "../support/patience.js";
import { serve } from "../support/serve.js";
import { bundledProgram, Site, started } from "./fixture.js";

const program = bundledProgram();

/** A receiver that takes all, and keeps what was posted to which path. */
async function receiver() {
  const posted: { path: string; body: unknown }[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (request.method === "POST") {
      posted.push({ path: request.url ?? "", body: JSON.parse(Buffer.concat(chunks).toString()) });
    }
    response.end();
  });
  return { url: await serve(server), posted };
}

/** KubeSphere's Webhook resource with these receivers, and a rule that alerts on every event. */
const resources = (receivers: object[]) => `
apiVersion: auditing.kubesphere.io/v1alpha1
kind: Webhook
metadata: { name: kube-auditing-webhook }
spec: ${JSON.stringify({ alertingPriority: "INFO", receivers })}
---
apiVersion: auditing.kubesphere.io/v1alpha1
kind: Rule
metadata: { name: all, labels: { type: alerting } }
spec: { rules: [{ name: Any, type: rule, condition: Verb exists, enable: true, priority: INFO, output: "\${Verb} seen" }] }
`;

const line = (auditID: string) => {
  const now = new Date().toISOString();
  const times = { requestReceivedTimestamp: now, stageTimestamp: now };
  const event = { kind: "Event", apiVersion: "audit.k8s.io/v1", auditID, stage: "ResponseComplete", verb: "get" };
  return `${JSON.stringify({ ...event, ...times })}\n`;
};

async function site(receivers: object[], rules: object = {}, sinks: object = {}): Promise<Site> {
  const place = await Site.make();
  await mkdir(place.at("rules"));
  await writeFile(place.at("rules", "kubesphere.yaml"), resources(receivers));
  await writeFile(place.at("log", "audit.log"), "");
  await place.configure({
    sinks: { archive: { type: "file", path: "archive.ndjson" }, ...sinks },
    rules: { paths: ["rules"], ...rules },
  });
  return place;
}

it("receivers of KubeSphere's Webhook resource are told of alerts as KubeSphere tells them, and follow a reload", async () => {
  const { url, posted } = await receiver();
  const receivers = [
    { name: "hook", type: "webhook", config: { url: `${url}/hook` } },
    { name: "am", type: "alertmanager", config: { url } },
  ];
  const place = await site(receivers);
  const agent = program.start(place);
  const { metric } = await started(agent);
  await appendFile(place.at("log", "audit.log"), line("a"));
  const to = (path: string) => posted.filter((each) => each.path === path).map(({ body }) => body);
  await vi.waitFor(() => {
    expect(to("/hook")).toMatchObject([{ AuditID: "a", Verb: "get", Workspace: "", Message: "get seen" }]);
    const labels = { alertname: "Any", alerttype: "auditing", verb: "get" };
    expect(to("/api/v2/alerts")[0]).toMatchObject([
      {
        labels: { ...labels, requestReceivedTimestamp: expect.stringMatching(/ UTC$/) },
        annotations: { message: "get seen" },
      },
    ]);
  }, patience);

  await writeFile(place.at("rules", "kubesphere.yaml"), resources([]));
  await vi.waitFor(async () => {
    const sinks = Object.keys(await metric("auditship_sink_state")).map((labels) => labels.split('"')[1]);
    expect([...new Set(sinks)]).toEqual(["archive"]);
  }, patience);
});

it("receivers of KubeSphere's Webhook resource can be turned off, and a sink of the same name counts instead", async () => {
  const { url, posted } = await receiver();
  const receivers = [{ name: "hook", type: "webhook", config: { url: `${url}/receiver` } }];
  const sinks = { hook: { type: "webhook", url: `${url}/sink`, startAt: "beginning" } };
  for (const place of [await site(receivers, { receivers: false }), await site(receivers, {}, sinks)]) {
    await appendFile(place.at("log", "audit.log"), line("a"));
    const agent = program.start(place, "--once");
    expect(await agent.exited, agent.err).toBe(0);
  }
  expect(posted.map(({ path }) => path)).toEqual(["/sink"]);
});
