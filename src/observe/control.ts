import { randomBytes } from "node:crypto";
import { chmodSync } from "node:fs";
import { type FileHandle, link, open, rename, stat, unlink } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { AuditshipError } from "../plugin/error.js";
import { makeDirectory } from "../plugin/make-directory.js";

const NAME = "control.sock";
/** Milliseconds that a client waits, and a server for a client's line. */
const PATIENCE = 5000;
/** Most bytes of a request or an answer. */
const MAX_REQUEST = 1024;
const MAX_ANSWER = 1 << 20;

/** Who holds a state directory. */
export interface Holder {
  pid: number;
  /** The agent's instance id, which is in every state file it writes. */
  instance: string;
  /** When it started, RFC 3339. */
  since: string;
}

/** The lock on a state directory, and the socket on which its holder answers. */
export interface Control {
  readonly holder: Holder;
  /** True while `control.sock` is still ours: false means that somebody took the directory over, and writing must stop. */
  held(): Promise<boolean>;
  /** Gives the directory back. */
  release(): Promise<void>;
}

/**
 * Takes the state directory (made if it is missing, 0700), or says who has it. The socket is bound under a name of its own and
 * linked to `control.sock`: link fails if that exists, so one of two starters wins. A socket that nobody listens on was left
 * by a crash and is renamed away first.
 *
 * @param status what to answer a client in addition to the holder
 * @throws AuditshipError AUDITSHIP_STATE_LOCKED, AUDITSHIP_STATE_WRITE
 */
export async function takeControl(
  directory: string,
  instance: string,
  status: () => object = () => ({}),
): Promise<Control> {
  const holder: Holder = { pid: process.pid, instance, since: new Date().toISOString() };
  const place = await Directory.open(directory);
  const own = `control.${process.pid}.${randomBytes(4).toString("hex")}.sock`;
  const server = createServer((socket) => serve(socket, () => ({ ...holder, ...status() })));
  try {
    await listen(server, place.short(own));
    chmodSync(place.full(own), 0o600);
    const inode = (await stat(place.full(own))).ino;
    await claim(place, own, inode);
    await unlink(place.full(own));
    return new HeldControl(holder, place, server, inode);
  } catch (error) {
    await unlink(place.full(own)).catch(() => {});
    await closed(server);
    await place.close();
    throw error instanceof AuditshipError ? error : unwritable(directory, error as Error);
  }
}

/**
 * What the agent that holds `directory` says of itself; undefined if none runs.
 * @throws AuditshipError AUDITSHIP_STATUS if that cannot be told
 */
export async function askStatus(directory: string): Promise<(Holder & Record<string, unknown>) | undefined> {
  let place: Directory | undefined;
  try {
    place = new Directory(directory, await open(directory));
    const answer = await ask(place);
    if (answer.kind === "silent") throw new Error(`an agent does not answer within ${PATIENCE / 1000} s`);
    return answer.kind === "answer" ? answer.status : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw unasked(directory, error as Error);
  } finally {
    await place?.close();
  }
}

class HeldControl implements Control {
  readonly holder: Holder;
  readonly #place: Directory;
  readonly #server: Server;
  readonly #inode: number;

  constructor(holder: Holder, place: Directory, server: Server, inode: number) {
    this.holder = holder;
    this.#place = place;
    this.#server = server;
    this.#inode = inode;
  }

  async held(): Promise<boolean> {
    return (await inodeOf(this.#place.full(NAME))) === this.#inode;
  }

  async release(): Promise<void> {
    if (await this.held()) await unlink(this.#place.full(NAME)).catch(() => {});
    await closed(this.#server);
    await this.#place.close();
  }
}

/** Links `own` to the name that counts, past a stale socket but never past a live one. */
async function claim(place: Directory, own: string, inode: number): Promise<void> {
  for (let attempt = 0; attempt < 10; attempt++) {
    if (await tryLink(place.full(own), place.full(NAME))) return;
    const found = await inodeOf(place.full(NAME));
    const answer = await ask(place);
    if (answer.kind === "answer") throw locked(place.path, answer.status);
    if (answer.kind === "silent") throw locked(place.path);
    if (answer.kind === "refused" && found !== undefined && found !== inode) await removeStale(place, found);
  }
  throw locked(place.path);
}

/** Renames the socket with this inode away. If a quicker starter has put its own there meanwhile, that goes back. */
async function removeStale(place: Directory, inode: number): Promise<void> {
  if ((await inodeOf(place.full(NAME))) !== inode) return;
  const aside = place.full(`control.${randomBytes(4).toString("hex")}.stale`);
  try {
    await rename(place.full(NAME), aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  if ((await inodeOf(aside)) !== inode) await tryLink(aside, place.full(NAME));
  await unlink(aside);
}

type Asked =
  | { kind: "answer"; status: Holder & Record<string, unknown> }
  /** Somebody listens and says nothing sensible. */
  | { kind: "silent" }
  | { kind: "refused" }
  | { kind: "absent" };

function ask(place: Directory): Promise<Asked> {
  return new Promise((resolve, reject) => {
    const socket = connect(place.short(NAME));
    let text = "";
    socket.setTimeout(PATIENCE, () => finish({ kind: "silent" }));
    const finish = (asked: Asked) => {
      socket.destroy();
      resolve(asked);
    };
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.end("status\n"));
    socket.on("data", (part: string) => {
      text += part;
      if (text.length > MAX_ANSWER) finish({ kind: "silent" });
    });
    socket.on("end", () => finish(parse(text)));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED") finish({ kind: "refused" });
      else if (error.code === "ENOENT") finish({ kind: "absent" });
      else if (error.code === "ECONNRESET" || error.code === "EPIPE" || error.code === "EAGAIN")
        finish({ kind: "silent" });
      else reject(error);
    });
  });
}

function parse(text: string): Asked {
  try {
    const status = JSON.parse(text);
    if (typeof status?.pid === "number" && typeof status.instance === "string") return { kind: "answer", status };
  } catch {
    // Falls through: not an answer of ours.
  }
  return { kind: "silent" };
}

/** Answers `status` with one JSON line; anything else with an error. */
function serve(socket: Socket, status: () => object): void {
  let text = "";
  socket.setEncoding("utf8");
  socket.setTimeout(PATIENCE, () => socket.destroy());
  socket.on("error", () => socket.destroy());
  socket.on("data", (part: string) => {
    text += part;
    if (text.length > MAX_REQUEST) socket.destroy();
    else if (text.includes("\n")) {
      const answer = text.split("\n", 1)[0].trim() === "status" ? status() : { error: "the one request is: status" };
      socket.end(`${JSON.stringify(answer)}\n`);
      text = "";
    }
  });
}

/** A directory whose sockets can be reached however long its path is: the system allows 107 bytes. */
class Directory {
  readonly path: string;
  readonly #handle: FileHandle;

  constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  static async open(path: string): Promise<Directory> {
    try {
      await makeDirectory(path);
      return new Directory(path, await open(path));
    } catch (error) {
      throw unwritable(path, error as Error);
    }
  }

  full(name: string): string {
    return join(this.path, name);
  }

  short(name: string): string {
    const full = this.full(name);
    return Buffer.byteLength(full) < 100 || process.platform !== "linux"
      ? full
      : `/proc/self/fd/${this.#handle.fd}/${name}`;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

const inodeOf = (path: string): Promise<number | undefined> =>
  stat(path).then(
    ({ ino }) => ino,
    () => undefined,
  );

const listen = (server: Server, path: string) =>
  new Promise<void>((listening, failed) => server.once("error", failed).listen(path, listening));

const closed = (server: Server) => new Promise<void>((done) => server.close(() => done()));

function locked(directory: string, holder?: Holder): AuditshipError {
  const who = holder
    ? `process ${holder.pid} (instance ${holder.instance}) since ${holder.since}`
    : "an agent that does not answer";
  const help = "stop it, or give this one a state directory of its own.";
  return new AuditshipError("AUDITSHIP_STATE_LOCKED", `the state directory is in use by ${who}; ${help}`, {
    file: directory,
  });
}

function unasked(directory: string, cause: Error): AuditshipError {
  const message = `whoever holds the state directory cannot be asked: ${cause.message}. Ask as the agent's user, and see whether it hangs.`;
  return new AuditshipError("AUDITSHIP_STATUS", message, { file: directory }, { cause });
}

function unwritable(directory: string, cause: Error): AuditshipError {
  const message = `cannot use the state directory: ${cause.message}; it must be writable and on a local file system.`;
  return new AuditshipError("AUDITSHIP_STATE_WRITE", message, { file: directory }, { cause });
}
