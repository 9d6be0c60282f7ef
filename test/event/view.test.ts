import { describe, expect, it } from "vitest";
import { type Annotation, ByteWriter, Field, Flag, Kind, type RuleMatch } from "../../src/plugin/index.js";
import { FILE, lineOf, load, spanOf } from "./support.js";

const match = (rule: string, ...actions: RuleMatch["actions"]): RuleMatch => ({
  rule,
  dialect: "kubesphere",
  priority: "WARNING",
  rank: 4,
  actions,
  tags: [],
  facts: {},
  message: (event) => `${event.text(Field.verb)} by ${event.text(Field.userUsername)}`,
});

describe("a view", () => {
  it("decodes strings and gives anything else as its JSON text", () => {
    const view = load('{"verb":"a\\u00e9\\n","sourceIPs":[ 1 ],"responseStatus":{"code":2e2},"objectRef":null}').at(0);
    expect(view.text(Field.verb)).toBe("aé\n");
    expect(view.text(Field.sourceIPs)).toBe("[ 1 ]");
    expect(view.text(Field.responseStatusCode)).toBe("2e2");
    expect(view.text(Field.objectRef)).toBe("null");
    expect(view.text(Field.level)).toBeUndefined();
    expect(view.kind(Field.objectRef)).toBe(Kind.null);
    expect(view.kind(Field.level)).toBe(Kind.absent);
  });

  it("keeps a byte order mark inside a string", () => {
    expect(load('{"verb":"\ufeffget"}').at(0).text(Field.verb)).toBe("\ufeffget");
  });

  it("is one object that moves", () => {
    const batch = load('{"verb":"a"}\n{"verb":"b"}\n');
    const view = batch.at(0);
    expect(batch.at(1)).toBe(view);
    expect([view.row, view.text(Field.verb), view.batch]).toEqual([1, "b", batch]);
  });

  it("forgets everything about a row when its batch is loaded again", () => {
    const batch = load('{"verb":"a","requestObject":[1]}\n');
    batch.addMatch(0, match("r", "alerting"));
    batch.annotate(0, "workspace", "w");
    batch.edit(0, 9, 10, Buffer.from("x"));
    batch.time[0] = 1;
    batch.latency[0] = 2;
    batch.rules = "abc";
    const old = batch.at(0).open(Field.requestObject);
    const bytes = Buffer.from('{"verb":"c","requestObject":[2]}\n');
    batch.load({ bytes, length: bytes.length, file: FILE, offset: 0 }, "apiserver");
    const view = batch.at(0);
    expect([view.text(Field.verb), view.flags(), view.matches(), view.annotation("workspace"), batch.rules]).toEqual([
      "c",
      0,
      [],
      undefined,
      "",
    ]);
    expect([batch.time[0], batch.latency[0]]).toEqual([Number.NaN, Number.NaN]);
    const opened = view.open(Field.requestObject)!;
    expect(opened).not.toBe(old);
    expect(opened.tape.text(opened.root)).toBe("[2]");
  });
});

describe("edits", () => {
  const line = '{"verb":"get","user":{"username":"alice","uid":"u-1"},"requestObject":{"data":{"a":"s3","b":"s4"}}}';

  function edited(...edits: [value: string, replacement: string][]) {
    const batch = load(`{}\n${line}\n{}\n`);
    for (const [value, replacement] of edits) batch.edit(1, ...spanOf(batch, value), Buffer.from(replacement));
    return batch.at(1);
  }

  it("are what every reader sees: fields, spans, lines", () => {
    const view = edited(['"alice"', '"x\\n"'], ['"s3"', '"h:1"'], ['"s4"', "null"]);
    expect(view.flags() & Flag.edited).toBe(Flag.edited);
    expect(view.text(Field.userUsername)).toBe("x\n");
    expect(view.text(Field.user)).toBe('{"username":"x\\n","uid":"u-1"}');
    expect(view.text(Field.requestObject)).toBe('{"data":{"a":"h:1","b":null}}');
    expect(view.textAt(...spanOf(view.batch as never, '"s3"'))).toBe("h:1");
    expect(lineOf(view)).toBe(
      '{"verb":"get","user":{"username":"x\\n","uid":"u-1"},"requestObject":{"data":{"a":"h:1","b":null}}}',
    );
    expect(view.text(Field.verb)).toBe("get");
    expect(view.text(Field.userUid)).toBe("u-1");
  });

  it("of a part of a string are seen in its text", () => {
    const view = edited(["lic", "--"]);
    expect(view.text(Field.userUsername)).toBe("a--e");
    expect(view.kind(Field.userUsername)).toBe(Kind.string);
  });

  it("of a whole object hide what was in it", () => {
    const view = edited(['{"username":"alice","uid":"u-1"}', '"gone"']);
    expect(view.text(Field.user)).toBe("gone");
    expect(view.kind(Field.user)).toBe(Kind.string);
    expect(view.text(Field.userUsername)).not.toContain("alice");
    expect(lineOf(view)).not.toContain("alice");
  });

  it("leave the bytes, the offsets and the id as they were read", () => {
    const view = edited(['"alice"', '"x"']);
    const id = view.id();
    expect(load(`{}\n${line}\n`).at(1).id()).toBe(id);
    expect(view.batch.bytes.toString()).toContain("alice");
    const { tape, root } = view.open(Field.requestObject)!;
    expect(tape.text(tape.member(tape.member(root, "data"), "a"))).toBe("s3");
  });

  it("do not touch other rows", () => {
    const view = edited(['"alice"', '"x"']);
    expect(lineOf(view.batch.at(0))).toBe("{}");
    expect(lineOf(view.batch.at(2))).toBe("{}");
  });

  it("copy their replacement", () => {
    const batch = load('{"verb":"get"}');
    const replacement = Buffer.from('"x"');
    batch.edit(0, 8, 13, replacement);
    replacement.fill(0);
    expect(batch.at(0).text(Field.verb)).toBe("x");
  });

  it("out of order, overlapping or scattered over rows are a mistake of the caller", () => {
    const batch = load(`${line}\n{"verb":"get"}\n`);
    const none = Buffer.alloc(0);
    batch.edit(0, 10, 12, none);
    expect(() => batch.edit(0, 11, 13, none)).toThrow("overlap");
    expect(() => batch.edit(0, 4, 6, none)).toThrow("order");
    batch.edit(1, line.length + 9, line.length + 10, none);
    expect(() => batch.edit(0, 20, 21, none)).toThrow("together");
  });
});

describe("matches", () => {
  it("stand in the order they were added and set the flags of their actions", () => {
    const batch = load('{"verb":1}\n'.repeat(3));
    const [first, second] = [match("a", "archived"), match("b", "alerting", "archived")];
    batch.addMatch(1, first);
    expect(batch.flags(1)).toBe(Flag.matched | Flag.archived);
    batch.addMatch(1, second);
    expect(batch.flags(1)).toBe(Flag.matched | Flag.archived | Flag.alerting);
    expect(batch.at(1).matches()).toEqual([first, second]);
    expect(batch.flags(0)).toBe(0);
    expect(batch.matches(0)).toBe(batch.matches(2));
  });
});

describe("annotations", () => {
  it("are kept per row and name", () => {
    const batch = load("{}\n{}\n");
    const values: [string, Annotation][] = [
      ["workspace", "team-a"],
      ["redaction", ["a", "b"]],
      ["score", 3],
      ["__proto__", true],
    ];
    for (const [name, value] of values) batch.annotate(1, name, value);
    for (const [name, value] of values) expect(batch.at(1).annotation(name)).toBe(value);
    expect(batch.at(0).annotation("workspace")).toBeUndefined();
    expect(batch.at(1).annotation("other")).toBeUndefined();
  });

  it("cannot take the name of a member that auditship fills itself", () => {
    expect(() => load("{}").annotate(0, "offset", 1)).toThrow('"offset"');
  });
});

describe("an event's time", () => {
  const time = (line: string) => load(line).at(0).timeMs();
  const [early, late] = ["2024-05-01T02:03:04.100000Z", "2024-05-01T02:03:05.200000Z"];

  it("is stageTimestamp, else requestReceivedTimestamp, else timestamp, each if it is a string", () => {
    expect(time(`{"requestReceivedTimestamp":"${early}","stageTimestamp":"${late}"}`)).toBe(Date.parse(late));
    expect(time(`{"requestReceivedTimestamp":"${early}","stageTimestamp":null}`)).toBe(Date.parse(early));
    expect(time(`{"timestamp":"${early}","stageTimestamp":5}`)).toBe(Date.parse(early));
    expect(time(`{"StageTimestamp":"${late}"}`)).toBe(Date.parse(late));
    expect(time(`{"stageTimestamp":"2024\\u002d05-01T02:03:05.2Z"}`)).toBe(Date.parse(late));
  });

  it("is the file's if the event has none or an invalid one", () => {
    for (const line of ["{}", '{"stageTimestamp":"today"}', "broken"]) expect(time(line)).toBe(FILE.time);
  });

  it("is what parse filled in, if it has run", () => {
    const batch = load(`{"stageTimestamp":"${late}"}`);
    batch.time[0] = 42.5;
    expect(batch.at(0).timeMs()).toBe(42.5);
    expect(batch.at(0).day()).toBe("1970.01.01");
  });

  it("has a UTC day", () => {
    const batch = load(
      '{"stageTimestamp":"2024-05-01T23:30:00-01:00"}\n{"stageTimestamp":"2024-05-01T23:30:00Z"}\n{}\n',
    );
    expect([0, 1, 2].map((row) => batch.at(row).day())).toEqual(["2024.05.02", "2024.05.01", "2024.05.01"]);
  });
});

describe("an event's id", () => {
  const line = '{"auditID":"0","stage":"Panic","stageTimestamp":"t"}';

  it("is fingerprint, offset, item and hash in 40 characters", () => {
    const batch = load(`\n{"items":[{},${line}]}\n`, { offset: 0x0102030405 });
    const id = batch.at(1).id();
    expect(id).toMatch(/^[A-Za-z0-9_-]{40}$/);
    const bytes = Buffer.from(id, "base64url");
    expect(bytes.subarray(0, 12).toString("hex")).toBe("0123456789abcdef01234567");
    expect(bytes.readUIntBE(12, 6)).toBe(0x0102030406);
    expect(bytes.readUInt32BE(18)).toBe(2);
  });

  it("depends on auditID, stage, stageTimestamp and the line's length, and on nothing else of the line", () => {
    const hash = (text: string) => Buffer.from(load(text).at(0).id(), "base64url").toString("hex", 22);
    const other = [
      '{"auditID":"1","stage":"Panic","stageTimestamp":"t"}',
      '{"auditID":"0","stage":"panic","stageTimestamp":"t"}',
      '{"auditID":"0","stage":"Panic","stageTimestamp":"u"}',
      '{"auditID":"0","stage":"Panic","stageTimestamp":"t" }',
      '{"auditID":"0\\"","stage":"Pani","stageTimestamp":"t"}',
      '{"auditID":"\\u0030","stage":"Panic","verb":"x"}     ',
    ];
    expect(new Set([line, ...other].map(hash)).size).toBe(7);
    expect(hash('{"stage":"Panic","auditID":"0","stageTimestamp":"t"}')).toBe(hash(line));
    expect(hash('{"auditID":"x"}')).not.toBe(hash('{"stage":"x"  }'));
  });

  it("changes with every byte of what it depends on", () => {
    const stamp = "2026-11-21T00:00:00.000001Z";
    const ids = new Set([load(`{"auditID":"${stamp}","stage":"${stamp}","stageTimestamp":"${stamp}"}`).at(0).id()]);
    for (const changed of ["auditID", "stage", "stageTimestamp"]) {
      for (let at = 0; at < stamp.length; at++) {
        for (const byte of ["x", "y", "!"]) {
          const value = (key: string) => (key === changed ? stamp.slice(0, at) + byte + stamp.slice(at + 1) : stamp);
          const members = ["auditID", "stage", "stageTimestamp"].map((key) => `"${key}":"${value(key)}"`);
          ids.add(load(`{${members.join()}}`).at(0).id());
        }
      }
    }
    expect(ids.size).toBe(1 + 3 * 3 * stamp.length);
  });

  it("stays what it was in the version before, or a restart would send events twice", () => {
    const text = '{"auditID":"0","stage":"Panic","stageTimestamp":"2026-11-21T00:00:00.000001Z"}';
    const pinned = "ASNFZ4mrze8BI0VnABy-mRoUAAAAANPhJ3_RpDDh";
    expect(load(text, { offset: 123456789012 }).at(0).id()).toBe(pinned);
  });

  it("differs for every event of a log and does not depend on how it was batched", () => {
    const text = Array.from({ length: 500 }, (_, n) => `{"auditID":"${n % 7}"}`).join("\n");
    const all = load(text);
    const ids = Array.from({ length: all.count }, (_, row) => all.at(row).id());
    expect(new Set(ids).size).toBe(500);
    const offset = text.indexOf("\n") + 1;
    expect(load(text.slice(offset), { offset }).at(0).id()).toBe(ids[1]);
  });

  it("exists for invalid lines, too", () => {
    const batch = load("x\ny\n");
    expect(batch.at(0).id()).toHaveLength(40);
    expect(batch.at(0).id()).not.toBe(batch.at(1).id());
  });
});

describe("a span and a time of an event", () => {
  it("are written and read as redaction left them", () => {
    const batch = load('{"verb":"get","requestObject":{"a":"secret","b":[1]},"stageTimestamp":"2024-05-01T00:00:00Z"}');
    const view = batch.at(0);
    const written = (field: Field) => {
      const out = new ByteWriter(1);
      view.writeSpan(view.start(field), view.end(field), out);
      return Buffer.from(out.view()).toString();
    };
    expect(written(Field.requestObject)).toBe('{"a":"secret","b":[1]}');
    expect(view.timeOf(Field.stageTimestamp)).toBe(Date.UTC(2024, 4, 1));
    batch.edit(0, ...spanOf(batch, '"secret"'), Buffer.from('"x"'));
    batch.edit(0, ...spanOf(batch, '"2024-05-01T00:00:00Z"'), Buffer.from('"2023-05-01T00:00:00+01:00"'));
    expect(written(Field.requestObject)).toBe('{"a":"x","b":[1]}');
    expect(view.timeOf(Field.stageTimestamp)).toBe(Date.UTC(2023, 3, 30, 23));
    expect(view.timeOf(Field.requestReceivedTimestamp)).toBeNaN();
    expect(view.timeOf(Field.verb)).toBeNaN();
    expect(view.timeOf(Field.requestObject)).toBeNaN();
  });
});
