/** Of a terminal's line. */
const ERASE_REST = "\x1b[K";

/** Results on stdout and complaints on stderr, as fast as the reader takes them. A reader that has enough ends the command. */
export class Output {
  #waiting: Promise<void> | undefined;
  /** The line of progress that stands on the terminal. */
  #progress = "";

  constructor() {
    process.stdout.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(0);
    });
  }

  /** Prints text as it stands; await {@link drained} before more when it is much. */
  print(text: string): void {
    if (process.stdout.isTTY) this.progress("");
    if (process.stdout.write(text)) return;
    this.#waiting ??= new Promise((resolve) => {
      process.stdout.once("drain", () => {
        this.#waiting = undefined;
        resolve();
      });
    });
  }

  async drained(): Promise<void> {
    await this.#waiting;
  }

  progress(text: string): void {
    if (!process.stderr.isTTY || text === this.#progress) return;
    process.stderr.write(`\r${text}${ERASE_REST}`);
    this.#progress = text;
  }

  complain(line: string): void {
    this.progress("");
    process.stderr.write(`auditship: ${line}\n`);
  }
}
