import { createHash } from "node:crypto";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { replaceFile } from "./replace-file.js";

/** A body is known again for so long, milliseconds: kube-apiserver repeats one whose answer got lost within seconds. */
export const KNOWN_FOR = 600_000;

/** One body that was put into the spool. */
export interface Receipt {
  /** Epoch milliseconds. */
  time: number;
  /** SHA-256 of the body, hex. */
  body: string;
  /** Number of the segment that holds its lines. */
  segment: number;
  /** Where they lie in it. */
  offset: number;
  length: number;
  /** SHA-256 of the lines, hex: tells after a crash whether they are all there. */
  lines: string;
}

/**
 * What was accepted in the last ten minutes, in memory and in a file of one JSON line each. A receipt is written before the
 * lines are, and counts after a restart only if they are there: so that neither a crash nor a power failure makes us refuse a
 * body that we do not have.
 */
export class Receipts {
  /** Oldest first. */
  readonly #known = new Map<string, number>();
  #recent: Receipt[] = [];
  #file: FileHandle | undefined;
  /** The last write may have ended in the middle of a line. */
  #torn = false;

  constructor(private readonly path: string) {}

  /**
   * Reads what is there. @param isThere whether a receipt's lines are in the spool
   * @returns a number for the segment to come, higher than any before: what is known now stays beyond doubt
   */
  async open(now: number, isThere: (receipt: Receipt) => Promise<boolean>): Promise<number> {
    const stored = parse(await readFile(this.path, "utf8").catch(absent));
    const segment = stored.reduce((highest, receipt) => Math.max(highest, receipt.segment), 0);
    for (const receipt of stored) {
      if (receipt.time + KNOWN_FOR > now && (receipt.segment < segment || (await isThere(receipt))))
        this.#note(receipt);
    }
    await this.compact(now);
    return segment + 1;
  }

  has(body: string, now: number): boolean {
    const time = this.#known.get(body);
    return time !== undefined && time + KNOWN_FOR > now;
  }

  /** Writes receipts down, not yet durably: see {@link sync}. */
  async write(receipts: readonly Receipt[]): Promise<void> {
    const before = this.#torn ? "\n" : "";
    this.#torn = true;
    await this.#file!.appendFile(before + textOf(receipts));
    this.#torn = false;
  }

  async sync(): Promise<void> {
    await this.#file!.datasync();
  }

  /** Their lines are durable. */
  accept(receipts: readonly Receipt[]): void {
    for (const receipt of receipts) this.#note(receipt);
  }

  /** Forgets what is too old, in memory and on disk. */
  async compact(now: number): Promise<void> {
    this.#recent = this.#recent.filter(({ time }) => time + KNOWN_FOR > now);
    for (const [body, time] of this.#known) if (time + KNOWN_FOR <= now) this.#known.delete(body);
    await replaceFile(this.path, textOf(this.#recent));
    const before = this.#file;
    this.#file = await open(this.path, "a", 0o600);
    await before?.close();
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }

  #note(receipt: Receipt): void {
    this.#known.set(receipt.body, receipt.time);
    this.#recent.push(receipt);
  }
}

export const sha256 = (...parts: readonly Uint8Array[]): string => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};

const textOf = (receipts: readonly Receipt[]): string =>
  receipts.map((receipt) => `${JSON.stringify(receipt)}\n`).join("");

/** A torn line is no receipt. */
function parse(text: string): Receipt[] {
  const receipts: Receipt[] = [];
  for (const line of text.split("\n")) {
    try {
      const receipt = JSON.parse(line) as Receipt;
      if (typeof receipt.body === "string" && Number.isSafeInteger(receipt.segment)) receipts.push(receipt);
    } catch {}
  }
  return receipts;
}

function absent(error: NodeJS.ErrnoException): string {
  if (error.code === "ENOENT") return "";
  throw error;
}
