import fs from "node:fs";
import { basename } from "node:path";

/** Code of the error for a directory, a pipe or the like under the name of a file. */
export const NO_FILE = "ENOTFILE";

const { O_RDONLY, O_NONBLOCK } = fs.constants;

/** An open file, shared by those who use it; closed when the last one lets go. Keeps its bytes reachable after deletion. */
export class Descriptor {
  readonly fd: number;
  /** `device:inode`: unique as long as the descriptor is open. */
  readonly inode: string;
  readonly #onClose: () => void;
  #users = 1;

  /** Throws the system's errors, and {@link NO_FILE} for what is no regular file. */
  constructor(path: string, onClose: () => void = () => {}) {
    // Not to wait for who writes to a pipe: nobody else would get a turn.
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

  /** The file's present name, or its last one if it was deleted, as the kernel (`/proc`) knows it; undefined if it does not tell. */
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
