import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, vi } from "vitest";
import { freePort } from "../support/ports.js";
import { script } from "./scripts.js";

/** An Alertmanager that tests may use, and what `alertmanager-up` takes to have another one of its version. */
interface Release {
  name: string;
  url: string | undefined;
  env: Record<string, string>;
}

/** One that refuses label names of UTF-8, and a current one. */
export const ALERTMANAGERS: readonly Release[] = [
  { name: "Alertmanager 0.25", url: process.env.AUDITSHIP_TEST_ALERTMANAGER, env: {} },
  {
    name: "a current Alertmanager",
    url: process.env.AUDITSHIP_TEST_ALERTMANAGER_NEW,
    env: { AM_VERSION: "v0.34.2" },
  },
];

interface Shown {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  startsAt: string;
}

/** What an Alertmanager shows as active of one rule. */
export async function active(url: string, rule: string): Promise<Shown[]> {
  const filter = encodeURIComponent(`alertname=${JSON.stringify(rule)}`);
  const answer = await fetch(`${url}/api/v2/alerts?filter=${filter}`);
  expect(answer.status).toBe(200);
  return (await answer.json()) as Shown[];
}

const CONFIG = "route:\n  receiver: none\nreceivers:\n- name: none\n";

/** A real Alertmanager of a test's own, to be killed, stopped and started again. Alerts are in its memory alone. */
export class OwnAlertmanager {
  readonly #directory = mkdtempSync(join(tmpdir(), "auditship-alertmanager-"));
  #child: ChildProcess | undefined;

  private constructor(
    private readonly program: string,
    private readonly port: number,
    private readonly args: readonly string[],
  ) {}

  /** @param args further flags */
  static async make({ env }: Release, args: readonly string[] = ["--cluster.listen-address="]) {
    return new OwnAlertmanager(await script("alertmanager-up", env, "--build"), await freePort(), args);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts it, and waits until it is ready. */
  async start(): Promise<void> {
    const config = join(this.#directory, "alertmanager.yml");
    writeFileSync(config, CONFIG);
    const storage = `--storage.path=${join(this.#directory, "data")}`;
    const listen = `--web.listen-address=127.0.0.1:${this.port}`;
    this.#child = spawn(this.program, [`--config.file=${config}`, storage, listen, ...this.args], { stdio: "ignore" });
    await vi.waitFor(async () => expect((await fetch(`${this.url}/-/ready`)).status).toBe(200), { timeout: 30_000 });
  }

  /** SIGKILL ends it; SIGSTOP makes it take connections and never answer, until SIGCONT. */
  async signal(signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): Promise<void> {
    const child = this.#child!;
    child.kill(signal);
    if (signal === "SIGKILL" && child.exitCode === null) await once(child, "exit");
  }

  async remove(): Promise<void> {
    if (this.#child?.exitCode === null && this.#child.signalCode === null) await this.signal("SIGKILL");
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
