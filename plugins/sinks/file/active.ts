import type { Stats } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { makeDirectory, syncDirectory } from "../../../src/plugin/index.js";
import { HEAD_BYTES } from "./backups.js";

/** The file of an archive that is being written. Only its owner may read it: audit logs hold what users do. */
export class ActiveFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #identity: string;
  /** Bytes written whole. */
  length: number;
  /** True if there may be bytes beyond {@link length}. */
  #surplus = false;

  private constructor(path: string, handle: FileHandle, stats: Stats) {
    this.#path = path;
    this.#handle = handle;
    this.#identity = identityOf(stats);
    this.length = stats.size;
  }

  /** Opens it behind what it holds, or makes it, with its directories. */
  static async open(path: string): Promise<ActiveFile> {
    await makeDirectory(dirname(path));
    const handle = await open(path, "r+").catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
      return open(path, "wx+", 0o600);
    });
    try {
      const stats = await handle.stat();
      if (stats.size === 0) await syncDirectory(dirname(path));
      return new ActiveFile(path, handle, stats);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Appends all of `bytes` or nothing: a failed write is taken back. `durable`: they are on disk when this resolves. */
  async append(bytes: Uint8Array, durable = false): Promise<void> {
    if (this.#surplus) await this.#cut();
    try {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, this.length + done);
        done += bytesWritten;
      }
      if (durable) await this.#handle.datasync();
    } catch (error) {
      this.#surplus = true;
      // If this fails too, it is cut before the next append, or by the next start.
      await this.#cut().catch(() => {});
      throw error;
    }
    this.length += bytes.length;
  }

  async #cut(): Promise<void> {
    await this.#handle.truncate(this.length);
    this.#surplus = false;
  }

  /** False if it was moved, deleted or cut, or another file is in its place. */
  async isIntact(): Promise<boolean> {
    const there = await stat(this.#path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
    return there !== undefined && identityOf(there) === this.#identity && there.size >= this.length;
  }

  /** Its first bytes, at most {@link HEAD_BYTES}. */
  head(): Promise<Buffer> {
    return this.#read(0, Math.min(this.length, HEAD_BYTES));
  }

  /** True if what comes next starts a line. */
  async endsLine(): Promise<boolean> {
    return this.length === 0 || (await this.#read(this.length - 1, 1))[0] === 0x0a;
  }

  /** Epoch milliseconds of the last write. */
  async writtenAt(): Promise<number> {
    return (await this.#handle.stat()).mtimeMs;
  }

  /** Resolves when everything that was appended, and nothing else, is on disk. */
  async sync(): Promise<void> {
    if (this.#surplus) await this.#cut();
    await this.#handle.datasync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  async #read(position: number, length: number): Promise<Buffer> {
    const { buffer, bytesRead } = await this.#handle.read(Buffer.alloc(length), 0, length, position);
    return buffer.subarray(0, bytesRead);
  }
}

const identityOf = ({ dev, ino }: Stats): string => `${dev}:${ino}`;
