/**
 * Audit events with planted secrets in everything that redaction knows of, and the search for them in what left. All that is
 * planted holds {@link MARK}, in each of its parts: where no form of the mark is, there is no planted secret.
 */
import { gzipSync } from "node:zlib";

const MARK = "PlantedCanary";

/** The same each time for one seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

const base64 = (text: string | Buffer): string => Buffer.from(text).toString("base64");
const json = (value: unknown): string => JSON.stringify(value);

/** Ways in which a secret is written down. */
const ENCODINGS: readonly ((secret: string) => string)[] = [
  (secret) => secret,
  (secret) => `${secret} <&> "ä"\n`,
  base64,
  (secret) => base64(base64(secret)),
  (secret) => json({ password: secret }),
  (secret) => base64(json({ password: secret })),
  (secret) => encodeURIComponent(`${secret}/+&=ä`),
  (secret) => json(json({ deep: secret })),
];

/** Events of one kind: what is special about them, given a source of secrets. */
type Place = (secret: () => string, plain: () => string, pick: <Item>(items: readonly Item[]) => Item) => object;

const body = (resource: string, object: unknown, more: object = {}) => ({
  objectRef: { resource, namespace: "shop", name: "n", apiVersion: "v1" },
  requestObject: object,
  responseObject: object,
  ...more,
});
const meta = (more: object = {}) => ({ name: "n", namespace: "shop", ...more });
const secretOf = (value: string, other: string) => ({
  kind: "Secret",
  apiVersion: "v1",
  metadata: meta({ annotations: { "example.com/copy": value } }),
  data: { password: base64(value), ".dockerconfigjson": base64(json({ auths: { r: { auth: base64(other) } } })) },
  stringData: { "config.json": json({ password: other }) },
  binaryData: { copy: base64(other) },
  type: "Opaque",
});
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";
const applied = (object: unknown) => ({ metadata: meta({ annotations: { [LAST_APPLIED]: `${json(object)}\n` } }) });
const token = (secret: string) =>
  `eyJhbGciOiJSUzI1NiJ9.${Buffer.from(json({ sub: secret })).toString("base64url")}.${secret}`;
const pem = (secret: string) =>
  `-----BEGIN RSA PRIVATE KEY-----\n${base64(secret)}\n${secret}\n-----END RSA PRIVATE KEY-----\n`;
const kubeconfig = (secret: string) =>
  `apiVersion: v1\nkind: Config\ncurrent-context: a\nusers:\n- name: u\n  user:\n    token: ${secret}\n    client-key-data: ${base64(pem(secret))}\n`;
const pod = (container: object) => ({
  kind: "Pod",
  metadata: meta(),
  spec: { containers: [{ name: "c", image: "i", ...container }] },
});
const oneWord = (secret: string) => secret.replace(/[^\w]/g, "");

const PLACES: Readonly<Record<string, Place>> = {
  secret: (s) => body("secrets", secretOf(s(), s())),
  "secret without kind": (s) => body("secrets", { data: { a: base64(s()) }, stringData: { b: s() }, Data: { c: s() } }),
  "list of secrets": (s) =>
    body("secrets", { kind: "SecretList", items: [secretOf(s(), s()), { data: { a: base64(s()) } }] }),
  "secrets in a list": (s) =>
    body("lists", { kind: "List", items: [{ kind: "Pod", metadata: meta() }, secretOf(s(), s())] }),
  "table of secrets": (s) =>
    body("secrets", { kind: "Table", rows: [{ cells: ["n", "Opaque", s(), 3, "3d"], object: secretOf(s(), s()) }] }),
  "watch event": (s) => body("secrets", { type: "MODIFIED", object: secretOf(s(), s()) }),
  "partial object": (s) =>
    body("secrets", { kind: "PartialObjectMetadata", metadata: meta({ annotations: { "example.com/copy": s() } }) }),
  "applied secret": (s) => body("secrets", applied(secretOf(s(), s()))),
  "JSON patch": (s, _, pick) =>
    body("secrets", [
      { op: pick(["add", "replace", "test"]), path: pick(["/data/a", "/data/a~1b", "/data/~0a"]), value: base64(s()) },
      { op: "add", path: "/stringData", value: { b: s() } },
      { op: "add", path: "/metadata/annotations/example.com~1copy", value: s() },
      { value: secretOf(s(), s()), op: "replace", path: "" },
    ]),
  "JSON patch in parts": (s) =>
    body(
      "secrets",
      [1, 2, 3].map((n) => ({ op: "add", path: `/stringData/part${n}`, value: s() })),
    ),
  "merge patch": (s) => body("secrets", { data: { a: base64(s()) }, metadata: { annotations: { a: s() } } }),
  "apply patch": (s) => body("secrets", secretOf(s(), s()), { verb: "apply" }),
  configMap: (s) =>
    body("configmaps", {
      kind: "ConfigMap",
      data: { "a.yaml": s(), b: json({ c: s() }) },
      binaryData: { d: base64(s()) },
    }),
  "patched configMap": (s) => body("configmaps", [{ op: "replace", path: "/data/app~1conf", value: s() }]),
  "bootstrap token": (s) =>
    body("secrets", {
      kind: "Secret",
      metadata: meta(),
      type: "bootstrap.kubernetes.io/token",
      data: { "token-secret": base64(s()) },
    }),
  "user of KubeSphere": (s) => body("users", { kind: "User", metadata: meta(), spec: { password: s() } }),
  "token request": (s) => body("serviceaccounts", { kind: "TokenRequest", spec: {}, status: { token: s() } }),
  "token review": (s) =>
    body("tokenreviews", {
      kind: "TokenReview",
      spec: { token: s() },
      status: { user: { username: "u", extra: { "example.com/a": [s()] } }, error: s() },
    }),
  "self subject review": (s) =>
    body("selfsubjectreviews", {
      kind: "SelfSubjectReview",
      status: { userInfo: { username: "u", extra: { a: [s()] } } },
    }),
  "certificate request": (s, _, pick) => {
    const request = pick([
      base64(s()),
      base64(`-----BEGIN CERTIFICATE REQUEST-----\n${base64(s())}\n-----END CERTIFICATE REQUEST-----\n`),
    ]);
    return body("certificatesigningrequests", {
      kind: "CertificateSigningRequest",
      metadata: meta(),
      spec: { request, extra: { a: [s()] } },
    });
  },
  environment: (s) =>
    body(
      "pods",
      pod({
        env: [
          { name: "LEVEL", value: s() },
          { value: s(), name: "B" },
        ],
      }),
    ),
  "environment of a template": (s) =>
    body("deployments", {
      kind: "Deployment",
      metadata: meta(),
      spec: { template: { spec: { initContainers: [{ env: [{ name: "A", value: s() }] }] } } },
    }),
  "patched environment": (s) =>
    body("deployments", [{ op: "replace", path: "/spec/template/spec/containers/0/env/1/value", value: s() }]),
  "applied environment": (s) => body("pods", applied(pod({ env: [{ name: "A", value: s() }] }))),
  "command line": (s, plain) =>
    body(
      "pods",
      pod({
        command: ["sh", "-c", `echo ${s()} | login`],
        args: [
          "--password",
          s(),
          `--token=${s()}`,
          "-p",
          plain(),
          "-u",
          plain(),
          `NAME=${s()}`,
          `redis://u:${plain()}@h/0`,
          "--proxy-user",
          `u:${plain()}`,
        ],
      }),
    ),
  "command line in two parts": (_, plain, pick) =>
    body(
      "pods",
      pod({
        command: pick([
          ["mysql", "--password"],
          ["redis-cli", "-a"],
        ]),
        args: [plain(), "-v"],
      }),
    ),
  exec: (_, plain, pick) => ({
    requestURI: `/api/v1/namespaces/shop/pods/p/${pick(["exec", "attach"])}?command=sh&command=-c&command=${encodeURIComponent(`mysql -p${plain()} <d`)}&command=--token&command=${plain()}&stdin=true`,
    objectRef: { resource: "pods", subresource: "exec", namespace: "shop", name: "p" },
  }),
  query: (s, plain, pick) => ({
    requestURI: `/x?${pick(["token", "access_token", "bearer", "sig%6eature"])}=${encodeURIComponent(s())}&u=${encodeURIComponent(`http://u:${plain()}@h`)}`,
  }),
  proxy: (s) => ({
    requestURI: `/api/v1/namespaces/shop/services/a:80/proxy/b?c=${encodeURIComponent(s())}&limit=${encodeURIComponent(s())}`,
  }),
  message: (s) => ({
    ...body("pods", {
      kind: "Status",
      message: `Pod "n" is invalid: spec.a: Invalid value: ${json(s())}: no`,
      details: { causes: [{ message: `Invalid value: ${json(s())}: no` }] },
    }),
    responseStatus: { code: 422, message: `Pod "n" is invalid: spec.a: Invalid value: ${json(s())}: no` },
  }),
  "message of a secret": (s) => ({
    objectRef: { resource: "secrets", namespace: "shop", name: "n" },
    responseStatus: { code: 422, message: `Secret "n" is invalid: ${s()}` },
  }),
  user: (s) => ({
    user: {
      username: "u",
      groups: ["g"],
      extra: { "authentication.kubernetes.io/pod-name": ["p"], "example.com/a": [s()] },
    },
    impersonatedUser: { username: "v", extra: { b: [s()] } },
  }),
  "admission patch": (s) => ({
    ...body("secrets", {}),
    annotations: {
      "patch.webhook.admission.k8s.io/round_0_index_0": json({
        configuration: "c",
        patch: [{ op: "add", path: "/data/a", value: base64(s()) }],
        patchType: "JSONPatch",
      }),
    },
  }),
  "token anywhere": (_, plain) => ({
    userAgent: `curl ${token(plain())}`,
    sourceIPs: [token(plain())],
    objectRef: { resource: "pods", name: token(plain()), namespace: "shop" },
  }),
  "shapes in a body": (_, plain) =>
    body("widgets", {
      spec: {
        a: `x ${token(plain())} y`,
        b: pem(plain()),
        c: base64(token(plain())),
        d: `amqp://u:${plain()}@h`,
        e: `https://${oneWord(plain())}@h/x`,
        g: `smtp://u@h:${plain()}@h/x`,
        f: base64(pem(plain())),
      },
    }),
  "token that tells its issuer": (_, plain, pick) => {
    const issued = () =>
      `${pick(["ghp_", "glpat-", "xoxb-", "https://hooks.slack.com/services/T0/B0/"])}${plain()}${"0".repeat(36)}`;
    return body("widgets", { spec: { a: `use ${issued()}`, args: [issued()] } }, { userAgent: `curl ${issued()}` });
  },
  kubeconfig: (_, plain) => body("widgets", { spec: { a: kubeconfig(plain()), b: base64(kubeconfig(plain())) } }),
  manifest: (_, plain, pick) => {
    const kind = pick(['"kind": "Secret"', "kind: 'Secret'", "kind:   Secret", "'kind': Secret"]);
    const yaml = `${kind}\nstringData:\n  a: "${plain()}"\n`;
    const object = JSON.stringify({ kind: "Secret", stringData: { a: plain() } }, null, 2);
    return body("widgets", { spec: { a: yaml, b: base64(yaml), c: base64(object) } });
  },
  "docker config": (_, plain) => {
    const config = { auths: { "registry.test": { auth: base64(`u:${plain()}`), password: plain() } } };
    return body("widgets", { spec: { a: json(config), b: base64(json(config)), ...config } });
  },
  "list in a string": (_, plain) =>
    body("widgets", { spec: { a: json([{ path: "/x", env: [{ name: "A", value: plain() }] }]) } }),
  "gzip copy": (s) => {
    const copy = base64(gzipSync(json(secretOf(s(), s()))));
    return body("widgets", {
      metadata: meta({ annotations: { "objectset.rio.cattle.io/applied": copy } }),
      spec: { release: base64(copy) },
    });
  },
  "webhook configuration": (s, plain) =>
    body("validatingwebhookconfigurations", {
      webhooks: [{ clientConfig: { url: `https://u:${plain()}@h/x?a=${encodeURIComponent(s())}` } }],
    }),
};

export const PLACE_NAMES: readonly string[] = Object.keys(PLACES);

/** Lines of audit events, of each kind of place in turn, with some that hold nothing between. */
export function* canaryLines(seed: number, count: number): Generator<string> {
  const next = random(seed);
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(next() * items.length)];
  let planted = 0;
  const plain = () => `${MARK}${planted++}${Math.floor(next() * 2 ** 32).toString(36)}`;
  const secret = () => pick(ENCODINGS)(plain());
  for (let n = 0; n < count; n++) {
    const place = PLACES[PLACE_NAMES[n % PLACE_NAMES.length]];
    yield JSON.stringify({ ...envelope(n), ...place(secret, plain, pick) }).replace(/[<>&]/g, escaped);
  }
}

const escaped = (char: string) => `\\u00${char.charCodeAt(0).toString(16)}`;

function envelope(n: number): object {
  const time = new Date(Date.now() - 10_000).toISOString().replace("Z", "000Z");
  return {
    kind: "Event",
    apiVersion: "audit.k8s.io/v1",
    level: "RequestResponse",
    auditID: `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`,
    stage: "ResponseComplete",
    requestURI: "/api/v1/namespaces/shop/x",
    verb: "create",
    user: { username: `user-${n % 7}`, groups: ["g"] },
    sourceIPs: ["10.0.0.1"],
    userAgent: "test",
    objectRef: { resource: "x", namespace: "shop" },
    responseStatus: { metadata: {}, code: 201 },
    requestReceivedTimestamp: time,
    stageTimestamp: time,
    annotations: { "authorization.k8s.io/decision": "allow" },
  };
}

/** A text as it stands in base64 at each of the three places in a group of three bytes, without what depends on its neighbours. */
function base64Forms(text: string): string[] {
  return [0, 1, 2].map((lead) => {
    const encoded = Buffer.from("\0".repeat(lead) + text).toString("base64");
    return encoded.slice(Math.ceil((lead * 8) / 6), Math.floor(((lead + Buffer.byteLength(text)) * 8) / 6));
  });
}

/** A text in every encoding in which it may be found again: as it is, base64, base64 of that, hex, for a URL, in JSON. */
export function encodedForms(text: string): string[] {
  const once = base64Forms(text);
  const hex = Buffer.from(text).toString("hex");
  const forms = [text, ...once, ...once.flatMap(base64Forms), hex, hex.toUpperCase(), encodeURIComponent(text)];
  return [...new Set([...forms, JSON.stringify(text).slice(1, -1)])];
}

/** The mark in every encoding; and the beginning of gzip in base64. */
const FORMS: readonly string[] = [...encodedForms(MARK), "H4sI", "SDRzS"];

/** What is made of hashes, of which one in some hundred thousand holds four given letters by chance: redacted values, and our ids. */
const HASHES = /hmac:[\w-]{8}:[\w-]{22}|[\w-]{16}AA[\w-]{6}AAAA[\w-]{12}/g;

/** What is planted and stands in a text: some of the places, for people. */
export function leaks(said: string): string[] {
  const text = said.replaceAll(HASHES, "hash");
  return FORMS.flatMap((form) => {
    const at = text.indexOf(form);
    return at < 0 ? [] : [text.slice(Math.max(0, at - 200), at + 60)];
  });
}
