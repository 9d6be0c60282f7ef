import fs from "node:fs";
import { basename } from "node:path";

/** Error code for a directory, a pipe or the like in place of a file. */
export const NO_FILE = "ENOTFILE";

const { O_RDONLY, O_NONBLOCK } = fs.constants;

/** An open file, shared by its users and closed when the last one releases it. Keeps the bytes reachable after deletion. */
export class Descriptor {
  readonly fd: number;
  /** `device:inode`; unique while the descriptor is open. */
  readonly inode: string;
  readonly #onClose: () => void;
  #users = 1;

  /** Throws the system's errors, and {@link NO_FILE} for anything but a regular file. */
  constructor(path: string, onClose: () => void = () => {}) {
    // Non-blocking, because waiting for a pipe's writer would block the whole process.
    this.fd = fs.openSync(path, O_RDONLY | O_NONBLOCK);
    this.#onClose = onClose;
    try {
      const stat = this.stat();
      if (!stat.isFile()) throw Object.assign(new Error(`${path} is no regular file`), { code: NO_FILE });
      this.inode = inodeOf(stat);
    } catch (error) {
      fs.closeSync(this.fd);
      throw error;
    }
  }

  stat(): fs.Stats {
    return fs.fstatSync(this.fd);
  }

  /** The file's current name, or its last one if it was deleted, as the kernel (`/proc`) knows it; undefined if it cannot be told. */
  name(): string | undefined {
    try {
      return basename(fs.readlinkSync(`/proc/self/fd/${this.fd}`).replace(/ \(deleted\)$/, ""));
    } catch {
      return undefined;
    }
  }

  get open(): boolean {
    return this.#users > 0;
  }

  retain(): this {
    this.#users++;
    return this;
  }

  release(): void {
    if (--this.#users > 0) return;
    fs.closeSync(this.fd);
    this.#onClose();
  }
}

export function inodeOf(stat: fs.Stats): string {
  return `${stat.dev}:${stat.ino}`;
}
