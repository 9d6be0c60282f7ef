import { createHash } from "node:crypto";
import { link, open, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { StoredCursor } from "../delivery/ledger.js";
import {
  AuditshipError,
  type Logger,
  type Meter,
  makeDirectory,
  type SinkState,
  type StoredPosition,
  syncDirectory,
} from "../plugin/index.js";
import { BODIES } from "./state-bodies.js";

/** Version of the files' format. A file of a later one is refused, not guessed at. */
const FORMAT = 1;

/** What is kept of a source: its table of files, how far it was ever read, and the gaps in that; see seen.ts. */
export interface SourceState {
  table: object;
  highWater?: StoredPosition;
  gaps?: { from?: StoredPosition; to: StoredPosition }[];
}

/** What is kept of a sink: a cursor per source, and the sink's own state of the same moment. */
export interface SinkRecord {
  cursors: Record<string, StoredCursor>;
  state?: SinkState;
}

type Kind = "source" | "sink";

interface Envelope<Body> {
  format: number;
  kind: Kind;
  name: string;
  /** The agent that wrote it. */
  instance: string;
  /** The node it belongs to. */
  node: string;
  written: string;
  body: Body;
}

/** Cursors of sinks that are no longer configured are kept so long. */
const KEEP_REMOVED = 7 * 86_400_000;

/**
 * The state directory: one file per source and per sink, so that a damaged one costs one sink a replay, not all. Each
 * write is atomic and durable (temporary file, fsync, rename, fsync of the directory); the version before is kept beside
 * it and read where the newest cannot be.
 */
export class StateStore {
  readonly #directory: string;
  readonly #identity: { instance: string; node: string };
  readonly #log: Logger;
  readonly #meter: Meter;
  /** Who had written each file when we first saw it. */
  readonly #owners = new Map<string, string>();

  constructor(directory: string, identity: { instance: string; node: string }, log: Logger, meter: Meter) {
    this.#directory = directory;
    this.#identity = identity;
    this.#log = log;
    this.#meter = meter;
  }

  /** Makes the directories. Throws AUDITSHIP_STATE_WRITE if the state cannot be kept there. */
  async open(): Promise<void> {
    try {
      for (const room of ["sources", "sinks"]) await makeDirectory(join(this.#directory, room));
    } catch (cause) {
      throw this.#unwritable(cause as Error);
    }
  }

  readSource(name: string): Promise<SourceState | undefined> {
    return this.#read("source", name);
  }

  readSink(name: string): Promise<SinkRecord | undefined> {
    return this.#read("sink", name);
  }

  writeSource(name: string, state: SourceState): Promise<void> {
    return this.#write("source", name, state);
  }

  writeSink(name: string, record: SinkRecord): Promise<void> {
    return this.#write("sink", name, record);
  }

  /** Removes the cursors of sinks that have not been configured for 7 days. `names`: those that are, however long ago they moved. */
  async forgetRemoved(names: readonly string[], now: number): Promise<void> {
    const room = join(this.#directory, "sinks");
    const kept = new Set(names.map(fileName));
    for (const file of await readdir(room)) {
      const path = join(room, file);
      const base = file.replace(/\.(prev|tmp)$/, "");
      if (kept.has(base)) {
        if (file === base) await utimes(path, now / 1000, now / 1000);
      } else if (now - (await stat(path)).mtimeMs > KEEP_REMOVED) await rm(path, { force: true });
    }
  }

  async #read<Body>(kind: Kind, name: string): Promise<Body | undefined> {
    const path = this.#path(kind, name);
    const owner = await ownerOf(path);
    if (owner) this.#owners.set(path, owner);
    for (const candidate of [path, `${path}.prev`]) {
      const envelope = await this.#readFile<Body>(candidate, kind);
      if (envelope) return envelope.body;
    }
    return undefined;
  }

  async #readFile<Body>(path: string, kind: Kind): Promise<Envelope<Body> | undefined> {
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw this.#unwritable(error as Error, path);
    }
    let envelope: Envelope<Body>;
    try {
      envelope = JSON.parse(text) as Envelope<Body>;
    } catch {
      this.#log.error({ file: path }, "State file is damaged; using the version before it, else starting anew.");
      return undefined;
    }
    if (typeof envelope?.format === "number" && envelope.format > FORMAT) {
      throw new AuditshipError(
        "AUDITSHIP_STATE_FORMAT",
        `written by a newer version (format ${envelope.format}, this one reads ${FORMAT}). Run that version, or move the file away to start anew.`,
        { file: path },
      );
    }
    if (envelope?.format !== FORMAT || envelope.kind !== kind || !BODIES[kind].safeParse(envelope.body).success) {
      this.#log.error(
        { file: path },
        "State file is not one of ours; using the version before it, else starting anew.",
      );
      return undefined;
    }
    if (envelope.node !== this.#identity.node) {
      this.#log.warn(
        { file: path, node: envelope.node },
        "State file was written on another node; using it all the same.",
      );
    }
    return envelope;
  }

  /** Another agent that writes the same file would undo our cursors and we its. */
  async #assertOurs(path: string): Promise<void> {
    const owner = await ownerOf(path);
    if (!owner || owner === this.#identity.instance || owner === this.#owners.get(path)) return;
    throw new AuditshipError(
      "AUDITSHIP_STATE_LOCKED",
      `written by another agent (instance ${owner}) since this one started. Run one agent per state directory.`,
      { file: path },
    );
  }

  async #write<Body>(kind: Kind, name: string, body: Body): Promise<void> {
    const path = this.#path(kind, name);
    const envelope: Envelope<Body> = {
      format: FORMAT,
      kind,
      name,
      ...this.#identity,
      written: new Date().toISOString(),
      body,
    };
    await this.#assertOurs(path);
    try {
      await replaceFile(path, `${JSON.stringify(envelope)}\n`);
      this.#owners.set(path, this.#identity.instance);
      this.#meter.add("auditship_state_writes_total", 1, "ok");
    } catch (cause) {
      this.#meter.add("auditship_state_writes_total", 1, "failed");
      throw this.#unwritable(cause as Error);
    }
  }

  #path(kind: Kind, name: string): string {
    return join(this.#directory, `${kind}s`, fileName(name));
  }

  #unwritable(cause: Error, file = this.#directory): AuditshipError {
    return new AuditshipError(
      "AUDITSHIP_STATE_WRITE",
      `the state directory cannot be used: ${cause.message}. Give the agent a writable directory with room (state: …).`,
      { file },
      { cause },
    );
  }
}

/** The agent that wrote a state file, also if the file is damaged further on; undefined if that cannot be told. */
async function ownerOf(path: string): Promise<string | undefined> {
  const text = await readFile(path, "utf8").catch(() => "");
  return /^[^{]*\{.{0,2000}?"instance":"([^"]*)"/.exec(text)?.[1];
}

/** A configuration name is a safe file name (config/schema.ts); very long ones are shortened. */
function fileName(name: string): string {
  if (name.length <= 100) return `${name}.json`;
  return `${name.slice(0, 80)}-${createHash("sha256").update(name).digest("hex").slice(0, 16)}.json`;
}

/** Replaces a file so that after any crash it has its old content or its new one, and keeps the old one as `.prev`. */
async function replaceFile(path: string, content: string): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await open(temporary, "w", 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await keepPrevious(path);
  await rename(temporary, path);
  await syncDirectory(join(path, ".."));
}

async function keepPrevious(path: string): Promise<void> {
  const previous = `${path}.prev`;
  try {
    await link(path, `${previous}.tmp`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return;
    if (code !== "EEXIST") throw error;
    await rm(`${previous}.tmp`);
    await link(path, `${previous}.tmp`);
  }
  await rename(`${previous}.tmp`, previous);
}
