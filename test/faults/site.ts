import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { LumberjackOptions } from "../support/lumberjack.js";
import { Agent, type AgentOptions, sumOf } from "./agent.js";
import { Ledger } from "./ledger.js";
import { Receiver } from "./receiver.js";
import { AuditWriter } from "./writer.js";

const RULES = fileURLToPath(new URL("../../config/rules", import.meta.url));
const LOSS = /"reason":"(\w+)",[^\n]*"msg":"Audit bytes are gone/g;
/** Milliseconds without anything arriving after which what is missing is held for lost. */
const PATIENCE = 15_000;

/** Why bytes are gone. Under `unseen` only bounds are known. */
export const REASONS = ["deleted", "overwritten", "unreadable", "unseen"] as const;
export type Reason = (typeof REASONS)[number];

/** Bytes that the agent has counted as lost, by reason. `unseen` is a lower bound, `atMost` its upper one. */
export type CountedLoss = Partial<Record<Reason | "atMost", number>>;

/** A node: a directory with a log, a writer, the agent's configuration and state; and a far end. */
export class Site {
  readonly directory: string;
  readonly ledger = new Ledger();
  readonly receiver: Receiver;
  /** What the agents that have ended had counted. */
  readonly counted: CountedLoss = {};
  /** Reasons of losses that they have told of in their logs. */
  readonly told = new Set<string>();
  /** Writes the log from now on: the writer that was made last. */
  log!: AuditWriter;
  /** Events that they had put into the dead letters. */
  deadLetters = 0;
  /** Seconds that it took the far end to have everything after it was well again, the longest if that was so more than once. */
  recovered: number | undefined;
  /** Most memory of any agent, MiB. */
  peak = 0;
  /** The agent that runs, or ran last. */
  agent!: Agent;
  readonly #entry: string;
  readonly #undo: (() => void)[] = [];
  #agents: Agent[] = [];
  #heard = () => {};
  #wellSince: number | undefined;

  private constructor(entry: string, receiver: Receiver) {
    this.#entry = entry;
    this.receiver = receiver;
    this.directory = mkdtempSync(join(tmpdir(), "auditship-faults-"));
    chmodSync(this.directory, 0o755);
    receiver.onArrived = (identity) => {
      this.ledger.arrived(identity);
      this.#heard();
    };
    mkdirSync(this.at("log"));
    this.configure();
  }

  /** @param entry the built program */
  static async make(entry: string): Promise<Site> {
    return new Site(entry, await Receiver.start());
  }

  at(...names: string[]): string {
    return join(this.directory, ...names);
  }

  /** A writer of log/audit.log, or of another file of the site. */
  writer(options: Omit<LumberjackOptions, "now"> = {}, path = this.at("log", "audit.log")): AuditWriter {
    this.log = new AuditWriter(path, this.ledger, options);
    return this.log;
  }

  /** Writes the agent's configuration: short intervals, and what is given; `sinks` are beside the usual one. */
  configure({
    source = {},
    sink = {},
    sinks = {},
    ...config
  }: {
    source?: object;
    sink?: object;
    sinks?: object;
    [key: string]: unknown;
  } = {}): void {
    const defaults = {
      sources: { apiserver: { path: "log/audit.log", poll: "50ms", ...source } },
      state: "state",
      rules: { paths: [RULES] },
      stages: ["parse", "match", "redact"],
      sinks: {
        archive: {
          type: "elasticsearch",
          urls: [this.receiver.url],
          compression: "none",
          request: { maxEvents: 500, maxWait: "20ms" },
          retry: { initial: "20ms", max: "100ms", slow: "100ms" },
          stallAfter: "500ms",
          ...sink,
        },
        ...sinks,
      },
      observe: { listen: "127.0.0.1:0" },
    };
    writeFileSync(this.at("auditship.yaml"), JSON.stringify({ ...defaults, ...config }));
  }

  /** Starts an agent; resolves when it runs. */
  async start(options: AgentOptions = {}): Promise<Agent> {
    return this.launch(options).started();
  }

  /** Starts an agent that may not come to run. */
  launch(options: AgentOptions = {}): Agent {
    this.agent = new Agent(this.#entry, this.directory, options);
    this.#agents.push(this.agent);
    return this.agent;
  }

  /** Resolves when every event that can arrive has arrived. @throws if nothing comes for a while */
  async settled(patience = PATIENCE): Promise<void> {
    const { ledger, receiver } = this;
    const all = () => ledger.pending.size === 0 && receiver.invalid.length >= ledger.invalid.length;
    if (await this.until(all, patience)) return;
    const lines = `${ledger.invalid.length - receiver.invalid.length} invalid lines`;
    throw new Error(`nothing comes, though ${ledger.pending.size} events and ${lines} have not arrived`);
  }

  /** Resolves when the agent has read and delivered all that there is, as far as it knows. */
  async caughtUp(): Promise<void> {
    for (let i = 0; i < 100 && (await this.agent.metric("auditship_lag_bytes")) > 0; i++) await sleep(20);
  }

  /** Resolves when so many documents were stored. */
  async stored(documents: number): Promise<void> {
    await this.until(() => this.receiver.documents >= documents);
  }

  /** Resolves when the sink has parked: nothing is read. It parks when it has more than it can hold, and the far end fails. */
  parked(): Promise<void> {
    return this.metric("auditship_sink_state", { state: "parked" });
  }

  /** Resolves when `condition` holds; it is asked whenever something arrives. False if nothing comes for a while. */
  async until(condition: () => boolean, patience = PATIENCE): Promise<boolean> {
    while (!condition()) {
      const heard = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(false), patience);
        this.#heard = () => {
          clearTimeout(timer);
          resolve(true);
        };
      });
      if (!heard) return condition();
    }
    return true;
  }

  /** Resolves when a metric of the agent has come to a value. @throws if it does not */
  async metric(name: string, labels: Record<string, string> = {}, atLeast = 1): Promise<void> {
    const deadline = performance.now() + PATIENCE;
    for (;;) {
      const value = await this.agent.metric(name, labels);
      if (value >= atLeast) return;
      if (performance.now() > deadline) throw new Error(`${name}${JSON.stringify(labels)} stays at ${value}`);
      await sleep(50);
    }
  }

  /** Ends the agent as systemd or Kubernetes would. @throws if it does not end with 0 */
  async stop(): Promise<void> {
    await this.#count();
    const code = await this.agent.end("SIGTERM");
    if (code !== 0) throw new Error(`the agent ended with ${code}: ${this.agent.log.slice(-2000)}`);
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.#count();
    await this.killAtOnce();
  }

  /** kill -9, without a look at its metrics before. */
  async killAtOnce(): Promise<void> {
    await this.agent.end("SIGKILL");
  }

  /** kill -9 and a new one. */
  async restart(options: AgentOptions = {}): Promise<void> {
    await this.kill();
    await this.start(options);
  }

  /** The far end is well again. */
  well(): void {
    this.receiver.accept();
    this.#wellSince = performance.now();
  }

  /** It has everything. */
  hasRecovered(): void {
    if (this.#wellSince === undefined) return;
    this.recovered = Math.max(this.recovered ?? 0, (performance.now() - this.#wellSince) / 1000);
    this.#wellSince = undefined;
  }

  /** Undone when the scenario ends, last first: mounts, attributes. */
  undo(step: () => void): void {
    this.#undo.push(step);
  }

  /** Mounts something until the scenario ends. @throws where this user may not mount */
  mount(...args: string[]): void {
    this.remount(...args);
    this.undo(() => execFileSync("umount", ["-l", args.at(-1)!], { stdio: "pipe" }));
  }

  /** Changes the options of what is mounted. */
  remount(...args: string[]): void {
    execFileSync("mount", args, { stdio: "pipe" });
  }

  async close(): Promise<void> {
    for (const agent of this.#agents) await agent.end("SIGKILL");
    for (const agent of this.#agents) this.peak = Math.max(this.peak, agent.peak);
    for (const step of this.#undo.reverse()) step();
    await this.receiver.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Adds what this agent has counted to what those before it had. */
  async #count(): Promise<void> {
    const metrics = await this.agent.metrics();
    for (const reason of REASONS) {
      this.#add(reason, sumOf(metrics, "auditship_bytes_lost_total", { reason }));
    }
    this.#add("atMost", sumOf(metrics, "auditship_bytes_lost_at_most"));
    this.deadLetters += sumOf(metrics, "auditship_dead_letters_total");
    for (const [, reason] of this.agent.log.matchAll(LOSS)) this.told.add(reason);
    this.peak = Math.max(this.peak, this.agent.peak);
  }

  #add(reason: keyof CountedLoss, bytes: number): void {
    if (bytes > 0) this.counted[reason] = (this.counted[reason] ?? 0) + bytes;
  }
}
