import { describe, expect, it } from "vitest";
import { EVENT_FIELDS } from "../../src/rules/extraction/fields.js";
import { listFields } from "../../src/rules/index.js";
import { batchOf, viewOf } from "./events.js";
import { falcoJson, falcoLines, falcoTexts, hasFalcoData } from "./falco.js";

interface Extracted {
  n: number;
  fields: Record<string, string | string[]>;
}

interface Known {
  name: string;
  list: boolean;
  key: boolean;
  index: boolean;
  arg_required: boolean;
}

describe.skipIf(!hasFalcoData)("Falco's fields are extracted as its plugins do", () => {
  const golden = falcoLines<Extracted>("golden/fields.falco_traces.jsonl");
  const lines = falcoTexts("falco_traces.jsonl");
  const known = falcoJson<Known[]>("golden/ka_fields.json", []);
  const usual = known.filter(({ arg_required }) => !arg_required).map(({ name }) => name);
  const asked = [...new Set(golden.flatMap(({ fields }) => Object.keys(fields)))].filter(
    (name) => !usual.includes(name) && name !== "jevt.rawtime",
  );

  it("has an answer for every event", () => {
    expect(golden).toHaveLength(lines.length);
    expect(asked.length).toBeGreaterThan(10);
  });

  for (const [index, { n, fields }] of golden.entries()) {
    it(`of event ${n}`, () => {
      const view = batchOf(...lines).at(index);
      expect(listFields(asked)(view)).toEqual(fields);
    });
  }

  it("all 100, with the arguments that they take", () => {
    const ours = [...EVENT_FIELDS.values()].filter(({ name }) => name.startsWith("ka."));
    const shown = ours.map(({ name, list, argument, argumentRequired }) => ({
      name,
      list: list === true,
      key: argument === "key",
      index: argument === "index",
      arg_required: argumentRequired === true,
    }));
    expect(known).toHaveLength(100);
    expect(shown.sort(byName)).toEqual([...known].sort(byName));
  });
});

const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);

/** One field of one event. */
function field(name: string, event: unknown): string | string[] | undefined {
  return listFields([name])(viewOf(event))[name];
}

const pod = (spec: unknown) => ({ auditID: "x", requestObject: { spec } });

describe("fields of odd events", () => {
  it("are absent without auditID, except those of the plugin json", () => {
    const event = { verb: "get", stage: "Panic" };
    expect(listFields(["jevt.value[/verb]", "ka.req.binding.subject.has_name[x]"])(viewOf(event))).toEqual({
      "jevt.value[/verb]": "get",
    });
    expect(field("ka.verb", { ...event, auditID: null })).toBe("get");
  });

  it("keep the spelling of numbers, and of objects all but white space", () => {
    const event =
      '{"auditID":"x","responseStatus":{"code": 201.0 },"requestObject":{"data":{ "a" : "\\u003c b",\t"n":1e400} }}';
    expect(field("ka.response.code", event)).toBe("201.0");
    expect(field("ka.req.configmap.obj", event)).toBe('{"a":"\\u003c b","n":1e400}');
  });

  it("read null, booleans, objects and arrays as text", () => {
    expect(field("ka.verb", { auditID: "x", verb: null })).toBe("null");
    expect(field("ka.verb", { auditID: "x", verb: true })).toBe("true");
    expect(field("ka.verb", { auditID: "x", verb: { a: [1, "b"] } })).toBe('{"a":[1,"b"]}');
    expect(field("ka.verb", { auditID: "x", verb: "" })).toBe("");
  });

  it("decode strings as fastjson does: half a pair stays as spelt, and a NUL ends the text", () => {
    expect(field("ka.verb", '{"auditID":"x","verb":"\\ud83d!"}')).toBe("\\ud83d!");
    expect(field("ka.verb", '{"auditID":"x","verb":"\\ud83d\\u0041"}')).toBe("\ufffd");
    expect(field("ka.verb", '{"auditID":"x","verb":"\\ud83d\\ude00\\/"}')).toBe("😀/");
    expect(field("ka.verb", '{"auditID":"x","verb":"get\\u0000x"}')).toBe("get");
  });

  it("take the first of equal keys in a body", () => {
    expect(
      field("ka.req.service.type", '{"auditID":"x","requestObject":{"spec":{"type":"A"},"spec":{"type":"B"}}}'),
    ).toBe("A");
  });

  it("know arrays by the digits of their keys", () => {
    const event = { auditID: "x", requestObject: { a: ["p", "q"] } };
    expect(field("jevt.value[/requestObject/a/1]", event)).toBe("q");
    expect(field("jevt.value[requestObject/a/01]", event)).toBe("q");
    expect(field("jevt.value[/requestObject/a/-1]", event)).toBeUndefined();
    expect(field("jevt.value[/requestObject/a/2]", event)).toBeUndefined();
  });

  it("of all containers are absent if one lacks a name, while other fields skip it", () => {
    const two = pod({ containers: [{ name: "a", securityContext: { privileged: true } }, { image: "i" }] });
    expect(field("ka.req.pod.containers.name", two)).toBeUndefined();
    expect(field("ka.req.pod.containers.name[0]", two)).toEqual(["a"]);
    expect(field("ka.req.pod.containers.privileged", two)).toEqual(["true"]);
    expect(field("ka.req.pod.containers.privileged[1]", two)).toBeUndefined();
    expect(field("ka.req.pod.containers.name", pod({ containers: { name: "one" } }))).toEqual(["one"]);
    for (const name of ["name", "image.repository", "privileged", "eff_run_as_user", "host_port", "command"])
      expect(field(`ka.req.pod.containers.${name}`, pod({ containers: [] })), name).toBeUndefined();
    expect(field("ka.req.container.privileged", pod({ containers: [] }))).toBe("false");
  });

  it("read a port, a repository, words, capabilities as upstream does", () => {
    const event = pod({
      containers: [
        {
          image: "localhost:5000/a/b:1@sha256:0",
          command: ["sh", "-c"],
          ports: [{ hostPort: 1, containerPort: 2 }, { containerPort: 3 }, {}],
          securityContext: { capabilities: { add: ["A", "B"] } },
        },
      ],
    });
    expect(field("ka.req.pod.containers.image.repository", event)).toEqual(["localhost"]);
    expect(field("ka.req.pod.containers.command", event)).toEqual(["sh -c"]);
    expect(field("ka.req.pod.containers.host_port", event)).toEqual(["1", "3"]);
    expect(field("ka.req.pod.containers.add_capabilities", event)).toEqual(['["A","B"]']);
    expect(field("ka.req.pod.containers.eff_run_as_user", event)).toEqual(["0"]);
    expect(field("ka.req.pod.containers.command", pod({ containers: [{ command: ["a", 1] }] }))).toBeUndefined();
  });

  it("take a JSON patch, which is an array, without a crash", () => {
    const patch = { auditID: "x", requestObject: [{ op: "add", path: "/spec" }, { op: "remove" }] };
    expect(field("ka.req.pod.volumes.volume_type", patch)).toBeUndefined();
    expect(field("ka.req.pod.containers.image", patch)).toBeUndefined();
    expect(field("ka.req.pod.containers.eff_run_as_user", patch)).toEqual(["0", "0"]);
    expect(field("jevt.value[/requestObject/0/op]", patch)).toBe("add");
  });

  it("read a URI's parameters as Go does", () => {
    const of = (uri: string, name = "q") => field(`ka.uri.param[${name}]`, { auditID: "x", requestURI: uri });
    expect(of("/a?q=1&q=2")).toBe("1");
    expect(of("/a?q=a%20b+c")).toBe("a b c");
    expect(of("/a?p=1&q")).toBe("");
    expect(of("/a?q=1;p=2")).toBeUndefined();
    expect(of("/a?q=1&p=%zz")).toBeUndefined();
    expect(of("/a%zz?q=1")).toBeUndefined();
    expect(of("/a?q=1#q=2")).toBe("1");
    expect(of("a:b?q=1")).toBe("1");
    expect(of(":b?q=1")).toBeUndefined();
    expect(of("1a:b/c?q=1")).toBeUndefined();
    expect(of("/a\u0001?q=1")).toBeUndefined();
    expect(of("/a?p=1")).toBeUndefined();
  });

  it("indent the whole event by two spaces", () => {
    const text = field("jevt.obj", '{"auditID":"x", "a":[1,{"b":[]}],"c":{}}');
    expect(text).toBe('{\n  "auditID": "x",\n  "a": [\n    1,\n    {\n      "b": []\n    }\n  ],\n  "c": {}\n}');
  });

  it("count nanoseconds", () => {
    expect(field("jevt.rawtime", { auditID: "x", stageTimestamp: "2018-10-25T15:58:49.736141+02:00" })).toBe(
      "1540475929736141000",
    );
  });
});
