import { describe, expect, it, vi } from "vitest";
import { POLICY, PROFILE_NAMES } from "../../plugins/stages/redact/profile.js";
import { certificateRequest } from "./certificates.js";
import { documentOf, loadEvents, redactStage } from "./support.js";

const V = "plantedv4lue";
const base64 = (text: string) => Buffer.from(text).toString("base64");
const JWT = `eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.${V}`;
const secret = (more: object) => ({ kind: "Secret", metadata: { name: "n" }, ...more });
const annotated = (annotations: object) => secret({ metadata: { name: "n", annotations } });
const container = (more: object) => ({ kind: "Pod", spec: { containers: [{ name: "c", ...more }] } });

/** In which body, URI or other place of an event each row's example has the planted value. */
interface Example {
  event: object;
  /** What is looked for afterwards, if it is not the value itself. */
  value?: string;
}
const body = (responseObject: object, value = V, resource = "widgets"): Example => ({
  event: { objectRef: { resource, namespace: "shop" }, responseObject },
  value,
});
const csr = (request: string) => ({ kind: "CertificateSigningRequest", metadata: { name: "n" }, spec: { request } });
const failure = (message: string, resource = "pods"): Example => ({
  event: { objectRef: { resource, name: "n" }, responseStatus: { code: 422, message } },
});
const uri = (requestURI: string): Example => ({ event: { requestURI } });
const REQUEST = base64(certificateRequest());

const EXAMPLES: Record<string, Example[]> = {
  "`data`, `stringData` of a Secret": [
    body(secret({ data: { a: base64(V) } }), base64(V)),
    body({ kind: "SecretList", items: [{ stringData: { a: V } }] }),
  ],
  "any other member of a Secret (a misspelt `Data`)": [body(secret({ Data: { a: V } }))],
  "annotations of a Secret, but for those below": [body(annotated({ note: V }))],
  "annotations that say where a Secret comes from": [body(annotated({ "kubernetes.io/service-account.name": V }))],
  "cells of a Secret's row, but for name and type": [
    body({ kind: "Table", rows: [{ cells: ["n", "Opaque", V] }] }, V, "secrets"),
  ],
  "secrets in an applied object": [
    body({
      metadata: {
        annotations: {
          "kubectl.kubernetes.io/last-applied-configuration": JSON.stringify(secret({ stringData: { a: V } })),
        },
      },
    }),
  ],
  "secrets in JSON in a string": [body({ spec: { text: JSON.stringify(secret({ stringData: { a: V } })) } })],
  "`token` of a TokenRequest or TokenReview": [
    body({ kind: "TokenRequest", status: { token: V } }),
    body({ kind: "TokenReview", spec: { token: V } }),
  ],
  "a certificate request, a certificate": [body(csr(REQUEST), REQUEST)],
  "what is no certificate request in its place": [body(csr(base64(V)), base64(V))],
  "values of environment variables": [body(container({ env: [{ name: "LEVEL", value: V }] }))],
  "names of environment variables": [body(container({ env: [{ name: V, value: "x" }] }))],
  "program and flag names": [body(container({ command: [V, `--${V}`, `--${V}=x`] }))],
  "what credential flags are given; shell text": [
    body(container({ args: ["--password", V] })),
    body(container({ args: ["-c", `echo ${V}`] })),
  ],
  "queries of webhooks' URLs": [body({ webhooks: [{ clientConfig: { url: `https://h/?a=${V}` } }] })],
  "`caBundle` of a webhook": [body({ webhooks: [{ clientConfig: { caBundle: V } }] })],
  "tokens, private keys, kubeconfigs, URLs' credentials": [
    body({ spec: { text: JWT } }),
    body({ spec: { text: `-----BEGIN PRIVATE KEY-----\n${V}\n-----END PRIVATE KEY-----` } }),
    body({ spec: { text: `current-context: a\nusers:\n- user: {password: ${V}}\n` } }),
    body({ spec: { text: `amqp://u:${V}@h` } }),
    body({ spec: { text: `https://${V}@h` } }),
  ],
  "gzip in base64 (Helm, copies of applied objects)": [body({ spec: { text: `H4sIAAAA${V}` } })],
  "`managedFields`": [body({ metadata: { managedFields: [{ manager: V, fieldsV1: { "f:data": { "f:a": {} } } }] } })],
  "labels, specs and all else": [body({ metadata: { labels: { a: V } } }), body({ spec: { text: V } })],
  "kind, name, namespace, uid": [
    body({ kind: V }),
    body({ metadata: { name: V } }),
    body({ kind: "PodList", items: [{ metadata: { namespace: V } }] }),
  ],
  "credentials in a query, exec's command": [
    uri(`/x?token=${V}`),
    uri(`/exec?command=sh&command=-c&command=echo%20${V}`),
  ],
  "values of queries behind the proxy": [uri(`/api/v1/namespaces/a/pods/p/proxy/x?limit=${V}`)],
  "exec's program and flags": [uri(`/exec?command=${V}&command=-a`)],
  "the API server's own parameters": [uri(`/x?labelSelector=a%3D${V}`)],
  "values that a failure quotes": [failure(`Pod "n" is invalid: spec.x: Invalid value: "${V}": no`)],
  "who, what and where in a failure": [failure(`pods "n" is forbidden: User "${V}" cannot get resource "pods"`)],
  "any failure of Secrets and TokenReviews": [failure(`${V}`, "secrets"), failure(`${V}`, "tokenreviews")],
  "`extra` of a user, but for the credential, pod and node": [
    { event: { user: { username: "u", extra: { a: [V] } } } },
    { event: { impersonatedUser: { username: "u", extra: { a: [V] } } } },
  ],
  "ids of the credential, the pod and the node": [
    { event: { user: { username: "u", extra: { "authentication.kubernetes.io/pod-name": [V] } } } },
  ],
  "secrets in an admission webhook's patch": [
    {
      event: {
        objectRef: { resource: "secrets" },
        annotations: {
          "patch.webhook.admission.k8s.io/round_0_index_0": JSON.stringify({
            configuration: "c",
            patch: [{ op: "add", path: "/data/a", value: V }],
          }),
        },
      },
    },
  ],
  "tokens, private keys, URLs' credentials": [
    { event: { userAgent: JWT } },
    { event: { sourceIPs: [JWT] } },
    { event: { objectRef: { resource: "pods", name: JWT } } },
    { event: { annotations: { a: `https://u:${V}@h` } } },
  ],
  "who, what, when, where": [
    { event: { user: { username: V } } },
    { event: { userAgent: V, sourceIPs: [V] } },
    { event: { objectRef: { resource: V, name: V } } },
    { event: { annotations: { "authorization.k8s.io/reason": V } } },
  ],
};

describe("The table of profiles", () => {
  it("has an example of each row", () => {
    expect(POLICY.map(({ what }) => what)).toEqual(Object.keys(EXAMPLES));
  });

  describe.each(PROFILE_NAMES)("under profile %s", (profile) => {
    it.each(POLICY.map(({ what, where, outcomes }) => [outcomes[profile], what, where] as const))(
      "is right in that it has %s: %s in %s",
      (outcome, what) => {
        for (const { event, value = V } of EXAMPLES[what]) {
          const batch = loadEvents({ verb: "get", ...event });
          redactStage({ profile }).run(batch);
          const document = documentOf(batch);
          JSON.parse(document);
          expect(document.includes(value)).toBe(outcome === "kept");
          if (outcome === "hashed") expect(document).toContain("hmac:");
        }
      },
    );
  });
});

it.each([{}, { rules: [{ paths: ["a"] }] }, { users: true }, { ips: true }])(
  "With profile off nothing is searched for traces of secrets, %j or not",
  (own) => {
    const batch = loadEvents({
      user: { username: "jane" },
      sourceIPs: ["192.0.2.1"],
      objectRef: { resource: "widgets" },
      requestURI: `/api?token=${JWT}`,
      requestObject: { a: "x", b: JWT },
    });
    const before = documentOf(batch);
    const find = vi.spyOn(batch, "find");
    redactStage({ profile: "off", ...own }).run(batch);
    expect(find).not.toHaveBeenCalled();
    expect(documentOf(batch) === before).toBe(Object.keys(own).length === 0);
    expect(documentOf(batch)).toContain(JWT);
  },
);

it.each(["[1,2]", "{}", " [true]", '{"a":"b"}'])(
  "With profile strict an annotation of the event that holds JSON is hashed: %s",
  (text) => {
    const batch = loadEvents({ annotations: { a: text, b: "allow" } });
    redactStage({ profile: "strict" }).run(batch);
    expect(JSON.parse(documentOf(batch)).annotations).toEqual({ a: expect.stringMatching(/^hmac:/), b: "allow" });
  },
);
