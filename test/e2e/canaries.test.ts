import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodedForms } from "../support/canaries.js";
import { copyLog, readLines } from "./audit-files.js";
import { printed } from "./program.js";

/** Of a real kube-apiserver, the directory of its audit log, and a program that makes many varied requests to it. */
const KUBECONFIG = process.env.AUDITSHIP_TEST_KUBECONFIG;
const AUDIT_DIRECTORY = process.env.AUDITSHIP_TEST_AUDIT_DIR;
const KUBE_LOAD = process.env.AUDITSHIP_TEST_KUBE_LOAD;

const RULES = fileURLToPath(new URL("../../config/rules", import.meta.url));
/** `agent.test.ts` has `varied`, through servers and kills. */
const MIXES = ["varied", "small", "large", "exec", "failures"];
const REQUESTS = Number(process.env.AUDITSHIP_TEST_CANARY_REQUESTS ?? 300);

describe.skipIf(!KUBECONFIG || !AUDIT_DIRECTORY || !KUBE_LOAD)(
  "what a real kube-apiserver logs of secrets that are planted",
  () => {
    let directory: string;
    let log: string[];
    /** What was planted, by its beginnings, in every encoding. */
    let forms: string[];
    const at = (...names: string[]) => join(directory, ...names);

    beforeAll(async () => {
      directory = mkdtempSync(join(tmpdir(), "auditship-canaries-"));
      const beginnings = new Set<string>();
      for (const [index, mix] of MIXES.entries()) {
        const canaries = at(`${mix}.txt`);
        const seed = String(Date.now() + index);
        const args = ["--requests", String(REQUESTS), "--mix", mix, "--canaries", canaries, "--seed", seed, "--quiet"];
        await promisify(execFile)(KUBE_LOAD!, args, { env: { ...process.env, KUBECONFIG }, timeout: 120_000 });
        for (const secret of readFileSync(canaries, "utf8").trim().split("\n"))
          beginnings.add(/^CANARY-[0-9a-f]+-|^eyJ[^.]+/.exec(secret)?.[0] ?? secret);
      }
      forms = [...beginnings].flatMap(encodedForms);
      mkdirSync(at("log"));
      log = copyLog(AUDIT_DIRECTORY!, at("log"));
    });

    afterAll(() => rmSync(directory, { recursive: true }));

    it.each(["default", "strict"])(
      "leaves the agent with profile %s in no file, no message and no stream",
      async (profile) => {
        const config = {
          sources: { apiserver: { path: at("log", "audit.log") } },
          state: `state-${profile}`,
          rules: { paths: [RULES], alertingPriority: "DEBUG" },
          stages: ["parse", "match", { redact: { profile, configMaps: true } }],
          sinks: {
            archive: { type: "file", path: `out-${profile}/audit.ndjson` },
            out: { type: "stdout", select: "archived", startAt: "beginning" },
          },
          observe: { listen: "127.0.0.1:0", log: "debug" },
        };
        writeFileSync(at(`${profile}.yaml`), JSON.stringify(config));
        const { stdout, stderr } = await printed("run", "-c", at(`${profile}.yaml`), "--once");
        const lines = log.flatMap(readLines).map(({ text }) => text);
        expect(forms.filter((form) => lines.some((line) => line.includes(form))).length).toBeGreaterThan(2);

        const left = new Map(Object.entries({ stdout, stderr }));
        for (const below of [`state-${profile}`, `out-${profile}`]) {
          for (const name of readdirSync(at(below), { recursive: true, encoding: "utf8" }))
            if (statSync(at(below, name)).isFile())
              left.set(join(below, name), readFileSync(at(below, name), "latin1"));
        }
        expect(left.get(`out-${profile}/audit.ndjson`)?.split("\n").length).toBe(lines.length + 1);
        const found = [...left].flatMap(([name, text]) =>
          text
            .split("\n")
            .filter((line) => forms.some((form) => line.includes(form)))
            .slice(0, 3)
            .map((line) => `${name}: ${line.slice(0, 2000)}`),
        );
        expect(found).toEqual([]);
      },
    );
  },
);
