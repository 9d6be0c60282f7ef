import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ByteWriter } from "../../src/plugin/index.js";
import { loadRules } from "../../src/rules/index.js";
import { loadEvents, redactStage } from "../stages/support.js";
import { receiver, signal, sink } from "./webhook-receiver.js";

const SECRET = "c3VwZXItc2VjcmV0LXZhbHVl";
const TOKEN = "tok3n-that-n0body-may-see";

const EVENT = {
  kind: "Event",
  apiVersion: "audit.k8s.io/v1",
  level: "RequestResponse",
  auditID: "a",
  stage: "ResponseComplete",
  requestURI: `/api/v1/namespaces/shop/secrets?access_token=${TOKEN}`,
  verb: "create",
  user: { username: "alice" },
  objectRef: { resource: "secrets", namespace: "shop", name: "db", apiVersion: "v1" },
  responseStatus: { code: 201 },
  requestObject: { kind: "Secret", apiVersion: "v1", data: { password: SECRET } },
  requestReceivedTimestamp: "2026-11-21T12:00:00.000000Z",
  stageTimestamp: "2026-11-21T12:00:00.000001Z",
};

const RULES = {
  "kubesphere.yaml": `
apiVersion: auditing.kubesphere.io/v1alpha1
kind: Rule
metadata: { name: secrets, labels: { type: alerting } }
spec:
  rules:
    - name: CreateSecret
      type: rule
      condition: 'ObjectRef.Resource = "secrets"'
      enable: true
      priority: WARNING
      output: '\${RequestObject.data.password} by \${RequestURI}'
`,
  "falco.yaml": `
- rule: Create secret
  desc: test
  condition: ka.target.resource = secrets
  output: password %jevt.value[/requestObject/data/password] by %ka.uri
  priority: WARNING
  source: k8s_audit
`,
};

test.each(["events", "cloudevents", "kubesphere", "falco", "alertmanager"])(
  "what is secret in an event stands only hashed in the format %s, messages and fields included",
  async (format) => {
    const directory = await mkdtemp(join(tmpdir(), "auditship-webhook-"));
    onTestFinished(() => rm(directory, { recursive: true }));
    for (const [name, text] of Object.entries(RULES)) await writeFile(join(directory, name), text);
    const rules = await loadRules({ paths: [directory], archivingPriority: "DEBUG", alertingPriority: "WARNING" });
    expect([rules.running.length, rules.refused]).toEqual([2, []]);
    const batch = loadEvents(EVENT);
    rules.set.evaluate(batch);
    redactStage().run(batch);

    const { url, received } = await receiver();
    const hook = await sink({ url, format });
    const out = new ByteWriter();
    hook.encode(batch.at(0), out);
    const [body, id] = [out.view(), batch.at(0).id()];
    const request = {
      body,
      encoding: "identity",
      count: 1,
      firstId: id,
      lastId: id,
      attempt: 0,
      unsure: false,
    } as const;
    await hook.send({ ...request, id: () => id, item: () => body }, signal);

    const posted = received.map((each) => each.body.toString()).join("\n");
    expect(posted).toMatch(/hmac:\S+ by /);
    expect(posted).toContain("access_token=hmac:");
    for (const secret of [SECRET, Buffer.from(SECRET, "base64").toString(), TOKEN])
      expect(posted).not.toContain(secret);
  },
);
