import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { onTestFinished } from "vitest";

const { O_RDWR, O_NONBLOCK } = constants;

/** A pipe that nobody reads until the test does. */
export class Fifo {
  readonly #descriptor: number;
  #filler = 0;

  /** Makes it at `path`, and fills it if it is to be `full`. */
  constructor(
    readonly path: string,
    { full = false } = {},
  ) {
    execFileSync("mkfifo", [path]);
    this.#descriptor = this.open(O_NONBLOCK);
    if (full) this.#fill();
  }

  /** A descriptor to write to, open for the time of the test. */
  open(flags = 0): number {
    const descriptor = openSync(this.path, O_RDWR | flags);
    onTestFinished(() => closeSync(descriptor));
    return descriptor;
  }

  /** What is in it now, without what it was filled with. */
  read(): string {
    const bytes = Buffer.alloc(1024 ** 2);
    let length = 0;
    try {
      for (;;) length += readSync(this.#descriptor, bytes, length, bytes.length - length, null);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
    const skipped = Math.min(this.#filler, length);
    this.#filler -= skipped;
    return bytes.toString("utf8", skipped, length);
  }

  #fill(): void {
    try {
      for (;;) this.#filler += writeSync(this.#descriptor, Buffer.alloc(4096));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
  }
}
