import { describe, expect, it } from "vitest";
import { parsePath } from "../../plugins/stages/redact/path.js";
import type { RuleOptions } from "../../plugins/stages/redact/rules.js";
import { Field } from "../../src/plugin/index.js";
import { documentOf, goJson, load, loadEvents, type RedactOptions, redactOptions, redactStage } from "./support.js";

const HASH = expect.stringMatching(/^hmac:[\w-]{8}:[\w-]{22}$/);

/** The document of an event without our members. */
function redact(event: object, options: RedactOptions): Record<string, unknown> {
  const batch = loadEvents({ verb: "update", ...event });
  redactStage(options).run(batch);
  const { "@timestamp": _time, auditship: _ours, verb: _verb, ...rest } = JSON.parse(documentOf(batch));
  return rest;
}

/** A body of a Widget under one rule, and no profile but where it is named. */
function widget(body: unknown, rule: Partial<RuleOptions>, profile: RedactOptions["profile"] = "off"): unknown {
  const objectRef = { resource: "widgets", apiGroup: "example.com", namespace: "shop" };
  return redact({ objectRef, requestObject: body }, { profile, rules: [rule] }).requestObject;
}

describe("Paths", () => {
  it.each([
    ["a.b", { a: { b: "x", c: "y" } }, { a: { b: HASH, c: "y" } }],
    ["$.a", { a: "x" }, { a: HASH }],
    [".a", { a: "x" }, { a: HASH }],
    ["a[*].b", { a: [{ b: "x" }, { b: 1 }, { c: "y" }] }, { a: [{ b: HASH }, { b: HASH }, { c: "y" }] }],
    ["a[1]", { a: ["x", "y"] }, { a: ["x", HASH] }],
    ['a["b.c/d"]', { a: { "b.c/d": "x" } }, { a: { "b.c/d": HASH } }],
    ["a.*.b", { a: { x: { b: 1 }, y: { b: null } } }, { a: { x: { b: HASH }, y: { b: null } } }],
    ["a..b", { b: "y", a: { b: "x", c: [{ b: "x" }] } }, { b: "y", a: { b: HASH, c: [{ b: HASH }] } }],
    ["a", { a: { b: "x" }, c: 1 }, { a: HASH, c: 1 }],
    ["a.b", { a: "x" }, { a: "x" }],
    ["a", { items: [{ a: "x" }], kind: "WidgetList" }, { items: [{ a: HASH }], kind: "WidgetList" }],
    ["a", { type: "ADDED", object: { a: "x" } }, { type: "ADDED", object: { a: HASH } }],
    ["a", { rows: [{ cells: ["n"], object: { a: "x" } }] }, { rows: [{ cells: ["n"], object: { a: HASH } }] }],
    ["a.b", [{ op: "add", path: "/a/b", value: "x" }], [{ op: "add", path: "/a/b", value: HASH }]],
    [
      "a.b",
      [{ op: "add", path: "/a", value: { b: "x", c: 1 } }],
      [{ op: "add", path: "/a", value: { b: HASH, c: 1 } }],
    ],
    ["a.b", [{ op: "add", path: "/a/b/c", value: "x" }], [{ op: "add", path: "/a/b/c", value: HASH }]],
    ['a["b/c"]', [{ op: "add", path: "/a/b~1c", value: "x" }], [{ op: "add", path: "/a/b~1c", value: HASH }]],
    ["a[*]", [{ op: "add", path: "/a/-", value: "x" }], [{ op: "add", path: "/a/-", value: HASH }]],
    ["a.b", [{ op: "add", path: "/a/c", value: "x" }], [{ op: "add", path: "/a/c", value: "x" }]],
  ])("%s finds what it means in %j", (path, before, after) => {
    expect(widget(before, { paths: [path] })).toEqual(after);
    expect(widget(before, { paths: [path] }, "default")).toEqual(after);
  });

  it.each(["", "$", "a..", "a[", "a[b]", "a b", "a[0]b", ".."])(
    "%j cannot be read, and is refused with the configuration",
    (path) => {
      expect(() => parsePath(path)).toThrow(/path/);
    },
  );

  it("apply to the applied copy of an object", () => {
    const applied = (a: unknown) => ({ "kubectl.kubernetes.io/last-applied-configuration": a });
    const clean = widget({ metadata: { annotations: applied('{"a":"x"}') } }, { paths: ["a"] }, "default");
    const { metadata } = clean as { metadata: { annotations: Record<string, string> } };
    expect(Object.values(metadata.annotations).map((text) => JSON.parse(text))).toEqual([{ a: HASH }]);
  });

  it("find every occurrence of a key that is duplicated or escaped", () => {
    const [stage, batch] = [
      redactStage({ profile: "off", rules: [{ paths: ["spec.a"] }] }),
      loadEvents({ objectRef: { resource: "x" }, requestObject: { spec: { a: "planted", b: 1 } } }),
    ];
    stage.run(batch);
    expect(documentOf(batch)).not.toContain("planted");
  });
});

describe("Actions", () => {
  it.each([
    ["mask", { a: "x", b: 1 }, { a: "***", b: 1 }],
    ["mask", { a: { c: "x" }, b: 1 }, { a: "***", b: 1 }],
    ["drop", { a: "x", b: 1 }, { b: 1 }],
    ["drop", { b: 1, a: "x" }, { b: 1 }],
    ["drop", { b: 1, a: { x: 1 }, c: 2 }, { b: 1, c: 2 }],
    ["drop", { a: null }, {}],
    ["truncate", { a: "abcdefgh" }, { a: "abcd…" }],
    ["truncate", { a: "abcd" }, { a: "abcd" }],
    ["truncate", { a: 123456 }, { a: 123456 }],
    ["truncate", { a: ["abcdefgh"] }, { a: HASH }],
  ] as const)("%s makes of %j what it should", (action, before, after) => {
    expect(widget(before, { paths: ["a"], action, keep: 4 })).toEqual(after);
  });

  it("drop adjacent items and members, with the commas between them", () => {
    expect(widget({ a: [1, 2, 3], b: 1 }, { paths: ["a[*]"], action: "drop" })).toEqual({ a: [], b: 1 });
    expect(widget({ a: [1, 2, 3] }, { paths: ["a[0]", "a[1]"], action: "drop" })).toEqual({ a: [3] });
    expect(widget({ a: [1, 2, 3] }, { paths: ["a[1]", "a[2]"], action: "drop" })).toEqual({ a: [1] });
    expect(widget({ x: 1, a: 2, y: 3, b: 4, z: 5 }, { paths: ["a", "b", "x"], action: "drop" })).toEqual({
      y: 3,
      z: 5,
    });
  });

  it("come before the profile, which still hides what they leave", () => {
    const env = (value: unknown) => ({ spec: { env: [{ name: "A", value }] } });
    expect(widget(env("secret value"), { paths: ["spec..value"], action: "mask" }, "default")).toEqual(env("***"));
    expect(widget(env("secret value"), { paths: ["spec..value"], action: "truncate", keep: 3 }, "default")).toEqual(
      env(HASH),
    );
    expect(widget(env("secret value"), { paths: ["spec"], action: "drop" }, "default")).toEqual({});
    const url = { a: "http://u:planted@h/ and more" };
    expect(widget(url, { paths: ["a"], action: "truncate", keep: 12 }, "default")).toEqual({
      a: expect.stringMatching(/^http:\/\/u:hmac:\S+@h\/ and more$/),
    });
  });
});

describe("Resources", () => {
  it.each([
    ["widgets", true],
    ["widgets.example.com", true],
    ["*.example.com", true],
    ["*", true],
    ["widgets.example.org", false],
    ["gadgets", false],
  ])("%s holds for widgets.example.com: %s", (resource, holds) => {
    expect(widget({ a: "x" }, { resources: [resource], paths: ["a"] })).toEqual({ a: holds ? HASH : "x" });
  });
});

describe("What a configuration may ask", () => {
  const paths = (count: number) => Array.from({ length: count }, (_, index) => `spec..a${index}`);
  const rules = (count: number, more: object = {}) =>
    Array.from({ length: count }, () => ({ resources: ["*"], paths: ["a"], ...more }));

  it("is 100 rules, 1,000 paths of them together, 1,000 characters a path", () => {
    expect(() => redactStage({ rules: rules(100, { paths: paths(10) }) })).not.toThrow();
    expect(() => redactStage({ rules: rules(101) })).toThrow("101 rules, more than 100");
    expect(() => redactStage({ rules: rules(1, { paths: paths(1001) }) })).toThrow("1001 paths, more than 1000");
    expect(() => parsePath("a".repeat(1000))).not.toThrow();
    expect(() => parsePath("a".repeat(1001))).toThrow("a path of 1001 characters, more than 1000");
  });

  it("is 1,000 paths on a body of 10,000 values, each at the end of one of them", () => {
    const values = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`a${index}`, "planted"]));
    const body = { spec: { items: Array(10).fill({ x: values }) } };
    const clean = widget(body, { paths: paths(1000), action: "mask" });
    const masked = Object.fromEntries(Object.keys(values).map((key) => [key, "***"]));
    expect(clean).toEqual({ spec: { items: Array(10).fill({ x: masked }) } });
  });

  it("takes one pass if an operation of a patch has 5,000 paths and values", () => {
    const twice = (text: string) => Array(5000).fill(text).join(",");
    const patch = `[{"op":"add",${twice('"path":"/spec/x"')},${twice('"value":{"a":"planted","b":[{"a":"planted"}]}')}}]`;
    const line = `{"objectRef":{"resource":"widgets"},"requestObject":${patch}}`;
    const batch = load(`${line}\n`);
    redactStage({ profile: "off", rules: [{ paths: ["spec..a"] }] }).run(batch);
    const clean = documentOf(batch);
    expect(clean).not.toContain("planted");
    expect(clean.match(/hmac:/g)).toHaveLength(10_000);
  });
});

describe("The options", () => {
  it("have a profile, rules and pseudonyms, and nothing else", () => {
    expect(redactOptions({ rules: [{ resources: ["x"], paths: ["a"] }] })).toMatchObject({
      profile: "default",
      rules: [{ action: "hash", keep: 16 }],
      pseudonymize: { users: false, ips: false },
    });
    for (const wrong of [
      { profile: "none" },
      { rules: [{ resources: ["x"], paths: [] }] },
      { pseudonymize: { all: true } },
    ]) {
      expect(() => redactOptions(wrong)).toThrow();
    }
  });
});

describe("Pseudonyms", () => {
  const event = (more: object = {}) => ({
    user: { username: "jane", uid: "u-1", groups: ["dev"] },
    sourceIPs: ["10.0.0.1", "::1"],
    ...more,
  });

  it("of users are equal for equal ones, whatever the namespace", () => {
    const [a, b] = ["a", "b"].map((namespace) =>
      redact(event({ objectRef: { namespace, resource: "pods" } }), { users: true }),
    );
    expect(a.user).toEqual({ username: HASH, uid: HASH, groups: ["dev"] });
    expect(b.user).toEqual(a.user);
    expect(a.sourceIPs).toEqual(["10.0.0.1", "::1"]);
  });
  it("leave the API server's own users alone", () => {
    const user = { username: "system:node:a", groups: [] };
    expect(redact({ user }, { users: true }).user).toEqual(user);
  });
  it("replace the name in messages, annotations and bodies, but not a key with that name", () => {
    const said = {
      impersonatedUser: { username: "jane" },
      responseStatus: { code: 403, message: 'pods is forbidden: User "jane" cannot list resource "pods"' },
      annotations: { reason: 'allowed by "x" to User "jane"' },
      requestObject: { spec: { username: "jane" }, jane: "jane", note: "jane's" },
    };
    const clean = JSON.stringify(redact(event(said), { users: true }));
    expect(clean.replaceAll("jane's", "").match(/jane/g)).toEqual(["jane"]);
    expect(clean).toContain('"jane":"hmac:');
    expect(clean).toContain('cannot list resource \\"pods\\"');
  });
  it.each(["DOM\\jane", "a<b>&c", 'quo"ted', "jäne"])("replace %s as JSON, Go and messages spell it", (username) => {
    // As kube-apiserver says it (%q), and kubectl applies it.
    const message = `pods is forbidden: User ${JSON.stringify(username)} cannot list resource "pods"`;
    const line = goJson({
      user: { username },
      responseStatus: { code: 403, message },
      requestObject: { spec: { owner: username }, applied: goJson({ owner: username }) },
    });
    const batch = load(`${line}\n`);
    redactStage({ profile: "off", users: true }).run(batch);
    const clean = JSON.parse(documentOf(batch));
    const [, pseudonym] = /^(hmac:[\w-]{8}:[\w-]{22})$/.exec(clean.user.username) ?? [];
    expect(pseudonym).toBeDefined();
    expect(clean.responseStatus.message).toBe(`pods is forbidden: User "${pseudonym}" cannot list resource "pods"`);
    expect(clean.requestObject.spec.owner).toBe(pseudonym);
    expect(JSON.parse(clean.requestObject.applied)).toEqual({ owner: pseudonym });
  });
  it("of addresses are addresses", () => {
    const { sourceIPs } = redact(event(), { ips: true }) as { sourceIPs: string[] };
    const again = redact(event(), { ips: true });
    expect(sourceIPs.map((address) => new URL(`http://[${address}]`).hostname.slice(0, 3))).toEqual(["[fd", "[fd"]);
    expect(again.sourceIPs).toEqual(sourceIPs);
    expect(sourceIPs[0]).not.toBe(sourceIPs[1]);
  });
  it("are what the view shows to messages and alerts", () => {
    const batch = loadEvents(event());
    redactStage({ users: true, ips: true }).run(batch);
    expect(batch.at(0).text(Field.userUsername)).toEqual(HASH);
    expect(batch.at(0).text(Field.sourceIPs)).toMatch(/^\["fd/);
  });
});
