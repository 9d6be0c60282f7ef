import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import type { LoadedRules } from "../../src/rules/index.js";
import { batchOf } from "./events.js";
import { directory, EVENT, lines, load, names, resource, rule, run } from "./loading.js";

describe("files", () => {
  it("are read from directories below, by name, with all their documents and lists", async () => {
    const loaded = await load({
      "b.yaml": `${resource([rule("B1", 'Verb = "create"')])}---\n${resource([rule("B2", "Verb exists")], { name: "two" })}`,
      "a/z.yml": resource([rule("A", "Verb exists")], { name: "first" }),
      "c.json": JSON.stringify({
        apiVersion: "v1",
        kind: "List",
        items: [
          {
            apiVersion: "auditing.kubesphere.io/v1alpha1",
            kind: "Rule",
            metadata: { name: "json", labels: { type: "archiving" } },
            spec: { rules: [{ name: "C", type: "rule", condition: "Verb exists", enable: true, priority: "INFO" }] },
          },
        ],
      }),
      "ignored.txt": "not: [yaml",
      ".hidden.yaml": "not: [yaml",
    });
    expect(lines(loaded.refused)).toEqual([]);
    expect(names(loaded, EVENT)).toEqual(["A", "B1", "B2", "C"]);
    expect(loaded.archiving).toBe(true);
  });

  it("are read through the links of a mounted ConfigMap, once", async () => {
    await load({ "..2024/rules.yaml": resource([rule("A", "Verb exists")]) });
    await symlink("..2024", join(directory, "..data"));
    await symlink("..data/rules.yaml", join(directory, "rules.yaml"));
    const loaded = await load({});
    expect(names(loaded, EVENT)).toEqual(["A"]);
    expect(loaded.warnings).toEqual([]);
  });

  it("are read through links to directories, as in a ConfigMap whose items have paths, but not in circles", async () => {
    await load({ "..2024/team/rules.yaml": resource([rule("A", "Verb exists")]) });
    await symlink("..2024", join(directory, "..data"));
    await symlink("..data/team", join(directory, "team"));
    await symlink("..", join(directory, "..2024", "team", "up"));
    await symlink(directory, join(directory, "..2024", "team", "top"));
    expect(names(await load({}), EVENT)).toEqual(["A"]);
  });

  it("behind a broken link are refused, and the others are read", async () => {
    await symlink("nowhere.yaml", join(directory, "b.yaml"));
    await symlink("nowhere", join(directory, "c"));
    const loaded = await load({ "a.yaml": resource([rule("A", "Verb exists")]) });
    expect(lines(loaded.refused)).toEqual([expect.stringMatching(/b\.yaml: The rules cannot be read: ENOENT/)]);
    expect(names(loaded, EVENT)).toEqual(["A"]);
  });

  it("are not waited for where a pipe has such a name", async () => {
    execFileSync("mkfifo", [join(directory, "b.yaml")]);
    expect(names(await load({ "a.yaml": resource([rule("A", "Verb exists")]) }), EVENT)).toEqual(["A"]);
  });

  it("that are not there are refused, and the others are read", async () => {
    await load({ "a.yaml": resource([rule("A", "Verb exists")]) });
    const loaded = await load({}, { paths: [join(directory, "nope"), directory] });
    expect(lines(loaded.refused)).toEqual([expect.stringMatching(/^nope: The rules cannot be read: ENOENT/)]);
    expect(names(loaded, EVENT)).toEqual(["A"]);
  });

  it("name a runbook for all rules of a resource", async () => {
    const annotated = resource([rule("A", "Verb exists")]).replace(
      "metadata: {",
      'metadata: { annotations: { runbook_url: "https://runbooks.example/a" },',
    );
    const loaded = await load({ "a.yaml": annotated, "b.yaml": resource([rule("B", "Verb exists")], { name: "two" }) });
    const batch = batchOf(EVENT);
    loaded.set.evaluate(batch);
    expect(batch.matches(0).map(({ rule, facts }) => [rule, facts])).toEqual([
      ["A", { runbook_url: "https://runbooks.example/a" }],
      ["B", {}],
    ]);
  });

  it("without rules cause a warning, unless they are empty", async () => {
    const loaded = await load({
      "other.yaml": "kind: ConfigMap\n",
      "empty.yaml": "# nothing\n",
    });
    expect(lines(loaded.warnings)).toEqual([expect.stringMatching(/^other.yaml:1:1: This document holds no rules/)]);
    expect(loaded.set.size).toBe(0);
  });
});

describe("a bad rule is refused with its place, and the others run", () => {
  it("in a plain, a quoted and a folded condition", async () => {
    const loaded = await load({
      "rules.yaml": `apiVersion: auditing.kubesphere.io/v1alpha1
kind: Rule
metadata: { name: cr, labels: { type: alerting } }
spec:
  rules:
    - name: Plain
      type: rule
      enable: true
      condition: Verb = "a" AND Level = "b"
    - name: Quoted
      type: rule
      enable: true
      condition: 'Verb = "a" && Level = "b"'
    - name: Folded
      type: rule
      enable: true
      condition: >-
        Verb = "a" and
        Level like 5
    - name: Good
      type: rule
      enable: true
      condition: Verb exists
`,
    });
    expect(lines(loaded.refused)).toEqual([
      expect.stringMatching(/^rules.yaml:9:29: Rule cr.Plain: expected and, or, .*“AND”/),
      expect.stringMatching(/^rules.yaml:13:30: Rule cr.Quoted: unexpected “&” \(write and\)/),
      expect.stringMatching(/^rules.yaml:19:20: Rule cr.Folded: expected a string in double quotes, but found “5”/),
    ]);
    expect(names(loaded, EVENT)).toEqual(["Good"]);
  });

  it("in a macro, for the macro and for everything that uses it", async () => {
    const loaded = await load({
      "rules.yaml": resource([
        "{ name: m, type: macro, macro: 'Verb = create' }",
        rule("Uses", "${m}"),
        rule("Good", "Verb exists"),
      ]),
    });
    expect(lines(loaded.refused)).toEqual([
      expect.stringMatching(/^rules.yaml:6:46: Macro cr.m: expected a string/),
      expect.stringMatching(/^rules.yaml:6:46: Rule cr.Uses: .* in macro m/),
    ]);
    expect(names(loaded, EVENT)).toEqual(["Good"]);
  });

  const broken: [name: string, item: string, message: RegExp][] = [
    ["a missing condition", "{ name: R, type: rule, enable: true }", /6:7: Rule cr.R: The rule has no condition/],
    [
      "an unknown type",
      "{ name: R, type: rul }",
      /6:24: Rule cr.R: type is not as it should be .*; did you mean rule\?/,
    ],
    [
      "an unknown priority",
      rule("R", "Verb", "").replace("WARNING", "WARNNG"),
      /The priority WARNNG .* did you mean WARNING/,
    ],
    [
      "another dialect's priority",
      rule("R", "Verb", "").replace("WARNING", "ERROR"),
      /The priority ERROR is none of DEBUG, INFO and WARNING\. /,
    ],
    ["an enable that is none", rule("R", "Verb").replace("true", '"yes"'), /Rule cr.R: enable is not as it should be/],
    ["no name", "{ type: rule }", /Rule cr.\?: name is not as it should be/],
    ["a text", "rule", /Rule cr.\?: it is not as it should be/],
    ["an unknown macro", rule("R", "${pot}"), /no macro, list or alias \$\{pot\}; did you mean \$\{pod\}\? /],
    ["a rule as macro", rule("R", "${Other}"), /\$\{Other\} is a rule/],
    ["a macro in the output", rule("R", "Verb", "output: 'x ${pod}'"), /is a macro; a message takes fields/],
    ["a macro as value", rule("R", "Verb = ${pod}"), /expected a string/],
    ["an empty list", rule("R", "Verb in ${none}"), /the list none is empty/],
  ];
  for (const [name, item, message] of broken) {
    it(`: ${name}`, async () => {
      const loaded = await load({
        "rules.yaml": resource([
          item,
          "{ name: pod, type: macro, macro: 'ObjectRef.Resource = \"pods\"' }",
          "{ name: none, type: list, list: [] }",
          rule("Other", "Verb exists"),
        ]),
      });
      expect(lines(loaded.refused)).toEqual([expect.stringMatching(message)]);
      expect(names(loaded, EVENT)).toEqual(["Other"]);
    });
  }

  it("in YAML that cannot be read", async () => {
    const loaded = await load({
      "a.yaml": "kind: Rule\n  spec: [",
      "b.yaml": resource([rule("Good", "Verb exists")]),
    });
    expect(lines(loaded.refused)).toEqual([expect.stringMatching(/^a.yaml:\d+:\d+: This is not valid YAML/)]);
    expect(names(loaded, EVENT)).toEqual(["Good"]);
  });

  it("in anchors that multiply, in nesting without an end", async () => {
    const bomb = Array.from({ length: 12 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(9)}]`).join("\n");
    const loaded = await load({
      "bomb.yaml": `a0: &a0 [x,x,x,x,x,x,x,x,x]\n${bomb}\n`,
      "deep.yaml": "[".repeat(50_000),
      "good.yaml": resource([rule("Good", "Verb exists")]),
    });
    expect(lines(loaded.refused).map((line) => line.split(":")[0])).toEqual(["bomb.yaml", "deep.yaml"]);
    expect(names(loaded, EVENT)).toEqual(["Good"]);
  });

  it("in macros and lists that multiply, or refer to themselves", async () => {
    const doubling = Array.from(
      { length: 40 },
      (_, i) => `{ name: m${i + 1}, type: macro, macro: '\${m${i}} and \${m${i}}' }`,
    );
    const lists = Array.from(
      { length: 40 },
      (_, i) => `{ name: l${i + 1}, type: list, list: ['\${l${i}}', '\${l${i}}'] }`,
    );
    const loaded = await load({
      "rules.yaml": resource([
        "{ name: m0, type: macro, macro: Verb exists }",
        ...doubling,
        "{ name: l0, type: list, list: [a] }",
        ...lists,
        "{ name: self, type: macro, macro: 'Verb exists and ${other}' }",
        "{ name: other, type: macro, macro: '${self}' }",
        "{ name: ring, type: list, list: ['${ring}'] }",
        rule("Cycle", "${self}"),
        rule("Ring", "Verb in ${ring}"),
        rule("Big", "${m40}"),
        rule("BigList", "Verb in ${l40}"),
        rule("Good", "Verb exists"),
      ]),
    });
    const text = lines(loaded.refused).join("\n");
    expect(text).toMatch(/Rule cr.Cycle: The macro self refers to itself: self → other → self/);
    expect(text).toMatch(/Rule cr.Ring: The list ring refers to itself: ring → ring/);
    expect(text).toMatch(/Rule cr.Big: The macro m15 has more than 200000 words/);
    expect(text).toMatch(/Rule cr.BigList: The list l\d+ has more than 200000 words/);
    expect(names(loaded, EVENT)).toEqual(["Good"]);
  });
});

describe("references", () => {
  it("expand recursively, in the same resource first, then by resource and name", async () => {
    const loaded = await load({
      "a.yaml": resource(
        [
          "{ name: verbs, type: list, list: [create, '${more}'] }",
          "{ name: more, type: list, list: [delete] }",
          "{ name: what, type: alias, alias: ObjectRef }",
          "{ name: resource, type: alias, alias: '${what}.Resource' }",
          "{ name: pod, type: macro, macro: '${resource} = \"pods\"' }",
          "{ name: writes, type: macro, macro: 'Verb in ${verbs}' }",
        ],
        { name: "shared" },
      ),
      "b.yaml": resource([
        "{ name: pod, type: macro, macro: '${resource} = \"nodes\"' }",
        "{ name: resource, type: alias, alias: ObjectRef.Resource }",
        rule("Shared", "${shared.pod} and ${shared.writes}"),
        rule("Own", "${pod}"),
        rule("Among", 'Verb in ("x", ${shared.verbs}, 5)'),
        rule("Field", '${shared.what}.Name like "web*"', ""),
      ]),
    });
    expect(lines(loaded.refused)).toEqual([]);
    expect(names(loaded, EVENT)).toEqual(["Shared", "Among", "Field"]);
  });

  it("nest as documented: lists in rules, macros and lists, aliases in all of them and in outputs", async () => {
    const loaded = await load({
      "a.yaml": resource([
        "{ name: ref, type: alias, alias: ObjectRef }",
        "{ name: kind, type: alias, alias: '${ref}.Resource' }",
        "{ name: some, type: list, list: [pods] }",
        "{ name: more, type: list, list: ['${some}', nodes, '${kind}'] }",
        "{ name: known, type: macro, macro: '${kind} in ${more}' }",
        "{ name: writes, type: macro, macro: '${known} and Verb in ${verbs}' }",
        "{ name: verbs, type: list, list: [create] }",
        rule("R", "${writes} and ${kind} not in ${verbs}", "output: '${kind}: ${more}; ${cr.some}'"),
      ]),
    });
    expect(lines([...loaded.refused, ...loaded.warnings])).toEqual([]);
    expect(run(loaded, EVENT)).toMatchObject([{ message: "pods: pods, nodes, ObjectRef.Resource; pods" }]);
  });

  it("count a macro as if in parentheses", async () => {
    const loaded = await load({
      "a.yaml": resource([
        '{ name: either, type: macro, macro: \'Verb = "x" or Verb = "create"\' }',
        rule("R", 'Level = "Request" and ${either}'),
      ]),
    });
    expect(names(loaded, EVENT)).toEqual([]);
    expect(lines(loaded.warnings)).toEqual([
      expect.stringMatching(
        /^a.yaml:7:41: Rule cr.R: Macros count as if in parentheses: it is read as Level = "Request" and \(Verb = "x" or Verb = "create"\); KubeSphere's own engine reads \(Level = "Request" and Verb = "x"\) or Verb = "create"/,
      ),
    ]);
  });

  it("to a name that is defined twice mean the later one", async () => {
    const loaded = await load({
      "a.yaml": resource([rule("R", 'Verb = "x"'), rule("R", 'Verb = "create"')]),
    });
    expect(names(loaded, EVENT)).toEqual(["R"]);
    expect(loaded.set.size).toBe(1);
    expect(lines(loaded.warnings)).toEqual([expect.stringMatching(/^a.yaml:7:15: cr.R is defined more than once/)]);
  });
});

describe("actions", () => {
  const files = {
    "archive.yaml": resource(
      ["DEBUG", "INFO", "WARNING"].map((p) => rule(`A${p}`, "Verb exists").replace("WARNING }", `${p} }`)),
      { name: "a", type: "archiving" },
    ),
    "alert.yaml": resource(
      ["DEBUG", "INFO", "WARNING"].map((p) => rule(`B${p}`, "Verb exists").replace("WARNING }", `${p} }`)),
      { name: "b" },
    ),
    "none.yaml": resource([rule("C", "Verb exists")], { name: "c", type: "other" }),
    "off.yaml": resource(
      [
        rule("D", "Verb exists").replace("enable: true", "enable: false"),
        "{ name: E, type: rule, condition: Verb exists }",
      ],
      { name: "d" },
    ),
  };
  const actions = (loaded: LoadedRules) =>
    Object.fromEntries(run(loaded, EVENT).map((m) => [m.rule, m.actions.join()]));

  it("follow type, priority and thresholds; alerting rules archive always, disabled ones do nothing", async () => {
    const both = "archived,alerting";
    expect(actions(await load(files))).toEqual({
      BDEBUG: "archived",
      BINFO: "archived",
      BWARNING: both,
      ADEBUG: "archived",
      AINFO: "archived",
      AWARNING: "archived",
    });
    expect(actions(await load(files, { archivingPriority: "WARNING", alertingPriority: "INFO" }))).toEqual({
      BDEBUG: "archived",
      BINFO: both,
      BWARNING: both,
      AWARNING: "archived",
    });
    // Thresholds take the names of all ecosystems; nothing of KubeSphere's ranks as high as Falco's Error.
    expect(actions(await load(files, { alertingPriority: "Error" }))).toMatchObject({ BWARNING: "archived" });
  });

  it("are none for a resource without a label, with a warning", async () => {
    const loaded = await load(files);
    expect(lines(loaded.warnings)).toEqual([expect.stringMatching(/^none.yaml:3:11: Rule resource c has no label/)]);
    expect(loaded.rules.map(({ name, enabled }) => `${name} ${enabled}`)).toEqual([
      "BDEBUG true",
      "BINFO true",
      "BWARNING true",
      "ADEBUG true",
      "AINFO true",
      "AWARNING true",
      "C true",
      "D false",
      "E false",
    ]);
  });

  it("need thresholds that are priorities", async () => {
    await expect(load({}, { alertingPriority: "WARNIN" })).rejects.toThrow(/did you mean WARNING/);
  });
});

describe("messages", () => {
  async function message(output: string, event: unknown = EVENT): Promise<string> {
    const loaded = await load({
      "a.yaml": resource([
        "{ name: who, type: alias, alias: User.username }",
        "{ name: verbs, type: list, list: [create, delete] }",
        rule("R", "Stage exists", `output: '${output}'`),
      ]),
    });
    expect(lines(loaded.refused)).toEqual([]);
    return run(loaded, event)[0].message;
  }

  const outputs: [output: string, message: string][] = [
    ["${who} ${Verb} ${ObjectRef.Name} ${cr.who}", "alice create web:0:main alice"],
    ["${$1}/${$2}/${$3}/${$4}", "web/0/main/"],
    ["[${ObjectRef.Subresource}] [${Missing}] [${RequestObject.a}]", "[] [] []"],
    ["${verbs}", "create, delete"],
    ["${User.groups}; ${User.groups[1]}; ${User.groups[*]}", "dev, ops; ops; dev, ops"],
    ["${ResponseStatus.code} 100% %s", "201 100% %s"],
    ["${Annotations.authorization.k8s.io/decision}", "allow"],
    ["$who {Verb} ${", "$who {Verb} ${"],
  ];
  for (const [output, expected] of outputs)
    it(`${output} is ${expected}`, async () => expect(await message(output)).toBe(expected));

  it("show arrays of one item as they show longer ones", async () => {
    const arrays: [groups: unknown[], expected: string][] = [
      [[], ""],
      [[""], ""],
      [["dev"], "dev"],
      [['a"b\\é'], 'a"b\\é'],
      [[7], "7"],
      [[["dev"]], '["dev"]'],
      [['", "'], '", "'],
      [["a", "b"], "a, b"],
    ];
    for (const [groups, expected] of arrays)
      expect(await message("${User.groups}", { ...EVENT, user: { groups } })).toBe(expected);
    const spaced = JSON.stringify({ ...EVENT, user: { groups: ["dev"] } }).replace('["dev"]', '[ "dev" ]');
    expect(await message("${User.groups}", spaced)).toBe("dev");
  });

  it("are a default sentence if the rule has none", async () => {
    expect(await message("")).toBe("alice create pods ''web:0:main'' in Namespace shop".replaceAll("''", "'"));
    expect(await message("", { ...EVENT, objectRef: undefined })).toBe("alice create /api/v1/namespaces/shop/pods");
    const own = { ...EVENT, Workspace: "w", objectRef: { resource: "namespaces", namespace: "n", name: "n" } };
    expect(await message("", own)).toBe("alice create namespaces 'n' in Workspace w");
    expect(await message("", { ...EVENT, Devops: "d" })).toBe("alice create pods 'web:0:main' in Devops d");
  });

  it("show what the event shows when they are rendered: redacted", async () => {
    const loaded = await load({
      "a.yaml": resource([
        rule("R", "Stage exists", "output: '${RequestObject.data.password} ${RequestObject.list} ${User.username}'"),
      ]),
    });
    const batch = batchOf({ ...EVENT, requestObject: { data: { password: "hunter2" }, list: ["hunter3", "b"] } });
    loaded.set.evaluate(batch);
    const text = Buffer.from(batch.bytes).toString();
    for (const secret of ['"hunter2"', '"hunter3"']) {
      const at = text.indexOf(secret);
      batch.edit(0, at, at + secret.length, Buffer.from('"***"'));
    }
    expect(batch.matches(0)[0].message(batch.at(0))).toBe("*** ***, b alice");
  });
});

describe("what is odd but runs causes a warning", () => {
  const odd: [condition: string, warning: RegExp | undefined][] = [
    [
      'Verb = "a" or Verb = "b" and Level = "Request"',
      /it is read as \(Verb = "a" or Verb = "b"\) and Level = "Request", not as Verb = "a" or \(Verb = "b" and Level = "Request"\)/,
    ],
    [
      'not Verb = "a" and Level = "Request"',
      /it is read as not \(Verb = "a" and Level = "Request"\), not as not \(Verb = "a"\) and Level = "Request"/,
    ],
    ['(not Verb = "a") and Level = "Request"', undefined],
    ['Verb = "a" and Level = "Request" or Stage = "Panic"', undefined],
    ['Level = "metadata"', /No event has the Level “metadata”; did you mean Metadata\?/],
    [
      'Level in ("Metadata", "Everything")',
      /No event has the Level “Everything”, but Metadata, Request, RequestResponse\./,
    ],
    ['Stage != "Response"', /No event has the Stage “Response”/],
    ['Level = ""', undefined],
    ['Verb in ("get", "Create")', /Verb is in lower case; no event has “Create”, write “create”/],
    ['ObjectRef.Name like "demo*"', /like "demo\*" is found anywhere/],
    ['ObjectRef.Name like "*demo*"', undefined],
    ['SourceIPs = "10.0.0.1"', /SourceIPs is an array, .* use SourceIPs\[\*\]/],
    ['User.groups in ("a")', /use User.groups\[\*\]/],
    ['User.groups[*] in ("a")', undefined],
    ['User.groups contains "a"', undefined],
    ['User.name = "a"', /No event has the field User.name, but User.username, User.uid/],
    ['ObjectRef.Resourse = "a"', /did you mean ObjectRef.Resource\?/],
    ["Zzzzzzzzz exists", /No event has the field Zzzzzzzzz\./],
    ["Latency > 5", undefined],
    ["RequestObject.whatever exists", undefined],
  ];
  for (const [condition, warning] of odd) {
    it(condition, async () => {
      const loaded = await load({ "a.yaml": resource([rule("R", condition)]) });
      expect(lines(loaded.warnings)).toEqual(warning ? [expect.stringMatching(warning)] : []);
      expect(loaded.set.size).toBe(1);
    });
  }

  it("a key that a rule does not have", async () => {
    const loaded = await load({ "a.yaml": resource([rule("R", "Verb exists", "outptu: x")]) });
    expect(lines(loaded.warnings)).toEqual([expect.stringMatching(/unknown key outptu; did you mean output\?/)]);
  });
});

describe("what a set needs", () => {
  it("is known for conditions and messages", async () => {
    const needs = async (condition: string, output = "x") =>
      (await load({ "a.yaml": resource([rule("R", condition, `output: '${output}'`)]) })).needs;
    expect(await needs("Verb exists")).toEqual({ workspace: false, latency: false, bodies: false });
    expect(await needs('Workspace = "a" and Latency > 5')).toEqual({ workspace: true, latency: true, bodies: false });
    expect(await needs("Verb exists", "${ResponseObject.kind}")).toMatchObject({ bodies: true });
  });
});

describe("the hash of a set", () => {
  it("is the same for the same rules and differs for whatever decides answers", async () => {
    const hash = async (item: string, options = {}) => (await load({ "a.yaml": resource([item]) }, options)).set.hash;
    const base = await hash(rule("R", "Verb exists"));
    expect(base).toMatch(/^[0-9a-f]{12}$/);
    expect(await hash(rule("R", "Verb exists"))).toBe(base);
    const others = [
      await hash(rule("R", 'Verb = "x"')),
      await hash(rule("S", "Verb exists")),
      await hash(rule("R", "Verb exists", "output: x")),
      await hash(rule("R", "Verb exists").replace("WARNING", "INFO")),
      await hash(rule("R", "Verb exists"), { alertingPriority: "Error" }),
      await hash(rule("R", "Verb exists"), { stages: ["Panic"] }),
    ];
    expect(new Set([base, ...others]).size).toBe(7);
  });
});

const DATA = resolve(
  process.env.AUDITSHIP_TEST_DATA ?? join(import.meta.dirname, "../../../shared/data"),
  "kubesphere",
);

describe.skipIf(!existsSync(DATA))("KubeSphere's own default rules", () => {
  for (const file of ["default-rules.ks-installer-master.yaml", "default-rules.2020-06-08-original.yaml"]) {
    it(`${file} load without a refusal and answer`, async () => {
      const loaded = await load({}, { paths: [join(DATA, file)] });
      expect(lines(loaded.refused)).toEqual([]);
      // Not ours to mend: since kubectl 1.30 the last of its rules sees nothing.
      expect(lines(loaded.warnings)).toEqual([
        expect.stringMatching(/alerting-rule.(AttachOrExecPod|attachorexec-pod): exec, attach: /),
      ]);
      expect(loaded.set.size).toBe(6);
      const bad = {
        ...EVENT,
        objectRef: { resource: "pods", namespace: "shop", name: "web" },
        requestObject: { spec: { hostNetwork: true, containers: [{}, { ports: [{}, { hostPort: 80 }] }] } },
      };
      const matched = run(loaded, bad);
      expect(matched.map(({ actions }) => actions.join())).toEqual([
        "archived",
        "archived",
        "archived,alerting",
        "archived,alerting",
      ]);
      expect(matched[2].message).toMatch(/^alice .*HostNetwork.* web/);
      expect(run(loaded, { ...EVENT, verb: "get" })).toEqual([]);
      const exec = { ...EVENT, objectRef: { resource: "pods", namespace: "shop", name: "web", subresource: "exec" } };
      expect(run(loaded, exec).at(-1)?.message).toMatch(/^alice exec .*web/);
    });
  }
});
