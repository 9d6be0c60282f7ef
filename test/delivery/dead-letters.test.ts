import * as files from "node:fs/promises";
import { appendFile, mkdtemp, readFile, rename, rm, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import {
  type DeadLetter,
  deadLettersPath,
  readDeadLetters,
  removeDeadLetters,
} from "../../src/delivery/dead-letter-file.js";
import { DeadLetters, type DeadLettersOptions } from "../../src/delivery/dead-letters.js";

vi.mock("node:fs/promises", { spy: true });

const ROOMY: DeadLettersOptions = { maxSize: 1_000_000, whenFull: "park" };

let state: string;
let path: string;
let told: Record<string, number>;

beforeEach(async () => {
  state = await mkdtemp(join(tmpdir(), "auditship-dead-letters-"));
  path = deadLettersPath(state, "archive");
  told = {};
  onTestFinished(() => rm(state, { recursive: true, force: true }));
});

async function openLetters(options = ROOMY): Promise<DeadLetters> {
  const add = (name: string, value: number) => {
    told[name] = (told[name] ?? 0) + value;
  };
  const set = (name: string, value: number) => {
    told[name] = value;
  };
  const letters = new DeadLetters(state, "archive", options, { add, set, observe() {} });
  onTestFinished(() => letters.close());
  await letters.ready();
  return letters;
}

function letter(id: string, more: Partial<DeadLetter> = {}): DeadLetter {
  return {
    id,
    sink: "archive",
    reason: "document_parsing_exception (400)",
    time: "2026-11-21T00:00:00.000Z",
    attempts: 1,
    line: `{"kind":"Event","auditID":"${id}"}`,
    members: '{"@timestamp":"2026-11-21T00:00:00Z","auditship":{"offset":0}}',
    ...more,
  };
}

async function read(filter = {}): Promise<DeadLetter[]> {
  const found: DeadLetter[] = [];
  for await (const each of readDeadLetters(path, filter)) found.push(each);
  return found;
}

const ids = async () => (await read()).map(({ id }) => id);

test("a letter comes back with its line and members byte for byte", async () => {
  const odd = letter("a", {
    reason: 'odd ,"line":{} and ,"members":[',
    line: '{"n":12345678901234567890.0,"line":{"members":"\\u0041\\"}"},"k":1,"k":2 ,"ü":"☃"}',
    members: '{"auditship":{"labels":{"members":"x","line":"{"}}}',
  });
  await (await openLetters()).add([odd, letter("b")]);
  expect(await read()).toEqual([odd, letter("b")]);
});

test("directory and file are for their owner only", async () => {
  await (await openLetters()).add([letter("a")]);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(dirname(path))).mode & 0o777).toBe(0o700);
});

test("a letter with an id that is kept already is kept once, after a restart too", async () => {
  const first = await openLetters();
  await first.add([letter("a"), letter("a", { reason: "again" })]);
  await first.add([letter("a", { reason: "and again" }), letter("b")]);
  await first.close();
  const second = await openLetters();
  await second.add([letter("b"), letter("c")]);
  expect(second.count).toBe(3);
  expect(await read()).toEqual([letter("a"), letter("b"), letter("c")]);
});

test("many letters are told apart", async () => {
  const letters = await openLetters({ ...ROOMY, maxSize: 100_000_000 });
  const many = Array.from({ length: 5000 }, (_, index) => letter(`id-${index}`));
  await letters.add(many);
  await letters.add(many);
  expect(letters.count).toBe(5000);
  expect(await read({ ids: new Set(["id-4999"]) })).toEqual([many[4999]]);
});

test("letters added at the same time are all kept", async () => {
  const letters = await openLetters();
  await Promise.all(["a", "b", "c", "b"].map((id) => letters.add([letter(id)])));
  expect(await ids()).toEqual(["a", "b", "c"]);
});

test("wherever a crash cuts the last letter, the others stay and it can be added again", async () => {
  const writer = await openLetters();
  await writer.add([letter("a"), letter("b")]);
  const before = (await stat(path)).size;
  await writer.add([letter("c")]);
  await writer.close();
  const whole = await readFile(path);
  for (let size = before; size < whole.length; size++) {
    await writeFile(path, whole.subarray(0, size));
    expect(await ids()).toEqual(["a", "b"]);
    // Opening it costs three fsyncs.
    if ((size - before) % 8 > 1) continue;
    const letters = await openLetters();
    expect(letters.count).toBe(2);
    await letters.add([letter("c")]);
    await letters.close();
    expect((await readFile(path)).equals(whole)).toBe(true);
  }
});

test("a half letter that was followed by a removal is not taken for a letter", async () => {
  const writer = await openLetters();
  await writer.add([letter("a"), letter("b")]);
  await writer.close();
  await truncate(path, (await stat(path)).size - 5);
  await removeDeadLetters(path, ["a"]);
  expect(await ids()).toEqual([]);
  const letters = await openLetters();
  expect(letters.count).toBe(0);
  await letters.add([letter("b")]);
  expect(await ids()).toEqual(["b"]);
});

test("lines that are no letters, or no whole ones, are left out and cost nothing else", async () => {
  const writer = await openLetters();
  await writer.add([letter("a")]);
  await writer.close();
  await appendFile(path, 'rubbish\n\n{"id":"x"\n{"removed":["a"\n{"removed":[1]]\n\u0000\u0000\n');
  const edited = JSON.stringify({ ...letter("x"), members: undefined });
  await appendFile(path, `{"id":"x"}\n${edited}\n{"removed":[],"removed":1}\n{"id":"x","sink":"archive","reason":1}\n`);
  const letters = await openLetters();
  await letters.add([letter("b")]);
  expect(await ids()).toEqual(["a", "b"]);
});

test("letters that are taken back are gone, also for the agent that runs, and may come again", async () => {
  const letters = await openLetters();
  await letters.add([letter("a"), letter("b"), letter("c")]);
  await removeDeadLetters(path, ["a", "c"]);
  expect(await ids()).toEqual(["b"]);
  await letters.add([letter("a")]);
  expect(await ids()).toEqual(["b", "a"]);
  expect(letters.count).toBe(2);
});

test("filters choose by id, reason and time", async () => {
  const letters = await openLetters();
  const early = letter("a", { time: "2026-11-20T00:00:00.000Z", reason: "too large (413)" });
  await letters.add([early, letter("b")]);
  const day = Date.parse("2026-11-21T00:00:00Z");
  expect(await read({ reason: "413" })).toEqual([early]);
  expect(await read({ since: day })).toEqual([letter("b")]);
  expect(await read({ until: day })).toEqual([early]);
  expect(await read({ ids: new Set(["b", "z"]) })).toEqual([letter("b")]);
});

test("there are no letters where there is no file", async () => {
  expect(await read()).toEqual([]);
});

test("a store that cannot be written is an error that names the file", async () => {
  await writeFile(join(state, "dead-letters"), "in the way");
  await expect(openLetters()).rejects.toMatchObject({ code: "AUDITSHIP_DEAD_LETTERS", place: { file: path } });
});

test("a store that could not be opened can be as soon as the way is free", async () => {
  await writeFile(join(state, "dead-letters"), "in the way");
  const letters = new DeadLetters(state, "archive", ROOMY, { add() {}, set() {}, observe() {} });
  onTestFinished(() => letters.close());
  await expect(letters.ready()).rejects.toMatchObject({ code: "AUDITSHIP_DEAD_LETTERS" });
  await rm(join(state, "dead-letters"));
  await letters.ready();
  await letters.add([letter("a")]);
  expect(await ids()).toEqual(["a"]);
});

test("a store whose file cannot be made anew can be as soon as the way is free", async () => {
  const letters = await openLetters();
  await rm(path);
  await symlink(join(state, "gone", "nowhere"), path);
  await expect(letters.add([letter("a")])).rejects.toMatchObject({ code: "AUDITSHIP_DEAD_LETTERS" });
  await rm(path);
  await letters.ready();
  await letters.add([letter("a")]);
  expect(await ids()).toEqual(["a"]);
});

test("a letter stays whole, whatever is taken back while it is written", async () => {
  const letters = await openLetters({ maxSize: 100_000_000, whenFull: "park" });
  const line = `{"kind":"Event","auditID":"${"x".repeat(3_000_000)}"}`;
  const numbers = Array.from({ length: 8 }, (_, number) => `${number}`);
  for (const number of numbers) {
    let added = false;
    const adding = letters.add([letter(number, { line })]).finally(() => {
      added = true;
    });
    while (!added) await removeDeadLetters(path, ["another"]);
    await adding;
  }
  expect(await ids()).toEqual(numbers);
});

test("a letter that is taken back while the file is written anew stays gone, and is not counted as lost", async () => {
  const letters = await openLetters();
  await letters.add(["a", "b", "c"].map((id) => letter(id)));
  await removeDeadLetters(path, ["a"]);
  vi.mocked(files.rename).mockImplementationOnce(async (from, to) => {
    await removeDeadLetters(path, ["b"]);
    await rename(from, to);
  });
  await letters.add([letter("d")]);
  expect(await ids()).toEqual(["c", "d"]);
  await letters.add([letter("b")]);
  expect(await ids()).toEqual(["c", "d", "b"]);
  expect(told.auditship_dead_letters_lost_total ?? 0).toBe(0);
});

test("letters are kept where they are looked for, though their file was moved or deleted meanwhile", async () => {
  const letters = await openLetters();
  await letters.add([letter("a")]);
  await rename(path, `${path}.mine`);
  await letters.add([letter("b")]);
  expect(await ids()).toEqual(["b"]);
  await rm(dirname(path), { recursive: true });
  await letters.add([letter("c")]);
  expect(await ids()).toEqual(["c"]);
  expect(letters.count).toBe(1);
});

describe("a full store", () => {
  test("that parks is not ready until what it refused would fit", async () => {
    const letters = await openLetters({ maxSize: 1000, whenFull: "park" });
    await letters.add([letter("0"), letter("1")]);
    await letters.ready();
    await expect(letters.add(["2", "3", "4"].map((id) => letter(id)))).rejects.toThrow("are full (1000 bytes)");
    await expect(letters.ready()).rejects.toThrow("are full (1000 bytes)");
    await removeDeadLetters(path, ["0", "1"]);
    await letters.ready();
    await letters.add(["2", "3", "4"].map((id) => letter(id)));
    expect(await ids()).toEqual(["2", "3", "4"]);
  });

  test("that parks is ready when it is empty, though what it refused never fits", async () => {
    const letters = await openLetters({ maxSize: 1000, whenFull: "park" });
    const large = letter("large", { line: `{"x":"${"x".repeat(1000)}"}` });
    await expect(letters.add([large])).rejects.toThrow("never fit into the dead letters of sink archive (1000 bytes)");
    await letters.ready();
    await letters.add([letter("small")]);
    expect(await ids()).toEqual(["small"]);
    await expect(letters.add([large])).rejects.toThrow("Raise deadLetters.maxSize");
    await expect(letters.ready()).rejects.toThrow("Raise deadLetters.maxSize");
  });

  test("that parks takes none of what does not fit, and takes it once there is room", async () => {
    const letters = await openLetters({ maxSize: 1000, whenFull: "park" });
    const many = Array.from({ length: 10 }, (_, index) => letter(`${index}`));
    await letters.add(many.slice(0, 2));
    await expect(letters.add(many.slice(2))).rejects.toMatchObject({ code: "AUDITSHIP_DEAD_LETTERS" });
    expect(await ids()).toEqual(["0", "1"]);
    await removeDeadLetters(path, ["0", "1"]);
    await letters.add(many.slice(2, 4));
    expect(await ids()).toEqual(["2", "3"]);
    expect(told.auditship_dead_letters_lost_total).toBeUndefined();
  });

  test("that drops the oldest keeps the newest, stays within its bound, and counts every one that is lost", async () => {
    const letters = await openLetters({ maxSize: 2000, whenFull: "dropOldest" });
    for (let index = 0; index < 50; index++) await letters.add([letter(`${index}`)]);
    const kept = await ids();
    expect((await stat(path)).size).toBeLessThanOrEqual(2000);
    expect(kept.length).toBeGreaterThan(2);
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, index) => `${50 - kept.length + index}`));
    expect(told.auditship_dead_letters_lost_total).toBe(50 - kept.length);
    expect(told.auditship_dead_letters).toBe(kept.length);
  });

  test("that drops the oldest keeps the newest of one request's letters, too, where not all of them fit", async () => {
    const letters = await openLetters({ maxSize: 1000, whenFull: "dropOldest" });
    await letters.add([letter("old")]);
    const large = letter("large", { line: `{"x":"${"x".repeat(1000)}"}` });
    await letters.add([letter("0"), letter("1"), letter("2"), large, letter("3"), letter("4"), letter("5")]);
    expect(await ids()).toEqual(["2", "3", "4", "5"]);
    expect(told.auditship_dead_letters_lost_total).toBe(4);
    expect(told.auditship_dead_letters).toBe(4);
    await letters.add([letter("0")]);
    expect((await ids()).at(-1)).toBe("0");
  });

  test("that drops the oldest does not empty itself for a letter that never fits", async () => {
    const letters = await openLetters({ maxSize: 1000, whenFull: "dropOldest" });
    await letters.add([letter("a")]);
    await letters.add([letter("b", { line: `{"x":"${"x".repeat(2000)}"}` })]);
    expect(await ids()).toEqual(["a"]);
    expect(told.auditship_dead_letters_lost_total).toBe(1);
  });
});
