import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, it, onTestFinished, vi } from "vitest";
import { askStatus } from "../../src/observe/control.js";
import { startBulkServer } from "../support/bulk-server.js";
import { canaryLines, leaks, PLACE_NAMES } from "../support/canaries.js";
import { serve } from "../support/serve.js";
import { bundledProgram, Site, started, text } from "./fixture.js";

/** The long run: AUDITSHIP_CANARY_EVENTS=100000. */
const EVENTS = Number(process.env.AUDITSHIP_CANARY_EVENTS ?? 1000);
/** Of so many one is refused for good. */
const REFUSED = 50;
/** For all of them, on a machine that does other things too. */
const PATIENCE_MS = 60_000 + EVENTS * 10;

const program = bundledProgram();

/** Rules that alert on every event, and quote what they can of it. */
const RULES = `
apiVersion: auditing.kubesphere.io/v1alpha1
kind: Rule
metadata: { name: leaky, labels: { type: alerting } }
spec:
  rules:
    - name: Leaky
      type: rule
      condition: Verb exists
      enable: true
      priority: WARNING
      output: "\${User.Username} \${User.Extra} \${RequestURI} \${UserAgent} \${SourceIPs} \${ObjectRef.Name} \${ResponseStatus.message} \${RequestObject} \${RequestObject.data} \${RequestObject.spec} \${ResponseObject.items} \${Annotations}"
    - name: Asks for a secret
      type: rule
      condition: RequestObject.stringData.b contains "PlantedCanary" or RequestURI contains "PlantedCanary"
      enable: true
      priority: WARNING
      output: "\${RequestObject.stringData.b} \${RequestURI}"
`;

/** A far end that takes all; everything that came, inflated. */
async function listener(answer: RequestListener): Promise<{ url: string; bodies: Buffer[] }> {
  const bodies: Buffer[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    bodies.push(Buffer.from(JSON.stringify(request.headers)));
    bodies.push(request.headers["content-encoding"] === "gzip" ? gunzipSync(bytes) : bytes);
    answer(request, response);
  });
  return { url: await serve(server), bodies };
}

/** Every file below a directory, but the log itself. */
async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile() && !entry.parentPath.endsWith("/log"))
    .map((entry) => join(entry.parentPath, entry.name));
}

it(
  `lets none of the secrets that are planted in ${EVENTS} events out: sinks, dead letters, log, metrics, state, control socket, explain`,
  async () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const site = await Site.make();
    const lines = [...canaryLines(seed, EVENTS)];
    await site.writeLog(lines);
    await mkdir(site.at("rules"));
    await writeFile(site.at("rules", "leaky.yaml"), RULES);
    const alertmanager = await listener((_, response) => response.end("{}"));
    const hook = await listener((_, response) => response.end());
    const bulk = await startBulkServer({
      script: () => ({
        do: "store",
        item: ({ document }, index) =>
          index % REFUSED === 0
            ? {
                status: 400,
                type: "document_parsing_exception",
                reason: `failed to parse: ${document.subarray(0, 2000)}`,
              }
            : undefined,
      }),
    });
    onTestFinished(() => bulk.close());
    await site.configure({
      rules: { paths: ["rules"] },
      stages: ["parse", "workspace", "match", { redact: { profile: "default", configMaps: true } }],
      sinks: {
        search: { type: "elasticsearch", urls: [bulk.url], request: { maxEvents: 500 } },
        local: { type: "file", path: "archive.ndjson" },
        pager: { type: "alertmanager", urls: [alertmanager.url], startAt: "beginning" },
        hook: { type: "webhook", url: hook.url, format: "events", startAt: "beginning", select: "all" },
        falco: { type: "webhook", url: hook.url, format: "falco", startAt: "beginning" },
        out: { type: "stdout" },
      },
      observe: { listen: "127.0.0.1:0", log: "debug" },
    });
    const agent = program.start(site);
    const { metric, page } = await started(agent);
    await vi.waitFor(
      async () => {
        const behind = Object.values(await metric("auditship_lag_bytes"));
        expect([behind.length, ...new Set(behind)]).toEqual([6, 0]);
        expect(alertmanager.bodies.length).toBeGreaterThan(0);
      },
      { timeout: PATIENCE_MS, interval: 100 },
    );
    const metrics = await page();
    const status = JSON.stringify(await askStatus(site.at("state")));
    const explained = program.command(site, "explain", "-c", "auditship.yaml", "--rule", "Leaky");
    await explained.exited;
    agent.child.kill("SIGTERM");
    expect(await agent.exited, agent.err).toBe(0);

    // In pieces: all of the long run is more than a string may hold.
    const left = new Map<string, readonly (Buffer | string)[]>([
      ["alertmanager", alertmanager.bodies],
      ["webhook", hook.bodies],
      ["elasticsearch", [...bulk.stored.values()]],
      ["stdout", [agent.out]],
      ["log", [agent.err]],
      ["metrics", [metrics]],
      ["control socket", [status]],
      ["explain", [explained.out, explained.err]],
    ]);
    for (const file of await filesBelow(site.directory)) {
      const bytes = await readFile(file);
      left.set(file.slice(site.directory.length), [file.endsWith(".gz") ? gunzipSync(bytes) : bytes]);
    }
    const names = [...left.keys()];
    const archived = await site.archive("archive.ndjson");
    expect(archived).toHaveLength(EVENTS);
    expect(names.filter((name) => name.includes("dead"))).not.toEqual([]);
    for (const name of ["alertmanager", "webhook", "elasticsearch", "stdout", "explain", "/archive.ndjson"]) {
      const isRedacted = left.get(name)?.some((piece) => piece.includes("hmac:"));
      expect(isRedacted, `${name} holds redacted events`).toBe(true);
    }
    // What quotes the search for it is a rule, not a secret.
    const own = (said: string) => said.replaceAll(/contains \\*"PlantedCanary\\*"/g, "");
    const found = names
      .filter((name) => name !== "/rules/leaky.yaml")
      .flatMap((name) =>
        left
          .get(name)!
          .flatMap((piece) => leaks(own(String(piece))))
          .map((leak) => `${name}: ${leak}`),
      );
    expect(found, `seed ${seed}`).toEqual([]);
    expect(PLACE_NAMES.length).toBeLessThan(EVENTS);
    expect(leaks(text(lines)).length).toBeGreaterThan(10);
  },
  PATIENCE_MS + 60_000,
);
