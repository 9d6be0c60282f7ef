import type { Writable } from "node:stream";
import {
  ByteWriter,
  defineSink,
  type FoldingSink,
  type Selection,
  type SinkState,
  type Stop,
  stop,
} from "../../src/plugin/index.js";
import { formatLine } from "./stdout/line.js";

export interface StdoutOptions {
  format: "json" | "text";
}

/** Events on standard output: documents with their id for programs, or one line each for people. */
export default defineSink({
  kind: "sink",
  name: "stdout",
  options: (zod) =>
    zod.strictObject({
      format: zod
        .enum(["json", "text"])
        .default("json")
        .describe("json: documents with their id; text: time, priority, rule, message and who did what, for people."),
    }),
  defaults: { select: "all" },
  create: (options) => new Terminal(options, process.stdout),
});

/** Writes to a stream that may be slow (it waits) or closed (it stops, for that is for good, and the agent goes on). */
export class Terminal implements FoldingSink {
  readonly mode = "fold";
  readonly #options: StdoutOptions;
  readonly #stream: Writable;
  readonly #colour: boolean;
  readonly #lines = new ByteWriter();
  #error: Error | undefined;
  readonly #onError = (error: Error) => {
    this.#error = error;
  };

  constructor(options: StdoutOptions, stream: Writable & { isTTY?: boolean }, environment = process.env) {
    this.#options = options;
    this.#stream = stream;
    this.#colour = stream.isTTY === true && !environment.NO_COLOR;
    stream.on("error", this.#onError);
  }

  async fold(events: Selection): Promise<Stop | undefined> {
    this.#lines.clear();
    for (const event of events) {
      if (this.#options.format === "json") event.writeDocument(this.#lines, { id: true });
      else this.#lines.text(formatLine(event, this.#colour));
      this.#lines.byte(0x0a);
    }
    try {
      this.#check();
      await new Promise<void>((resolve, reject) => {
        this.#stream.write(this.#lines.view(), (error) => (error ? reject(unwritable(error)) : resolve()));
      });
    } catch (error) {
      return stop((error as Error).message);
    }
    return undefined;
  }

  async probe(): Promise<void> {
    this.#check();
  }

  restore(): void {}

  state(): SinkState {
    return {};
  }

  async flush(): Promise<void> {}

  close(): void {
    // A broken pipe may still report itself after this: it must find a listener.
    if (!this.#error) this.#stream.off("error", this.#onError);
  }

  #check(): void {
    if (this.#error ?? this.#stream.errored) throw unwritable((this.#error ?? this.#stream.errored) as Error);
    if (this.#stream.destroyed) throw unwritable(new Error("it is closed"));
  }
}

function unwritable(cause: Error): Error {
  const gone = (cause as NodeJS.ErrnoException).code === "EPIPE";
  return new Error(
    gone ? "standard output is closed: the program that read it has ended" : `standard output: ${cause.message}`,
    { cause },
  );
}
