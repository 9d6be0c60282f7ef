import { constants } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, it, vi } from "vitest";
import { StandardError } from "../../src/observe/standard-error.js";
import { Program } from "../cli/fixture.js";
import { temporaryDirectory } from "../sinks/support.js";
import { Fifo } from "../support/fifo.js";
import { patience } from "../support/patience.js";

const MIB = 1024 ** 2;

/** Lines of 1 KiB with their numbers. */
const numbered = (count: number) => Array.from({ length: count }, (_, n) => `${String(n).padEnd(1023, ".")}\n`);

it("keeps a MiB of lines that nobody reads, and says how many it left out when somebody does", async () => {
  const fifo = new Fifo(join(await temporaryDirectory(), "stderr"), { full: true });
  const stderr = new StandardError(fifo.open(constants.O_NONBLOCK));
  const dropped: number[] = [];
  stderr.onDropped = (lines) => void dropped.push(lines);
  const lines = numbered(MIB / 1024 + 7);
  for (const line of lines) stderr.write(line);
  let read = "";
  await vi.waitFor(() => {
    read += fifo.read();
    expect(dropped).toEqual([7]);
  }, patience);
  expect(read + fifo.read()).toBe(lines.slice(0, -7).join(""));

  stderr.write("one more\n");
  expect(fifo.read()).toBe("one more\n");
  expect(dropped).toEqual([7]);
});

it("a process that ends waits for a reader that is late", async () => {
  const directory = await temporaryDirectory();
  const fifo = new Fifo(join(directory, "stderr"), { full: true });
  const source = pathToFileURL(join(import.meta.dirname, "../../src/observe/standard-error.ts"));
  const code = `import { StandardError } from "${source}";
    import { writeSync } from "node:fs";
    new StandardError().write("the last line\\n");
    writeSync(1, "ending");
    process.exit(3);`;
  const loader = ["--import", import.meta.resolve("tsx"), "--input-type=module", "-e", code];
  const program = new Program([], directory, {}, loader, { stdio: ["ignore", "pipe", fifo.open()] });
  await program.until(({ out }) => out === "ending");
  await vi.waitFor(() => expect(fifo.read()).toBe("the last line\n"), patience);
  expect(await program.exited).toBe(3);
});
