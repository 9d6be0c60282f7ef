import TailFile from "@logdna/tail-file";
import { type ByteSource, ReplacedError } from "../../src/tail/byte-source.js";
import type { Descriptor } from "../../src/tail/descriptor.js";
import type { FirstLine } from "../../src/tail/fingerprint.js";
import { stillBegins } from "../../src/tail/plain.js";

const HIGH_WATER = 4 << 20;

/**
 * A plain file by `@logdna/tail-file`, pinned to the descriptor that we hold (`/proc/self/fd/N`), so that its own way with
 * rotation never runs. Beside our `PlainSource` in the conformance suite and in `bench/tail.ts`.
 */
export class TailFileSource implements ByteSource {
  readonly damage = undefined;
  #tail: InstanceType<typeof TailFile> | undefined;
  /** Bytes that came from `#at` on and were not asked for yet. */
  #parts: Buffer[] = [];
  #at = 0;
  #came: () => void = () => {};

  /** Takes over one use of the descriptor. */
  constructor(
    private readonly descriptor: Descriptor,
    private readonly first: FirstLine,
    private readonly poll = 20,
  ) {}

  async read(into: Uint8Array, at: number): Promise<number> {
    if (!stillBegins(this.descriptor, this.first)) throw new ReplacedError();
    const wanted = Math.max(0, Math.min(into.length, this.size() - at));
    if (wanted === 0) return 0;
    if (!this.#tail || at !== this.#at) await this.#start(at);
    let count = 0;
    while (count < wanted) {
      const part = this.#parts.shift() ?? this.#tail!.read();
      if (part === null) {
        await this.#more();
        continue;
      }
      const taken = part.subarray(0, wanted - count);
      into.set(taken, count);
      count += taken.length;
      if (taken.length < part.length) this.#parts.unshift(part.subarray(taken.length));
    }
    this.#at = at + count;
    return count;
  }

  size(): number {
    return this.descriptor.stat().size;
  }

  close(): void {
    void this.#stop();
    this.descriptor.release();
  }

  async #start(at: number): Promise<void> {
    await this.#stop();
    this.#at = at;
    this.#tail = new TailFile(`/proc/self/fd/${this.descriptor.fd}`, {
      startPos: at,
      pollFileIntervalMs: this.poll,
      maxPollFailures: 1e9,
      readStreamOpts: { highWaterMark: 1 << 20 },
      highWaterMark: HIGH_WATER,
    } as ConstructorParameters<typeof TailFile>[1]);
    this.#tail.on("readable", () => this.#came());
    await this.#tail.start();
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#came = resolve;
    });
  }

  async #stop(): Promise<void> {
    const tail = this.#tail;
    this.#tail = undefined;
    this.#parts = [];
    if (!tail) return;
    tail.on("error", () => {});
    await tail.quit();
    tail.destroy();
  }
}
