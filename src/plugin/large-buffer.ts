import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Bytes of large buffers that are handed out before unused ones are collected. */
const BETWEEN = 20 * 1024 * 1024;

type Collect = (options?: { type: "minor" }) => void;

let collect: Collect | undefined;
let sinceThen = 0;

/**
 * Memory for a line of many MiB. V8 counts what buffers hold outside of its heap, but lets some 64 MiB of it become garbage before
 * it collects, half of what an agent may use in all. So unused ones are collected first.
 */
export function largeBuffer(size: number): Buffer {
  sinceThen += size;
  if (sinceThen > BETWEEN) {
    collect ??= exposeCollector();
    collect();
    // V8 frees buffers in another thread; the next collection waits for it.
    collect({ type: "minor" });
    sinceThen = size;
  }
  return Buffer.allocUnsafeSlow(size);
}

function exposeCollector(): Collect {
  setFlagsFromString("--expose-gc");
  const found = runInNewContext("gc") as Collect;
  setFlagsFromString("--no-expose-gc");
  return found;
}
