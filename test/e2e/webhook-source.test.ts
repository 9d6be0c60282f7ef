import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { freePort } from "../support/ports.js";
import { copyLog, readLines } from "./audit-files.js";
import { Agent } from "./program.js";
import { SCRIPTS, script } from "./scripts.js";

const run = promisify(execFile);
const LOAD_SECONDS = 12;

/** What is the same of an event in the file and in what was posted. */
const nameOf = (event: { auditID: string; stage: string; stageTimestamp: string }) =>
  `${event.auditID} ${event.stage} ${event.stageTimestamp}`;

describe.skipIf(!SCRIPTS).each(["batch", "blocking"])(
  "a real kube-apiserver that posts its events, mode %s,",
  (mode) => {
    let directory: string;
    let kube: Record<string, string>;
    let agent: Agent;
    const archive = () => {
      const path = join(directory, "archive.ndjson");
      const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
      return lines.map((line) => JSON.parse(line));
    };

    beforeAll(async () => {
      directory = mkdtempSync(join(tmpdir(), "auditship-posted-"));
      const port = await freePort();
      const at = (name: string) => join(directory, name);
      await run(CERTIFICATES, ["127.0.0.1", directory]);
      writeFileSync(
        at("auditship.yaml"),
        JSON.stringify({
          sources: {
            posted: {
              type: "webhook",
              listen: `127.0.0.1:${port}`,
              tls: {
                certFile: "tls.crt",
                keyFile: "tls.key",
                ...(mode === "batch" && { clientCaFile: "clients.crt" }),
              },
              ...(mode === "blocking" && { auth: "none" }),
            },
          },
          state: "state",
          stages: ["parse"],
          sinks: { archive: { type: "file", path: "archive.ndjson" } },
          observe: { listen: "127.0.0.1:0" },
        }),
      );
      writeFileSync(at("audit-webhook.yaml"), kubeconfig(mode, readFileSync(at("audit-webhook.yaml"), "utf8"), port));
      agent = new Agent(at("auditship.yaml"));
      kube = {
        KUBE_DIR: at("kube"),
        PORT: String(await freePort(3)),
        AUDIT_MAXBACKUP: "0",
        AUDIT_WEBHOOK_CONFIG: at("audit-webhook.yaml"),
        KUBE_EXTRA_ARGS: `--audit-webhook-mode ${mode} --audit-webhook-batch-max-wait 1s --audit-webhook-initial-backoff 3s`,
      };
      const KUBECONFIG = await script("kube-up", kube);
      const load = run(join(SCRIPTS!, "kube-load"), ["--seconds", String(LOAD_SECONDS), "--mix", "varied"], {
        env: { ...process.env, KUBECONFIG },
        timeout: 120_000,
      });
      for (let kill = 0; kill < 2; kill++) {
        const before = archive().length;
        const more = () => expect(archive().length).toBeGreaterThan(before + 150);
        await vi.waitFor(more, { timeout: 60_000, interval: 100 });
        await agent.stop("SIGKILL");
        agent = new Agent(at("auditship.yaml"));
      }
      await load;
    });

    afterAll(async () => {
      await agent?.stop("SIGKILL");
      await script("kube-up", kube, "--wipe");
      rmSync(directory, { recursive: true });
    });

    it("has every event archived that it wrote to its own log, once, though the agent was killed twice", async () => {
      mkdirSync(join(directory, "copy"));
      const written = copyLog(join(directory, "kube", "audit"), join(directory, "copy")).flatMap(readLines);
      const names = new Set(written.map(({ text }) => nameOf(JSON.parse(text))));
      const missing = () => {
        const shipped = new Set(archive().map(nameOf));
        return [...names].filter((name) => !shipped.has(name)).slice(0, 10);
      };
      await expect.poll(missing, { timeout: 60_000, interval: 500 }).toEqual([]);
      const shipped = archive().map(nameOf);
      expect(shipped.length - new Set(shipped).size, "stored twice").toBe(0);
    });
  },
);

const CERTIFICATES = fileURLToPath(new URL("../../daemonset/webhook/certificates.sh", import.meta.url));

/** Our own kubeconfig with a certificate, and KubeSphere's documented one, which has no user and trusts anybody. */
function kubeconfig(mode: string, secured: string, port: number): string {
  const posts = secured.replace(/server: .*/, `server: https://127.0.0.1:${port}/audit/webhook/event`);
  if (mode === "batch") return posts;
  return `apiVersion: v1
kind: Config
clusters:
- name: kube-auditing
  cluster:
    server: https://127.0.0.1:${port}/audit/webhook/event
    insecure-skip-tls-verify: true
contexts:
- context:
    cluster: kube-auditing
    user: ""
  name: default-context
current-context: default-context
preferences: {}
users: []
`;
}
