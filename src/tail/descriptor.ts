import fs from "node:fs";
import { basename } from "node:path";

/** An open file, shared by those who use it; closed when the last one lets go. Keeps its bytes reachable after deletion. */
export class Descriptor {
  readonly fd: number;
  /** `device:inode`: unique as long as the descriptor is open. */
  readonly inode: string;
  readonly #onClose: () => void;
  #users = 1;

  constructor(path: string, onClose: () => void = () => {}) {
    this.fd = fs.openSync(path, "r");
    this.#onClose = onClose;
    try {
      this.inode = inodeOf(this.stat());
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
