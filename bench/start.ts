/**
 * `npm run bench:start`: from the start of the program to the first byte of its first request with events, over a log that was
 * there before, beside the start of a Node that does nothing. `--runs N` (7): the median counts.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { report } from "./results.js";
import { configOf, median, writeLog } from "./ship.js";

const { values: options } = parseArgs({
  options: { runs: { type: "string", default: "7" }, results: { type: "string" } },
});
const ROOT = join(import.meta.dirname, "..");
const LOG = 8 * 1024 ** 2;

let onEvents = () => {};
const server = createServer((request, response) => {
  if (request.url!.includes("_bulk")) onEvents();
  request.resume();
  response.writeHead(503).end();
});

/** Milliseconds. */
async function bareNode(): Promise<number> {
  const started = performance.now();
  await once(spawn(process.execPath, ["--eval", ""]), "exit");
  return performance.now() - started;
}

/** Milliseconds. */
async function firstEvent(config: string): Promise<number> {
  const started = performance.now();
  const arrived = new Promise<number>((resolve) => {
    onEvents = () => resolve(performance.now());
  });
  const agent = spawn(process.execPath, [join(ROOT, "dist/auditship.js"), "run", "-c", config], { stdio: "ignore" });
  const ended = once(agent, "exit");
  const at = await arrived;
  agent.kill("SIGKILL");
  await ended;
  return at - started;
}

const directory = mkdtempSync(join(tmpdir(), "auditship-bench-start-"));
server.listen(0, "127.0.0.1");
await once(server, "listening");
try {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { path } = writeLog(directory, "mixed", LOG);
  const node: number[] = [];
  const ours: number[] = [];
  for (let run = 0; run < Number(options.runs); run++) {
    const config = join(directory, `${run}.yaml`);
    writeFileSync(config, JSON.stringify(configOf(path, join(directory, `state-${run}`), { url })));
    node.push(await bareNode());
    ours.push(await firstEvent(config));
  }
  process.stdout.write(`A Node that does nothing: ${median(node).toFixed(0)} ms.\n`);
  report(
    [{ work: "start to first shipped event", unit: "ms", ours: median(ours), goal: { most: 500 } }],
    options.results,
  );
} finally {
  server.close();
  server.closeAllConnections();
  rmSync(directory, { recursive: true });
}
