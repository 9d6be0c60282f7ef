import { createHash, createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { documentOf, KEY, loadEvents, redactStage } from "./support.js";

/** The hash of a value, from its definition in docs/redaction.md. */
function hashIn(domain: string, value: string | Buffer): string {
  const id = createHash("sha256").update("auditship key id\0").update(KEY).digest("base64url").slice(0, 8);
  const mac = createHmac("sha256", KEY).update(`${domain.length}:${domain}:`).update(value).digest("base64url");
  return `hmac:${id}:${mac.slice(0, 22)}`;
}

/** In namespace `shop`. */
const hash = (value: string | Buffer) => hashIn("shop", value);
/** Of what stands in the URI and beside it. */
const outside = (value: string) => hashIn("/", value);
const base64 = (text: string) => Buffer.from(text).toString("base64");

const JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
const PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----";
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** Redacts one event in namespace `shop`; gives the document without our members. */
function redact(event: object, options: Parameters<typeof redactStage>[0] = {}): Record<string, unknown> {
  const batch = loadEvents({ kind: "Event", apiVersion: "audit.k8s.io/v1", auditID: "1", ...event });
  redactStage(options).run(batch);
  const { kind, apiVersion, auditID, "@timestamp": _time, auditship: _ours, ...rest } = JSON.parse(documentOf(batch));
  expect([kind, apiVersion, auditID]).toEqual(["Event", "audit.k8s.io/v1", "1"]);
  return rest;
}

const ref = (resource: string, more: object = {}) => ({ resource, namespace: "shop", apiVersion: "v1", ...more });

/** Redacts a body of a resource, as request and as response: both must come out the same. */
function body(resource: string, object: unknown, options: Parameters<typeof redactStage>[0] = {}): unknown {
  const event = redact({ objectRef: ref(resource), requestObject: object, responseObject: object }, options);
  expect(event.requestObject).toEqual(event.responseObject);
  return event.requestObject;
}

const pod = (container: object) => ({ kind: "Pod", spec: { containers: [{ name: "c", image: "i", ...container }] } });
const env = (...variables: object[]) => pod({ env: variables });

describe("Secrets and ConfigMaps", () => {
  it("hashes data over its decoded bytes and stringData over its text, so that equal values are equal", () => {
    expect(body("secrets", { kind: "Secret", data: { a: base64("s3cret") }, stringData: { b: "s3cret" } })).toEqual({
      kind: "Secret",
      data: { a: hash("s3cret") },
      stringData: { b: hash("s3cret") },
    });
  });
  it("knows a Secret by its resource where the body has no kind", () => {
    expect(body("secrets", { data: { a: base64("x") } })).toEqual({ data: { a: hash("x") } });
  });
  it("knows a Secret by its kind where the resource is another", () => {
    expect(body("pods", { kind: "Secret", data: { a: base64("x") } })).toEqual({
      kind: "Secret",
      data: { a: hash("x") },
    });
  });
  it("leaves data of other kinds alone", () => {
    const object = { kind: "Widget", data: { a: "x" }, stringData: { b: "y" }, binaryData: { c: "eg==" } };
    expect(body("widgets", object)).toEqual(object);
  });
  it("finds the items of a SecretList, which have no kind", () => {
    expect(body("lists", { kind: "SecretList", items: [{ metadata: {}, data: { a: base64("x") } }] })).toEqual({
      kind: "SecretList",
      items: [{ metadata: {}, data: { a: hash("x") } }],
    });
  });
  it("keeps the known metadata of Secrets and of their lists, and hashes the rest", () => {
    const metadata = {
      name: "n",
      namespace: "shop",
      generateName: "n-",
      uid: "u",
      resourceVersion: "7",
      generation: 1,
      creationTimestamp: null,
      labels: { app: "a" },
      ownerReferences: [{ apiVersion: "v1", kind: "Pod", name: "p", uid: "v" }],
      finalizers: ["example.com/keep"],
      managedFields: [{ manager: "kubectl", fieldsV1: { "f:data": {} } }],
      $patch: "replace",
      "$setElementOrder/finalizers": ["example.com/keep"],
    };
    const secret = (note: unknown) => ({ metadata: { ...metadata, note }, type: "Opaque" });
    expect(body("secrets", secret({ a: "x" }))).toEqual(secret(hash('{"a":"x"}')));
    const list = (note: unknown) => ({
      kind: "SecretList",
      metadata: { resourceVersion: "9", continue: "c", remainingItemCount: 3, selfLink: "/s" },
      items: [secret(note)],
    });
    expect(body("secrets", list("x"))).toEqual(list(hash("x")));
    expect(body("widgets", { metadata: { ...metadata, note: "x" } })).toEqual({ metadata: { ...metadata, note: "x" } });
  });
  it.each(["items", "rows", "object"])(
    "hashes a misspelt member beside %s of what says that it is a Secret",
    (member) => {
      const object = (Data: unknown, value: unknown) => ({ kind: "Secret", metadata: {}, Data, [member]: value });
      expect(body("x", object({ a: "x" }, ["y"]))).toEqual(object(hash('{"a":"x"}'), hash('["y"]')));
    },
  );
  it("finds Secrets among other objects of a List", () => {
    const other = { kind: "ConfigMap", data: { a: "eA==" } };
    expect(body("lists", { items: [other, { data: { a: base64("x") }, kind: "Secret" }], kind: "List" })).toEqual({
      items: [other, { data: { a: hash("x") }, kind: "Secret" }],
      kind: "List",
    });
  });
  it("finds the objects of a Table's rows", () => {
    const cells = ["s", "Opaque", 1, "3d"];
    const object = { kind: "Secret", data: { a: base64("x") } };
    expect(body("secrets", { kind: "Table", rows: [{ cells, object }] })).toEqual({
      kind: "Table",
      rows: [{ cells, object: { kind: "Secret", data: { a: hash("x") } } }],
    });
  });
  it("finds the object of a watch event", () => {
    expect(body("x", { type: "ADDED", object: { kind: "Secret", data: { a: base64("x") } } })).toEqual({
      type: "ADDED",
      object: { kind: "Secret", data: { a: hash("x") } },
    });
  });
  it("keeps null and empty strings, and hashes the bytes of whatever else stands in data", () => {
    expect(body("secrets", { data: { a: null, b: "", c: 17, d: { e: "f" }, g: [1] }, stringData: "all" })).toEqual({
      data: { a: null, b: "", c: hash("17"), d: hash('{"e":"f"}'), g: hash("[1]") },
      stringData: hash("all"),
    });
  });
  it("hashes the text of data that is not base64", () => {
    expect(body("secrets", { data: { a: "not base64!" } })).toEqual({ data: { a: hash("not base64!") } });
  });
  it("leaves ConfigMaps alone by default", () => {
    const object = { kind: "ConfigMap", data: { a: "x" }, binaryData: { b: "eA==" } };
    expect(body("configmaps", object)).toEqual(object);
  });
  it("hashes a ConfigMap's members in a Secret, and the other way round", () => {
    const object = (kind: string, a: string, b: string) => ({ kind, binaryData: { a }, stringData: { b } });
    expect(body("x", object("Secret", base64("x"), "y"))).toEqual(object("Secret", hash("x"), hash("y")));
    expect(body("x", object("ConfigMap", base64("x"), "y"), { configMaps: true })).toEqual(
      object("ConfigMap", hash("x"), hash("y")),
    );
    const patch = (value: string) => [{ op: "add", path: "/binaryData/a", value }];
    expect(body("secrets", patch(base64("x")))).toEqual(patch(hash("x")));
  });
  it("treats ConfigMaps as Secrets when asked to", () => {
    const object = { kind: "ConfigMap", data: { a: "x" }, binaryData: { b: base64("x") } };
    const clean = { kind: "ConfigMap", data: { a: hash("x") }, binaryData: { b: hash("x") } };
    expect(body("configmaps", object, { configMaps: true })).toEqual(clean);
    expect(body("x", object, { configMaps: true })).toEqual(clean);
    expect(body("configmaps", { data: { a: "x" } }, { configMaps: true })).toEqual({ data: { a: hash("x") } });
  });
});

describe("Patches", () => {
  it.each([
    ["a value of data", "/data/a", base64("x"), hash("x")],
    ["a value of stringData", "/stringData/a", "x", hash("x")],
    ["the whole of data", "/data", { a: base64("x") }, { a: hash("x") }],
    [
      "the whole document",
      "",
      { kind: "Secret", data: { a: base64("x") } },
      { kind: "Secret", data: { a: hash("x") } },
    ],
    ["a key with a slash and a tilde in it", "/data/~0a~1b", base64("x"), hash("x")],
    ["an object where a value is expected", "/data/a", { b: 1 }, hash('{"b":1}')],
    ["null", "/data/a", null, null],
    ["something else", "/metadata/labels/a", "x", "x"],
  ])("redacts a JSON patch of a Secret that sets %s", (_, path, value, clean) => {
    for (const op of ["add", "replace", "test", "no-such-op"]) {
      expect(body("secrets", [{ op, path, value }])).toEqual([{ op, path, value: clean }]);
      expect(body("secrets", [{ value, path, op }])).toEqual([{ value: clean, path, op }]);
    }
  });
  it.each([
    ["a variable's value", "/spec/containers/0/env/0/value", "x", hash("x")],
    ["a variable's name", "/spec/containers/0/env/0/name", "PASSWORD", "PASSWORD"],
    [
      "a variable",
      "/spec/containers/0/env/-",
      { name: "PASSWORD", value: "x" },
      { name: "PASSWORD", value: hash("x") },
    ],
    [
      "all variables",
      "/spec/containers/0/env",
      [{ name: "PASSWORD", value: "x" }],
      [{ name: "PASSWORD", value: hash("x") }],
    ],
    ["a variable as text", "/spec/env/-", "PASSWORD=x", `PASSWORD=${hash("x")}`],
    ["a variable of a map", "/spec/env/PASSWORD", "x", hash("x")],
    ["any variable of a map", "/spec/env/LEVEL", "x", hash("x")],
    [
      "a container",
      "/spec/containers/-",
      { env: [{ name: "KEY", value: "x" }] },
      { env: [{ name: "KEY", value: hash("x") }] },
    ],
    ["all arguments", "/spec/containers/0/args", ["--password", "x"], ["--password", hash("x")]],
    ["one argument", "/spec/containers/0/args/1", "x", hash("x")],
    ["one flag", "/spec/containers/0/args/1", "--password=x", `--password=${hash("x")}`],
    ["a harmless flag", "/spec/containers/0/command/1", "--verbose", "--verbose"],
    [
      "an applied object",
      "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
      '{"kind":"Secret","stringData":{"a":"x"}}',
      `{"kind":"Secret","stringData":{"a":"${hash("x")}"}}`,
    ],
    ["annotations", "/metadata/annotations", { [LAST_APPLIED]: "no JSON" }, { [LAST_APPLIED]: hash("no JSON") }],
  ])("redacts a JSON patch that sets %s", (_, path, value, clean) => {
    expect(body("pods", [{ op: "add", path, value }])).toEqual([{ op: "add", path, value: clean }]);
  });
  it("redacts merge and strategic merge patches", () => {
    expect(body("secrets", { data: { a: base64("x"), b: null }, metadata: { labels: { c: "d" } } })).toEqual({
      data: { a: hash("x"), b: null },
      metadata: { labels: { c: "d" } },
    });
    const $setElementOrder = { "$setElementOrder/env": [{ name: "TOKEN" }] };
    expect(
      body("deployments", {
        spec: { template: { spec: { containers: [{ ...$setElementOrder, env: [{ name: "TOKEN", value: "x" }] }] } } },
      }),
    ).toEqual({
      spec: {
        template: { spec: { containers: [{ ...$setElementOrder, env: [{ name: "TOKEN", value: hash("x") }] }] } },
      },
    });
  });
});

describe("Copies in strings", () => {
  const applied = (text: string) => ({ kind: "X", metadata: { annotations: { [LAST_APPLIED]: text } } });

  it("redacts the applied object in the annotation and leaves the rest of its text unchanged", () => {
    expect(body("secrets", applied('{"kind":"Secret", "data":{"a":"eA==","n":12345678901234567890}}\n'))).toEqual(
      applied(`{"kind":"Secret", "data":{"a":"${hash("x")}","n":"${hash("12345678901234567890")}"}}\n`),
    );
  });
  it("redacts variables in an applied Deployment", () => {
    expect(
      body("deployments", applied('{"spec":{"env":[{"name":"PASSWORD","value":"x"},{"name":"A","value":"b"}]}}')),
    ).toEqual(
      applied(`{"spec":{"env":[{"name":"PASSWORD","value":"${hash("x")}"},{"name":"A","value":"${hash("b")}"}]}}`),
    );
  });
  it("hashes the whole annotation if it is no JSON of an object", () => {
    for (const text of ['{"kind":"Secret","data":{"a":"eA', "plain", '"string"', "[1,"]) {
      expect(body("x", applied(text))).toEqual(applied(hash(text)));
    }
  });
  it("redacts JSON in any other string, and JSON in strings of that", () => {
    const inner = { kind: "Secret", data: { a: base64("x") } };
    const clean = { kind: "Secret", data: { a: hash("x") } };
    const wrap = (object: object) => ({ spec: { note: ` ${JSON.stringify({ inner: JSON.stringify(object) })}` } });
    expect(body("x", wrap(inner))).toEqual(wrap(clean));
  });
  it("redacts the objects of a list in JSON that have a path but are not operations of a patch", () => {
    const list = (value: string, inSecret = "/y") => [
      { path: "/x", env: [{ name: "A", value }] },
      { path: inSecret, kind: "Secret", metadata: {}, stringData: { a: value } },
      { path: "/z", value: 1, args: ["--password", value] },
    ];
    expect(body("x", { note: JSON.stringify(list("x")) })).toEqual({
      note: JSON.stringify(list(hash("x"), hash("/y"))),
    });
  });
  it("hashes JSON that goes deeper than it follows", () => {
    let text = JSON.stringify({ kind: "Secret", data: { a: base64("deep-secret") } });
    for (let level = 0; level < 6; level++) text = JSON.stringify({ level: text });
    expect(JSON.stringify(body("x", { note: text }))).not.toContain(base64("deep-secret"));
  });
  it("hashes JSON of an object with a trace of a secret that is cut off", () => {
    const text = '{"env":[{"name":"PASSWORD","value":"x';
    expect(body("x", { note: text })).toEqual({ note: hash(text) });
  });
  it("leaves text alone that only begins like JSON", () => {
    const object = { note: '{"json": [1]} and more', other: '[spec.x: Invalid value: "y"]' };
    expect(body("x", object)).toEqual(object);
  });
});

describe("Tokens and certificate requests", () => {
  it("redacts status.token of a TokenRequest", () => {
    const { responseObject } = redact({
      objectRef: ref("serviceaccounts", { subresource: "token" }),
      responseObject: { kind: "TokenRequest", status: { token: "opaque", expirationTimestamp: "t" } },
    });
    expect(responseObject).toEqual({
      kind: "TokenRequest",
      status: { token: hash("opaque"), expirationTimestamp: "t" },
    });
  });
  it("redacts spec.token of a TokenReview, by resource and by kind", () => {
    expect(body("tokenreviews", { spec: { token: "opaque" } })).toEqual({ spec: { token: hash("opaque") } });
    expect(body("x", { kind: "TokenReview", spec: { token: "opaque" } })).toEqual({
      kind: "TokenReview",
      spec: { token: hash("opaque") },
    });
  });
  it("redacts the error of a TokenReview, and no other error", () => {
    const status = (error: string) => ({ status: { authenticated: false, error } });
    expect(body("tokenreviews", status("unknown token: opaque"))).toEqual(status(hash("unknown token: opaque")));
    expect(body("serviceaccounts", status("no"))).toEqual(status("no"));
  });
  it("redacts request and certificate of a CertificateSigningRequest if they are something else", () => {
    const object = {
      kind: "CertificateSigningRequest",
      spec: { request: base64("r"), usages: ["u"] },
      status: { certificate: base64("c") },
    };
    const clean = { ...object, spec: { request: hash("r"), usages: ["u"] }, status: { certificate: hash("c") } };
    expect(body("x", object)).toEqual(clean);
    expect(body("certificatesigningrequests", { spec: { request: base64("r") } })).toEqual({
      spec: { request: hash("r") },
    });
  });
});

describe("Custom resources with credentials of their own", () => {
  it.each([
    ["users", (value: string) => ({ kind: "User", spec: { email: "u@example.com", password: value } })],
    ["users", (value: string) => ({ currentPassword: value, password: value })],
    ["clusters", (value: string) => ({ kind: "Cluster", spec: { connection: { type: "direct", token: value } } })],
    ["tokens", (value: string) => ({ kind: "Token", token: value, ttl: 0 })],
    [
      "kubeadmconfigs",
      (token: string) => ({ spec: { joinConfiguration: { discovery: { bootstrapToken: { token, unsafe: true } } } } }),
    ],
    [
      "virtualmachines",
      (userData: string) => ({ spec: { template: { spec: { volumes: [{ cloudInitNoCloud: { userData } }] } } } }),
    ],
    ["virtualmachineinstances", (userDataBase64: string) => ({ spec: { volumes: [{ a: { userDataBase64 } }] } })],
  ])("are known by their resource: %s", (resource, object) => {
    expect(body(resource, object("x"))).toEqual(object(hash("x")));
    expect(body(resource, { items: [object("x")] })).toEqual({ items: [object(hash("x"))] });
    expect(body("widgets", object("x"))).toEqual(object("x"));
  });
  it("are read in patches and copies, too", () => {
    const patch = (value: string) => [{ op: "replace", path: "/spec/password", value }];
    expect(body("users", patch("x"))).toEqual(patch(hash("x")));
    const copy = (password: string) => ({
      metadata: {
        annotations: { "kubectl.kubernetes.io/last-applied-configuration": JSON.stringify({ spec: { password } }) },
      },
    });
    expect(body("users", copy("x"))).toEqual(copy(hash("x")));
  });
});

describe("Container environments", () => {
  it.each(["DB_PASSWORD", "LOG_LEVEL", "JAVA_OPTS"])("redacts the value of %s, and keeps the name", (name) => {
    expect(body("pods", env({ name, value: "x" }))).toEqual(env({ name, value: hash("x") }));
  });
  it("keeps references to Secrets, and empty values", () => {
    const object = env(
      { name: "PASSWORD", valueFrom: { secretKeyRef: { name: "s", key: "k" } } },
      { name: "EMPTY_KEY", value: "" },
    );
    expect(body("pods", object)).toEqual(object);
  });
  it("keeps a label that is called env", () => {
    const object = { metadata: { labels: { env: "prod" } }, spec: { selector: { matchLabels: { env: "prod" } } } };
    expect(body("deployments", object)).toEqual(object);
  });
  it("finds them wherever an env stands: templates, init and ephemeral containers, custom resources", () => {
    const spec = (value: string) => ({
      initContainers: [{ env: [{ name: "KEY", value }] }],
      ephemeralContainers: [{ env: [{ value, name: "KEY" }] }],
    });
    const tree = (value: string) => ({ spec: { jobTemplate: { spec: { template: { spec: spec(value) } } } } });
    expect(body("cronjobs", tree("x"))).toEqual(tree(hash("x")));
  });
  it("redacts other forms of an env: maps, NAME=value, values without a name", () => {
    expect(body("x", { env: { PASSWORD: "x", LEVEL: "y" } })).toEqual({
      env: { PASSWORD: hash("x"), LEVEL: hash("y") },
    });
    const nested = (value: string) => ({ secret: { PASSWORD: value }, LEVEL: { value }, LIST: [{ value }] });
    const from = { secretKeyRef: { name: "db", key: "password" } };
    const references = { TOKEN: { valueFrom: from }, KEY: from };
    expect(body("x", { env: { ...nested("x"), ...references } })).toEqual({
      env: { ...nested(hash("x")), ...references },
    });
    expect(body("x", { env: ["PASSWORD=x", "LEVEL=y"] })).toEqual({
      env: [`PASSWORD=${hash("x")}`, `LEVEL=${hash("y")}`],
    });
    expect(body("x", { env: [{ value: "x" }] })).toEqual({ env: [{ value: hash("x") }] });
  });
});

describe("Command lines", () => {
  it.each([
    [
      ["--password", "x"],
      ["--password", hash("x")],
    ],
    [["--password=x"], [`--password=${hash("x")}`]],
    [["--db-password=x y"], [`--db-password=${hash("x y")}`]],
    [
      ["-p", "x"],
      ["-p", hash("x")],
    ],
    [
      ["redis-server", "--requirepass", "x", "--masterauth", "y"],
      ["redis-server", "--requirepass", hash("x"), "--masterauth", hash("y")],
    ],
    [
      ["--dbpassword=x", "-storepass", "y", "--passwords-file=/z"],
      [`--dbpassword=${hash("x")}`, "-storepass", hash("y"), "--passwords-file=/z"],
    ],
    [
      ["--token", "--looks-like-a-flag"],
      ["--token", hash("--looks-like-a-flag")],
    ],
    [["--secret-anything=x"], [`--secret-anything=${hash("x")}`]],
    [
      ["--api-key", "x", "--apiKey=y"],
      ["--api-key", hash("x"), `--apiKey=${hash("y")}`],
    ],
    [
      ["PASSWORD=x", "LEVEL=y"],
      [`PASSWORD=${hash("x")}`, `LEVEL=${hash("y")}`],
    ],
    [
      ["--feature-gates=A=true,B=false", "--labels=a=b"],
      ["--feature-gates=A=true,B=false", `--labels=a=${hash("b")}`],
    ],
    [
      ["-DKEY=x", "-ddb.password=x"],
      [`-DKEY=${hash("x")}`, `-ddb.password=${hash("x")}`],
    ],
    [["--set=db.password=x"], [`--set=db.password=${hash("x")}`]],
    [["--url=amqp://u:p@h/v"], [`--url=amqp://u:${hash("p")}@h/v`]],
    [
      ["-u", "admin:x"],
      ["-u", hash("admin:x")],
    ],
    [
      ["-uadmin:x", "-u", "-v"],
      [`-u${hash("admin:x")}`, "-u", "-v"],
    ],
    [
      ["curl", "--proxy-user", "a:x", "-U", "a:x"],
      ["curl", "--proxy-user", hash("a:x"), "-U", hash("a:x")],
    ],
    [
      ["/usr/bin/redis-cli", "-h", "redis", "-a", "x"],
      ["/usr/bin/redis-cli", "-h", "redis", "-a", hash("x")],
    ],
    [
      ["ldapsearch", "-x", "-wx", "-b", "dc"],
      ["ldapsearch", "-x", `-w${hash("x")}`, "-b", "dc"],
    ],
    [
      ["sqlcmd", "-U", "sa", "-P", "x"],
      ["sqlcmd", "-U", "sa", "-P", hash("x")],
    ],
    [
      ["openssl", "rsa", "-passin", "pass:x"],
      ["openssl", "rsa", "-passin", hash("pass:x")],
    ],
    [["ls", "-a", "/x"], undefined],
    [["psql", "-U", "postgres", "-w"], undefined],
    [
      ["-H", "Authorization: Bearer x"],
      ["-H", `Authorization: ${hash("Bearer x")}`],
    ],
    [
      ["--header=X-Api-Key:x", "--header=X-Api-Key: x", "--header=Accept: text/plain"],
      [`--header=X-Api-Key:${hash("x")}`, `--header=X-Api-Key: ${hash("x")}`, "--header=Accept: text/plain"],
    ],
    [
      ["-H", "Accept: text/plain"],
      ["-H", "Accept: text/plain"],
    ],
    [
      ["mysql", "-px"],
      ["mysql", `-p${hash("x")}`],
    ],
    [["-pS3cret"], [`-p${hash("S3cret")}`]],
    [
      ["--jwt", JWT],
      ["--jwt", hash(JWT)],
    ],
    [
      ["echo", JWT],
      ["echo", hash(JWT)],
    ],
    [
      ["--pem", PEM],
      ["--pem", hash(PEM)],
    ],
    [["https://a@h/?x=y&z"], [`https://${hash("a")}@h/?x=${hash("y")}&z`]],
    [
      ["kubeadm", "join", "abcdef.0123456789abcdef"],
      ["kubeadm", "join", hash("abcdef.0123456789abcdef")],
    ],
    [["--node=$(NODE)", "--file=/a/b.c", "-c", "id", "-la", "k8s.io/a@sha256:01"], undefined],
    [["--token-file=/t", "--enable-token-auth=true", "--port=80", "-port=80", "auth-service:80"], undefined],
    [
      ["sh", "-c", "mysql -uroot -px <dump.sql"],
      ["sh", "-c", hash("mysql -uroot -px <dump.sql")],
    ],
    [
      ["a|b", "a;b", "a'b", "--run=a b"],
      [hash("a|b"), hash("a;b"), hash("a'b"), `--run=${hash("a b")}`],
    ],
    [
      ["say", "Authorization:", "Bearer", "x"],
      ["say", "Authorization:", "Bearer", hash("x")],
    ],
  ])("redacts %j", (words, clean = words) => {
    expect(body("pods", pod({ args: words }))).toEqual(pod({ args: clean }));
    expect(body("pods", pod({ command: words }))).toEqual(pod({ command: clean }));
  });
  it("reads args as what follows the command, in either order", () => {
    const lines = [
      [
        ["mysql", "--password"],
        ["x", "-v"],
        [hash("x"), "-v"],
      ],
      [
        ["redis-cli", "-h"],
        ["db", "-a", "x"],
        ["db", "-a", hash("x")],
      ],
      [["/usr/bin/mysql"], ["-px", "shop"], [`-p${hash("x")}`, "shop"]],
      [
        ["login", "-u"],
        ["-v", "x"],
        ["-v", "x"],
      ],
      [["app"], ["x", "-pretty"], ["x", "-pretty"]],
    ];
    for (const [command, args, clean] of lines) {
      expect(body("pods", pod({ command, args }))).toEqual(pod({ command, args: clean }));
      expect(body("pods", pod({ args, env: [], command }))).toEqual(pod({ args: clean, env: [], command }));
    }
  });
  it("does not take the arguments of one container for another's", () => {
    const containers = [{ command: ["mysql", "--password"] }, { args: ["x"] }, { command: ["a"], args: ["-pretty"] }];
    expect(body("pods", { spec: { containers } })).toEqual({ spec: { containers } });
  });
  it("reads a command that is one string", () => {
    expect(body("x", { command: "run --password x" })).toEqual({ command: hash("run --password x") });
  });
});

describe("Secrets known by their shape", () => {
  it("redacts tokens, keys and passwords of URLs within any string of a body", () => {
    const note = (token: string, key: string, password: string) => ({
      spec: { note: `a ${token}, ${key}; https://u:${password}@h/p` },
    });
    expect(body("x", note(JWT, PEM, "pä@ss"))).toEqual(note(hash(JWT), hash(PEM), hash("pä@ss")));
  });
  it("redacts the credentials of each URL where no white space separates them", () => {
    const list = (token: string, password: string) => ({
      a: `https://h/x,https://u:${password}@h/y`,
      b: `https://h:80/x?to=redis://u:${password}@h`,
      c: `https://${token}@h,https://h:80/x,https://u:${password}@h`,
    });
    expect(body("x", list("t", "p"))).toEqual(list(hash("t"), hash("p")));
  });
  it("redacts a URL's user whose name holds an @ together with the password", () => {
    const urls = (first: string, second: string) => ({
      a: `smtp://${first}@mail.example.com:465/?from=a@b`,
      b: `https://${second}@h/x`,
      c: "docker://app@sha256:01,docker://b@sha256:02",
    });
    expect(body("x", urls("jane@example.com:pa@ss", "to@ken"))).toEqual(
      urls(hash("jane@example.com:pa@ss"), hash("to@ken")),
    );
  });
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGHIJKLMNOPQRSTUV";
  it.each([
    `ghp_${letters}`,
    `gho_${letters}`,
    `ghu_${letters}`,
    `ghs_${letters}`,
    `ghr_${letters}`,
    "github_pat_11AAAAAAA0bbbbbbbbbbbb_ccccccccccccccccc",
    "glpat-abcdefghij-klmnopqrs_",
    "xoxb-0123456789-0123456789-abcdefghijkl",
    "xoxp-0123456789-0123456789-abcdefghijkl",
    "hooks.slack.com/services/T00000000/B00000000/abcdefghijkl",
    "hvs.CAESIJ0123456789abcdefghijk",
    "dckr_pat_abcdefghij-klmnopqrs",
    `AIza${letters.slice(0, 35)}`,
    `AGE-SECRET-KEY-1${letters}`,
  ])("redacts a token that tells its issuer, wherever it stands: %s", (token) => {
    const object = (value: string) => ({
      kind: "ConfigMap",
      data: { a: `x: "${value}"\\n${value}"\n`, b: `url=https://${value}` },
      spec: { containers: [{ args: ["login", value] }] },
    });
    expect(body("configmaps", object(token))).toEqual(object(hash(token)));
    expect(redact({ userAgent: `a ${token}`, requestURI: `/x?q=a%2F${token}` })).toMatchObject({
      userAgent: `a ${outside(token)}`,
      requestURI: `/x?q=a%2F${outside(token)}`,
    });
  });
  it("leaves text alone that only begins like such a token", () => {
    const object = {
      a: "ghp_ is how they begin",
      b: `${base64("x".repeat(30))}AIza${letters}`,
      c: "hvs.short",
      d: "AIza",
      e: "xoxb-<token>",
    };
    expect(body("x", object)).toEqual(object);
  });
  it("redacts a key without an end, and an encrypted token", () => {
    const cut = "-----BEGIN PRIVATE KEY-----\nMII";
    const encrypted = "eyJhbGciOiJkaXIifQ..aXY.Y2lwaGVy.dGFn";
    expect(body("x", { a: `k: ${cut}`, b: encrypted })).toEqual({ a: `k: ${hash(cut)}`, b: hash(encrypted) });
  });
  it.each([
    ["in YAML", "kind: Secret\nstringData:\n  a: x"],
    ["in YAML with quotes", 'a: b\n---\n"kind": "Secret"\n"stringData":\n  "a": "x"'],
    ["in YAML with a quoted kind", 'kind: "SecretList"\nitems: []'],
    ["in YAML with a kind in single quotes", "kind: 'Secret'\nstringData:\n  a: x"],
    ["in YAML with single quotes", "'kind':'Secret'\n'stringData': {'a': 'x'}"],
    ["in YAML with aligned values", "apiVersion: v1\nkind:       Secret\nstringData: {a: x}"],
    ["in YAML with a quoted key", '"kind": Secret\n"stringData": {"a": "x"}'],
    ["in JSON in a quoted text", 'a: "{\\"kind\\":\\"Secret\\",\\"stringData\\":{\\"a\\":\\"x\\"}}"'],
    ["in YAML on one line", "{kind: Secret, stringData: {a: x}}"],
    ["in JSON behind other text", 'applied {"kind":"Secret","stringData":{"a":"x"}}'],
  ])("redacts a Secret %s, in a string", (_, text) => {
    expect(body("x", { spec: { note: text } })).toEqual({ spec: { note: hash(text) } });
    expect(redact({ annotations: { a: text }, objectRef: ref("pods") })).toMatchObject({
      annotations: { a: hash(text) },
    });
  });
  it.each(['"kind": "SecretStore"', "kind: SecretStore", "kind: 'SecretProviderClass'", "no kind of Secret"])(
    "leaves what only begins like a Secret's kind alone: %s",
    (note) => {
      expect(body("x", { spec: { note, copy: base64(note) } })).toEqual({ spec: { note, copy: base64(note) } });
    },
  );
  it.each([
    ["a Secret in YAML", "apiVersion: v1\nkind: Secret\nstringData:\n  a: x\n"],
    ["a Secret in indented JSON", JSON.stringify({ kind: "Secret", stringData: { a: "x" } }, null, 2)],
    ["Secrets in a list", JSON.stringify([{ kind: "Secret", stringData: { a: "x" } }], null, 1)],
    ["a docker config in indented JSON", JSON.stringify({ auths: { r: { auth: "x" } } }, null, "\t")],
    ["variables in indented JSON", JSON.stringify({ spec: [{ env: [{ name: "A", value: "x" }] }] }, null, 4)],
    ["a token in indented JSON", JSON.stringify({ users: [{ user: { token: "x" } }] }, null, 1)],
    ["a password in indented JSON", JSON.stringify({ password: "x" }, null, "\t")],
  ])("redacts base64 of %s, wherever it begins", (_, text) => {
    for (const lead of ["", "\n", "# "]) {
      const copy = base64(lead + text);
      expect(body("x", { note: `copy: ${copy}` })).toEqual({ note: `copy: ${hash(lead + text)}` });
    }
  });
  it("redacts the credentials for a registry in a docker config, as an object, in JSON and in base64", () => {
    const config = (auth: string, password: string) => ({
      auths: { "registry.test": { auth, username: "u", password, email: "u@registry.test" }, other: {} },
      credsStore: "none",
    });
    const file = JSON.stringify(config("eA==", "x"));
    const object = {
      kind: "ConfigMap",
      data: { "config.json": file },
      spec: { copy: base64(file), ...config("eA==", "x") },
    };
    expect(body("configmaps", object)).toEqual({
      kind: "ConfigMap",
      data: { "config.json": JSON.stringify(config(hash("eA=="), hash("x"))) },
      spec: { copy: hash(base64(file)), ...config(hash("eA=="), hash("x")) },
    });
    const patch = (auth: string) => [{ op: "add", path: "/spec/auths/registry.test/auth", value: auth }];
    expect(body("x", patch("eA=="))).toEqual(patch(hash("eA==")));
  });
  it("redacts base64 of them, wherever it begins", () => {
    for (const lead of ["", "a", "ab"]) {
      const copy = base64(`${lead} token: ${JWT}`);
      expect(body("x", { note: `copy=${copy}.` })).not.toContain(copy);
      const { note } = body("x", { note: `(${copy})` }) as { note: string };
      expect(note).toBe(`(${hash(`${lead} token: ${JWT}`)})`);
    }
  });
  it("leaves certificates, images, ports and other base64 alone", () => {
    const object = {
      a: "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----",
      b: "docker-pullable://registry.test/app@sha256:0123",
      c: "https://host:8080/a@b",
      d: "eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ",
      e: "user@host",
      f: base64("eyJ and nothing else"),
    };
    expect(body("x", object)).toEqual(object);
  });
  it("redacts them outside of the bodies", () => {
    const url = (password: string) => `http://u:${password}@h/`;
    const event = (token: string, inNamespace: string, password: string) => ({
      userAgent: `curl ${token}`,
      user: { username: "u", extra: { x: [token] } },
      responseStatus: { code: 400, message: `bad ${token} ${url(password)}` },
      annotations: { note: `is ${inNamespace}` },
      objectRef: ref("pods"),
    });
    expect(redact(event(JWT, JWT, "p"))).toEqual(event(outside(JWT), hash(JWT), outside("p")));
  });
  it("redacts a JSON patch that an admission webhook's annotation holds", () => {
    const patch = (value: string) => ({
      annotations: {
        "patch.webhook.admission.k8s.io/round_0_index_0": JSON.stringify({
          patch: [{ op: "add", path: "/x", value: { env: [{ name: "KEY", value }] } }],
        }),
      },
      objectRef: ref("pods"),
    });
    expect(redact(patch("x"))).toEqual(patch(hash("x")));
  });
  it("looks into any array or object in an annotation's string, whatever comes first in it", () => {
    const event = (...tokens: string[]) => ({
      annotations: { a: JSON.stringify([null, tokens[0]]), b: ` ${JSON.stringify({ x: tokens[1] })}` },
      objectRef: ref("pods"),
    });
    expect(redact(event(base64(JWT), base64(PEM)))).toEqual(event(hash(JWT), hash(PEM)));
  });
});

describe("requestURI", () => {
  const uri = (requestURI: string) => redact({ requestURI }).requestURI;

  it.each([
    ["/x?token=a%20b&watch=true", `/x?token=${outside("a b")}&watch=true`],
    ["/x?access_token=a;Password=b", `/x?access_token=${outside("a")};Password=${outside("b")}`],
    ["/x?to%6ben=a+b", `/x?to%6ben=${outside("a b")}`],
    [
      "/exec?command=sh&command=-c&command=mysql%20-px&stdin=true",
      `/exec?command=sh&command=-c&command=${outside("mysql -px")}&stdin=true`,
    ],
    [
      "/exec?command=login&command=--password&command=x&tty=true",
      `/exec?command=login&command=--password&command=${outside("x")}&tty=true`,
    ],
    [`/p?q=${JWT}`, `/p?q=${outside(JWT)}`],
    [`/proxy/${JWT}/x`, `/proxy/${outside(JWT)}/x`],
    [
      "/api/v1/pods/p/proxy/x?a=b&limit=1&c",
      `/api/v1/pods/p/proxy/x?a=${outside("b")}&limit=${outside("1")}&${outside("c")}`,
    ],
    ["/api/v1/nodes/n/proxy?a=b", `/api/v1/nodes/n/proxy?a=${outside("b")}`],
    ["/p?u=http%3A%2F%2Fu%3Ap%40h", `/p?u=http:%2F%2Fu:${outside("p")}%40h`],
    ["/p?labelSelector=http%3A%2F%2Fu%3Ap%40h", `/p?labelSelector=http:%2F%2Fu:${outside("p")}%40h`],
  ])("redacts %s", (before, after) => {
    expect(uri(before)).toBe(after);
  });
  it.each([
    "/api/v1/pods?labelSelector=app%3Dx%2Ctier%21%3Db&limit=500&resourceVersion=0&timeout=5m&watch=true",
    "/api/v1/pods?continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ&limit=1",
    "/exec?command=ls&command=-la&container=c",
    "/x?token=",
    "/x?token",
    "/x?%zz=%",
    "/x?",
  ])("leaves %s alone", (text) => {
    expect(uri(text)).toBe(text);
  });
});

describe("Hash domains", () => {
  const secret = { kind: "Secret", metadata: { namespace: "other" }, data: { a: base64("x") } };

  it("separates namespaces by default, using the one that was asked for, not the one that the body claims", () => {
    const { requestObject } = redact({ objectRef: { resource: "secrets", namespace: "shop" }, requestObject: secret });
    expect(requestObject).toMatchObject({ data: { a: hashIn("shop", "x") } });
    const cluster = redact({ objectRef: { resource: "secrets" }, requestObject: secret });
    expect(cluster.requestObject).toMatchObject({ data: { a: hashIn("", "x") } });
  });
  it("takes the namespace of each object where a response spans several", () => {
    const items = [secret, { ...secret, metadata: { namespace: "third" } }, { data: secret.data }];
    const { responseObject } = redact({ objectRef: { resource: "secrets" }, responseObject: { items } });
    expect((responseObject as { items: unknown[] }).items).toMatchObject([
      { data: { a: hashIn("other", "x") } },
      { data: { a: hashIn("third", "x") } },
      { data: { a: hashIn("", "x") } },
    ]);
  });
  it("has one domain under scope cluster", () => {
    const clean = redact(
      { objectRef: ref("secrets"), requestObject: secret, requestURI: "/x?token=x" },
      { scope: "cluster" },
    );
    expect(clean).toMatchObject({
      requestObject: { data: { a: hashIn("", "x") } },
      requestURI: `/x?token=${hashIn("", "x")}`,
    });
  });
});
