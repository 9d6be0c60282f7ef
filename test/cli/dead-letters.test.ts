import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listDeadLetters, replayDeadLetters, showDeadLetters } from "../../src/commands/dead-letters.js";
import type { DeadLetter } from "../../src/delivery/dead-letter-file.js";
import { DeadLetters } from "../../src/delivery/dead-letters.js";

/** A sink that writes what it is sent beside it, a request a line, and refuses, splits or delays what its options say. */
const SINK = `
import { appendFileSync } from "node:fs";
export default {
  kind: "sink",
  name: "scripted",
  options: (zod) => zod.strictObject({ to: zod.string(), refuse: zod.string().default("-"), most: zod.number().default(99), busy: zod.number().default(0) }),
  create({ to, refuse, most, busy }, host) {
    return {
      mode: "send", ordered: false, gzip: false,
      encode(event, out) {
        if (event.id() === "odd") throw new Error("no such shape");
        out.text(event.id() + " " + event.day() + " " + event.matches().map((match) => match.message(event)) + " " + event.annotation("workspace") + " ");
        event.writeDocument(out, { id: true });
        out.byte(10);
      },
      async send(request) {
        if (request.count > most) return { kind: "split", reason: "too many" };
        if (busy-- > 0) return { kind: "retry", reason: "busy" };
        appendFileSync(host.resolve(to), request.body);
        return Array.from({ length: request.count }, (_, i) =>
          Buffer.from(request.item(i)).toString().startsWith(refuse) ? { kind: "reject", reason: "still wrong" } : { kind: i % 2 ? "duplicate" : "done" });
      },
      async probe() {},
    };
  },
};
`;

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "auditship-dlq-"));
  await writeFile(join(directory, "sink.mjs"), SINK);
  await writeFile(join(directory, "sent"), "");
});

afterEach(() => rm(directory, { recursive: true }));

async function config(options = ""): Promise<string> {
  const path = join(directory, "auditship.yaml");
  await writeFile(
    path,
    `sources: { a: { path: audit.log } }\nstate: state\nsinks:\n  s: { type: ./sink.mjs, to: sent${options} }\n  other: { type: file, path: out }\n`,
  );
  return path;
}

const letter = (id: string, more: Partial<DeadLetter> = {}): DeadLetter => ({
  id,
  sink: "s",
  reason: "mapper_parsing_exception",
  time: "2026-11-20T10:00:00.000Z",
  attempts: 1,
  line: `{"kind":"Event","auditID":"${id}","big":12345678901234567890}`,
  members:
    '{"@timestamp":"2026-11-19T23:59:59.5Z","auditship":{"source":"a","workspace":"team-a","offset":7,"matches":[{"rule":"r","priority":"WARNING","message":"who did what","dialect":"kubesphere"}]}}',
  ...more,
});

async function put(...letters: DeadLetter[]): Promise<void> {
  const options = { maxSize: 1e6, whenFull: "park" as const };
  const store = new DeadLetters(join(directory, "state"), "s", options, { add() {}, set() {}, observe() {} });
  await store.ready();
  await store.add(letters);
  await store.close();
}

async function printed(
  command: typeof listDeadLetters | typeof showDeadLetters,
  file: string,
  selection = {},
): Promise<string[]> {
  const lines: string[] = [];
  await command(file, selection, (line) => lines.push(line));
  return lines;
}

describe("dead letters", () => {
  it("are listed with time, sink, id, attempts and reason", async () => {
    await put(letter("one"), letter("two", { reason: "illegal\nargument", attempts: 3 }));
    expect(await printed(listDeadLetters, await config())).toEqual([
      "2026-11-20T10:00:00.000Z  s  one  1  mapper_parsing_exception",
      "2026-11-20T10:00:00.000Z  s  two  3  illegal argument",
    ]);
  });

  it("are listed by reason, time and id", async () => {
    await put(letter("one"), letter("two", { reason: "other", time: "2026-11-21T00:00:00.000Z" }));
    const file = await config();
    const ids = async (selection: object) =>
      (await printed(listDeadLetters, file, selection)).map((line) => line.split("  ")[2]);
    expect(await ids({ reason: "mapper" })).toEqual(["one"]);
    expect(await ids({ since: Date.parse("2026-11-21") })).toEqual(["two"]);
    expect(await ids({ until: Date.parse("2026-11-21") })).toEqual(["one"]);
    expect(await ids({ ids: new Set(["two"]) })).toEqual(["two"]);
  });

  it("are listed of a sink that the configuration has no longer, too", async () => {
    await put(letter("one"));
    const file = await config();
    await writeFile(file, (await readFile(file, "utf8")).replace(/^ {2}s: .*\n/m, ""));
    const line = "2026-11-20T10:00:00.000Z  s  one  1  mapper_parsing_exception";
    expect(await printed(listDeadLetters, file)).toEqual([line]);
    expect(await printed(listDeadLetters, file, { sink: "s" })).toEqual([line]);
    await expect(replayDeadLetters(file, { sink: "s" }, () => {})).rejects.toThrow("has no sink s; it has other");
  });

  it("are listed up to a limit", async () => {
    await put(letter("one"), letter("two"), letter("three"));
    expect(await printed(listDeadLetters, await config(), { limit: 2 })).toEqual([
      expect.stringContaining("  one  "),
      expect.stringContaining("  two  "),
    ]);
  });

  it("are none where there are none, and no sink is an error", async () => {
    expect(await printed(listDeadLetters, await config())).toEqual(["no dead letters"]);
    await expect(printed(listDeadLetters, await config(), { sink: "x" })).rejects.toMatchObject({
      code: "AUDITSHIP_USAGE",
      message: "the configuration has no sink x; it has s, other.",
    });
  });

  it("are shown byte for byte", async () => {
    await put(letter("one"));
    const [line] = await printed(showDeadLetters, await config());
    expect(line).toContain(
      '"line":{"kind":"Event","auditID":"one","big":12345678901234567890},"members":{"@timestamp"',
    );
    expect(JSON.parse(line)).toMatchObject({ id: "one", reason: "mapper_parsing_exception" });
  });
});

describe("a replay", () => {
  it("renders each event anew, with its id, day, matches and annotations, and removes what is taken", async () => {
    await put(letter("one"));
    const file = await config();
    expect(await replayDeadLetters(file, { sink: "s" }, () => {})).toEqual({ left: 0 });
    expect(await readFile(join(directory, "sent"), "utf8")).toBe(
      'one 2026.11.19 who did what team-a {"kind":"Event","auditID":"one","big":12345678901234567890,"@timestamp":"2026-11-19T23:59:59.5Z","auditship":{"source":"a","workspace":"team-a","offset":7,"matches":[{"rule":"r","priority":"WARNING","message":"who did what","dialect":"kubesphere"}],"id":"one"}}\n',
    );
    expect(await printed(listDeadLetters, file)).toEqual(["no dead letters"]);
  });

  it("keeps what is refused again, and says why", async () => {
    await put(letter("one"), letter("two"), letter("three"));
    const file = await config(", refuse: two");
    const lines: string[] = [];
    expect(await replayDeadLetters(file, {}, (line) => lines.push(line))).toEqual({ left: 1 });
    expect(lines).toEqual(["s: 1 stay: still wrong", "s: 2 delivered, 1 left", "other: 0 delivered, 0 left"]);
    expect((await printed(listDeadLetters, file)).map((line) => line.split("  ")[2])).toEqual(["two"]);
  });

  it("keeps what the sink cannot encode, and sends the others", async () => {
    await put(letter("one"), letter("odd"), letter("two"));
    const lines: string[] = [];
    expect(await replayDeadLetters(await config(), { sink: "s" }, (line) => lines.push(line))).toEqual({ left: 1 });
    expect(lines).toEqual(["s: 1 stay: cannot be encoded: no such shape", "s: 2 delivered, 1 left"]);
  });

  it("halves a request that is too large, and tries again what the far end is too busy for", async () => {
    await put(...Array.from({ length: 7 }, (_, i) => letter(`id${i}`)));
    expect(await replayDeadLetters(await config(", most: 2, busy: 2"), { sink: "s" }, () => {})).toEqual({ left: 0 });
    const sent = (await readFile(join(directory, "sent"), "utf8")).trim().split("\n");
    expect(sent.map((line) => line.split(" ")[0]).sort()).toEqual(Array.from({ length: 7 }, (_, i) => `id${i}`));
  });

  it("gives up on a far end that stays busy, and loses nothing", async () => {
    await put(letter("one"));
    const file = await config(", busy: 99");
    expect(await replayDeadLetters(file, { sink: "s" }, () => {})).toEqual({ left: 1 });
    expect(await printed(listDeadLetters, file)).toHaveLength(1);
  });

  it("of some letters takes the oldest, and leaves the others for the next time", async () => {
    await put(letter("one"), letter("two"), letter("three"));
    const file = await config();
    expect(await replayDeadLetters(file, { limit: 2 }, () => {})).toEqual({ left: 0 });
    expect((await printed(listDeadLetters, file)).map((line) => line.split("  ")[2])).toEqual(["three"]);
    await replayDeadLetters(file, { limit: 2 }, () => {});
    const sent = (await readFile(join(directory, "sent"), "utf8")).trim().split("\n");
    expect(sent.map((line) => line.split(" ")[0])).toEqual(["one", "two", "three"]);
  });

  it("of selected letters leaves the others alone", async () => {
    await put(letter("one"), letter("two"));
    const file = await config();
    await replayDeadLetters(file, { ids: new Set(["two"]) }, () => {});
    expect((await printed(listDeadLetters, file)).map((line) => line.split("  ")[2])).toEqual(["one"]);
  });
});
