import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_NODES, openTape } from "../../src/event/index.js";
import { Field, Kind, NODE_WORDS, Node, NodeFlag, type Tape } from "../../src/plugin/index.js";
import { jsonText, mutated } from "./oracle.js";
import { load } from "./support.js";

/** Rebuilds a value from its spans alone. */
function build(tape: Tape, node: number): unknown {
  switch (tape.kind(node)) {
    case Kind.object: {
      const members: [string, unknown][] = [];
      for (let child = node + 1; child < tape.next(node); child = tape.next(child)) {
        expect(tape.keyIs(child, tape.key(child))).toBe(true);
        expect(tape.keyIs(child, `${tape.key(child)}x`)).toBe(false);
        members.push([tape.key(child), build(tape, child)]);
      }
      return Object.fromEntries(members);
    }
    case Kind.array: {
      const items: unknown[] = [];
      for (let child = node + 1; child < tape.next(node); child = tape.next(child)) items.push(build(tape, child));
      return items;
    }
    case Kind.string:
      return tape.text(node);
    default:
      return JSON.parse(tape.text(node));
  }
}

function parse(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

const open = (text: string | Uint8Array) => {
  const bytes = Buffer.from(text as string);
  return openTape(bytes, 0, bytes.length);
};

describe("a tape", () => {
  it("holds exactly what JSON.parse finds", () => {
    fc.assert(
      fc.property(jsonText, (text) => {
        const opened = open(text)!;
        expect(build(opened.tape, opened.root)).toEqual(JSON.parse(text));
      }),
      { numRuns: 1000 },
    );
  });

  it("opens a text exactly when JSON.parse takes it", () => {
    fc.assert(
      fc.property(mutated(jsonText), (bytes) => {
        const parsed = parse(bytes.toString());
        const opened = open(bytes);
        expect(opened !== undefined).toBe(parsed !== undefined);
        if (opened && parsed) expect(build(opened.tape, opened.root)).toEqual(parsed.value);
      }),
      { numRuns: 3000 },
    );
  });

  it("opens text of several lines, and a part of an array without regard to what is around it", () => {
    const text = '12[\n {"a":\t1},\r\n 2 ]34';
    const bytes = Buffer.from(text);
    const part = openTape(bytes, 2, bytes.length - 2)!;
    expect(build(part.tape, part.root)).toEqual([{ a: 1 }, 2]);
    expect(part.tape.bytes).toBe(bytes);
    expect(part.tape.start(part.root)).toBe(2);
    expect(part.tape.end(part.root)).toBe(bytes.length - 2);
    const digit = openTape(bytes, 0, 1)!;
    expect(digit.tape.text(digit.root)).toBe("1");
    expect(openTape(bytes, 0, 0)).toBeUndefined();
    expect(openTape(bytes, 2, bytes.length - 3)).toBeUndefined();
  });

  it("finds the last of equal members, in every spelling, and none of an array or a nested object", () => {
    const { tape, root } = open('{"a":1,"b":{"c":2},"\\u0061":3,"é":4,"\\u00e9":5,"":6}')!;
    expect(tape.text(tape.member(root, "a"))).toBe("3");
    expect(tape.text(tape.member(root, "é"))).toBe("5");
    expect(tape.text(tape.member(root, ""))).toBe("6");
    expect(tape.member(root, "c")).toBe(-1);
    expect(tape.member(root, "A")).toBe(-1);
    expect(tape.member(root, "__proto__")).toBe(-1);
    const list = open('["a"]')!;
    expect(list.tape.member(list.root, "a")).toBe(-1);
    expect(list.tape.member(list.root + 1, "a")).toBe(-1);
  });

  it("marks keys and strings that hold escapes, and only those", () => {
    const { tape, root } = open('{"a\\n":"b","c":"\\u0064","e":["f","\\\\"]}')!;
    const words = (node: number) => tape.words[node * NODE_WORDS + Node.kind];
    const flags: [boolean, boolean][] = [];
    for (let node = root + 1; node < tape.next(root); node++) {
      flags.push([(words(node) & NodeFlag.keyEscaped) !== 0, (words(node) & NodeFlag.escaped) !== 0]);
    }
    expect(flags).toEqual([
      [true, false],
      [false, true],
      [false, false],
      [false, false],
      [false, true],
    ]);
  });

  it("does not take an escape in the text before for one of its own", () => {
    open(`["${" ".repeat(100)}\\n"]`);
    const { tape, root } = open('{"a":"b"}')!;
    expect(tape.words[(root + 1) * NODE_WORDS + Node.kind]).toBe(Kind.string);
  });

  it("keeps the text of numbers", () => {
    const { tape, root } = open("[9007199254740993,201.0,-0,1E400]")!;
    const texts: string[] = [];
    for (let node = root + 1; node < tape.next(root); node++) texts.push(tape.text(node));
    expect(texts).toEqual(["9007199254740993", "201.0", "-0", "1E400"]);
  });

  it("opens hundreds of thousands of levels and refuses more nodes than its bound", () => {
    const deep = open(`${"[".repeat(900_000)}${"]".repeat(900_000)}`)!;
    expect(deep.tape.next(deep.root)).toBe(900_000);
    expect(open(`[${"1,".repeat(MAX_NODES - 2)}1]`)).toBeDefined();
    expect(open(`[${"1,".repeat(MAX_NODES - 1)}1]`)).toBeUndefined();
  });
});

describe("the bodies of a batch", () => {
  it("are opened once and shared", () => {
    const batch = load('{"requestObject":{"a":[1]},"verb":"get"}\n{"requestObject":["b"]}\n');
    const first = batch.at(0).open(Field.requestObject)!;
    const second = batch.at(1).open(Field.requestObject)!;
    expect(build(first.tape, first.root)).toEqual({ a: [1] });
    expect(build(second.tape, second.root)).toEqual(["b"]);
    expect(batch.at(0).open(Field.requestObject)).toBe(first);
    expect(second.tape).toBe(first.tape);
    expect(batch.at(0).open(Field.responseObject)).toBeUndefined();
    expect(batch.at(0).open(Field.verb)!.tape.text(batch.at(0).open(Field.verb)!.root)).toBe("get");
  });

  it("have offsets in the batch's bytes", () => {
    const batch = load('{}\n{"requestObject":{"a":"x\\n"}}\n');
    const { tape, root } = batch.at(1).open(Field.requestObject)!;
    const member = tape.member(root, "a");
    expect(batch.bytes.toString("utf8", tape.start(member), tape.end(member))).toBe('"x\\n"');
    expect(batch.at(1).textAt(tape.start(member), tape.end(member))).toBe("x\n");
  });

  it("stay as they are when the shared tape has to be replaced", () => {
    const body = `[${"1,".repeat(700_000)}"end"]`;
    const batch = load(`{"requestObject":{"a":1},"responseObject":${body}}\n{"requestObject":${body}}\n`);
    const small = batch.at(0).open(Field.requestObject)!;
    const large = batch.at(0).open(Field.responseObject)!;
    const other = batch.at(1).open(Field.requestObject)!;
    expect(build(small.tape, small.root)).toEqual({ a: 1 });
    for (const { tape, root } of [large, other]) expect(tape.text(tape.next(root) - 1)).toBe("end");
  });

  it("that exceed the bound are not opened", () => {
    const batch = load(`{"requestObject":[${"1,".repeat(MAX_NODES)}1],"verb":"get"}\n`);
    expect(batch.at(0).open(Field.requestObject)).toBeUndefined();
    expect(batch.at(0).text(Field.verb)).toBe("get");
  });
});
