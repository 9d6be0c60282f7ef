import { constants, fstatSync, openSync, writeSync } from "node:fs";

const { O_NONBLOCK, O_WRONLY } = constants;

/** Most bytes of lines that are kept while nobody reads them. */
const MOST_KEPT = 1024 ** 2;
/** Milliseconds between tries while lines are kept, and for all those at the process's end. */
const RETRY_EVERY = 100;
const LAST_TRIES = 2000;

/**
 * Where the log goes. A line is written at once, so that what ends the process comes after it. What stderr does not take (nobody
 * reads the pipe, its disk is full) is kept within a bound and tried again: nothing that the agent ships waits for that.
 */
export class StandardError {
  /** Called when lines are taken again, with how many there was no room to keep. */
  onDropped: (lines: number) => void = () => {};
  readonly #descriptor: number;
  #kept: Buffer[] = [];
  #bytes = 0;
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #atExit = () => this.#finish();

  /** @param descriptor where to write, without blocking if it is a pipe */
  constructor(descriptor = ownDescriptor()) {
    this.#descriptor = descriptor;
  }

  write(line: string): void {
    const bytes = Buffer.from(line);
    if (this.#bytes + bytes.length > MOST_KEPT) {
      this.#dropped++;
      return;
    }
    this.#kept.push(bytes);
    this.#bytes += bytes.length;
    if (this.#timer === undefined) this.#tryAll();
  }

  #tryAll(): void {
    const failure = this.#drain();
    if (failure && this.#timer === undefined) this.#wait();
    else if (!failure && this.#timer !== undefined) this.#goOn();
  }

  /** Writes what is kept; returns why not all of it. */
  #drain(): NodeJS.ErrnoException | undefined {
    try {
      while (this.#kept.length > 0) {
        const written = writeSync(this.#descriptor, this.#kept[0]);
        this.#bytes -= written;
        if (written < this.#kept[0].length) this.#kept[0] = this.#kept[0].subarray(written);
        else this.#kept.shift();
      }
    } catch (error) {
      return error as NodeJS.ErrnoException;
    }
    return undefined;
  }

  #wait(): void {
    this.#timer = setInterval(() => this.#tryAll(), RETRY_EVERY).unref();
    process.once("exit", this.#atExit);
  }

  #goOn(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    process.off("exit", this.#atExit);
    const lines = this.#dropped;
    this.#dropped = 0;
    if (lines > 0) this.onDropped(lines);
  }

  /** A reader that is only slow gets the last lines, too. */
  #finish(): void {
    const end = performance.now() + LAST_TRIES;
    while (this.#drain()?.code === "EAGAIN" && performance.now() < end) Atomics.wait(CLOCK, 0, 0, RETRY_EVERY / 10);
  }
}

/**
 * Node makes stderr non-blocking if it is a pipe. Whoever else has it, a process that starts or ends, makes it block again: a pipe
 * is opened once more, for ourselves, where the system can do that.
 */
function ownDescriptor(): number {
  const { fd } = process.stderr;
  try {
    return fstatSync(fd).isFIFO() ? openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK) : fd;
  } catch {
    return fd;
  }
}

/** Nobody changes it: waiting for that is how a process sleeps that must not return to its loop. */
const CLOCK = new Int32Array(new SharedArrayBuffer(4));
