import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BulkServer, startBulkServer } from "../support/bulk-server.js";
import { copyLog, readLines } from "./audit-files.js";
import { Agent } from "./program.js";

/** Of a real kube-apiserver that rotates at 1 MB, keeps five backups and compresses them; and a program that makes requests to it. */
const KUBECONFIG = process.env.AUDITSHIP_TEST_ROTATING_KUBECONFIG;
const AUDIT_DIRECTORY = process.env.AUDITSHIP_TEST_ROTATING_AUDIT_DIR;
const KUBE_LOAD = process.env.AUDITSHIP_TEST_KUBE_LOAD;
/** 300 for the long run. */
const SECONDS = Number(process.env.AUDITSHIP_TEST_ROTATION_SECONDS ?? 40);
const KILLS = 10;
const IDENTITY = /"auditID":"([^"]*)","stage":"([^"]*)"/;

/** The second reader, a process: see copier.mjs. */
class Copier {
  readonly #child: ChildProcess;

  constructor(
    log: string,
    private readonly to: string,
  ) {
    const script = join(import.meta.dirname, "copier.mjs");
    this.#child = spawn(process.execPath, [script, log, to], { stdio: ["pipe", "pipe", "inherit"] });
  }

  async ready(): Promise<void> {
    await once(this.#child.stdout!, "data");
  }

  /** What it has kept so far. */
  get files(): string[] {
    return readdirSync(this.to).map((name) => join(this.to, name));
  }

  async stop(): Promise<void> {
    this.#child.stdin!.end();
    if (this.#child.exitCode === null) await once(this.#child, "exit");
  }
}

describe.skipIf(!KUBECONFIG || !AUDIT_DIRECTORY || !KUBE_LOAD)(
  `an agent that is killed ${KILLS} times in ${SECONDS} s while a real kube-apiserver rotates at 1 MB and keeps five backups`,
  () => {
    let directory: string;
    let server: BulkServer;
    let agent: Agent | undefined;
    let copier: Copier | undefined;
    let peak = 0;
    /** What the agents said that were killed. */
    let said = "";
    const arrived = new Map<string, number>();
    /** Events that must have arrived: all that were there when the load had ended; and all that may have. */
    let due: Set<string>;
    let written: Set<string>;

    beforeAll(
      async () => {
        // Beside the log: its files get a second name.
        directory = mkdtempSync(join(AUDIT_DIRECTORY!, "..", "auditship-rotation-"));
        server = await startBulkServer({
          keep: false,
          onStored: ({ document }) => {
            const [, auditID, stage] = IDENTITY.exec(document.toString("latin1", 0, 4096)) ?? [];
            const identity = `${auditID}/${stage}`;
            arrived.set(identity, (arrived.get(identity) ?? 0) + 1);
          },
        });
        const config = join(directory, "auditship.yaml");
        writeFileSync(config, JSON.stringify(configuration(server.url)));
        mkdirSync(join(directory, "before"));
        copier = new Copier(AUDIT_DIRECTORY!, join(directory, "copies"));
        await copier.ready();
        const before = copyLog(AUDIT_DIRECTORY!, join(directory, "before"));
        agent = new Agent(config);
        const load = makeRequests("varied", SECONDS);
        for (let kill = 0; kill < KILLS; kill++) {
          await sleep((SECONDS * 1000) / (KILLS + 1));
          peak = Math.max(peak, agent.peak());
          await agent.stop("SIGKILL");
          said += agent.log;
          agent = new Agent(config);
        }
        await load;
        // Big objects and lists: a file in a fraction of a second.
        await makeRequests("large", SECONDS / 8);
        due = identitiesOf(copier.files);
        for (let i = 0; i < 200 && missing(due, arrived).length > 0; i++) await sleep(100);
        peak = Math.max(peak, agent.peak());
        expect(await agent.stop("SIGTERM"), agent.log).toBe(0);
        await copier.stop();
        written = identitiesOf([...before, ...copier.files]);
      },
      SECONDS * 2000 + 60_000,
    );

    afterAll(async () => {
      await agent?.stop("SIGKILL");
      await copier?.stop();
      await server?.close();
      rmSync(directory, { recursive: true });
    });

    it("delivers every event that a second reader saw, each once", () => {
      expect(due.size).toBeGreaterThan(SECONDS * 50);
      const lost = missing(due, arrived);
      const complaints = `${said}${agent?.log}`.split("\n").filter((line) => /"level":"(?:warn|error)"/.test(line));
      const what = `${lost.length} of ${due.size} did not arrive: ${complaints.join("\n")}`;
      expect(lost.slice(0, 10), what).toEqual([]);
      expect(missing(arrived.keys(), written).slice(0, 10), "nobody else saw them").toEqual([]);
      const twice = [...arrived].filter(([, count]) => count > 1);
      expect(twice.slice(0, 10)).toEqual([]);
      expect(server.problems).toEqual([]);
    });

    it("stays within 150 MiB", () => {
      expect(peak).toBeGreaterThan(0);
      expect(peak).toBeLessThan(150);
    });
  },
);

function configuration(url: string): object {
  return {
    sources: { apiserver: { path: join(AUDIT_DIRECTORY!, "audit.log"), startAt: "beginning" } },
    state: "state",
    stages: ["parse", "redact"],
    sinks: { archive: { type: "elasticsearch", urls: [url] } },
    observe: { listen: "127.0.0.1:0" },
  };
}

/** Resolves when they are made. */
async function makeRequests(mix: string, seconds: number): Promise<void> {
  const args = ["--seconds", String(Math.ceil(seconds)), "--mix", mix, "--concurrency", "4", "--quiet"];
  await promisify(execFile)(KUBE_LOAD!, args, {
    env: { ...process.env, KUBECONFIG },
    timeout: seconds * 2000 + 60_000,
  });
}

function identitiesOf(files: readonly string[]): Set<string> {
  const identities = new Set<string>();
  for (const { text } of files.flatMap(readLines)) {
    const { auditID, stage } = JSON.parse(text) as { auditID: string; stage: string };
    identities.add(`${auditID}/${stage}`);
  }
  return identities;
}

/** Of these, those that are not there. */
const missing = (identities: Iterable<string>, there: { has(identity: string): boolean }): string[] =>
  [...identities].filter((identity) => !there.has(identity));
