import { STORIES } from "./attacks.js";
import { Random } from "./random.js";
import { type ApiRequest, auditLines } from "./request.js";
import { BODY_TRAFFIC, LIST_TRAFFIC, METADATA_TRAFFIC, PANIC } from "./workloads.js";

/** `mixed`: 75 % at level Metadata, the rest with bodies, 1 % large lists. `metadata`: only events at level Metadata. */
export type Mix = "mixed" | "metadata";

export interface EventOptions {
  mix?: Mix;
  /** Epoch milliseconds of the first event. Default: 2026-01-05T08:00:00Z. */
  start?: number;
  /** Events per second by which the time goes on. Default 50. */
  rate?: number;
  /** Epoch milliseconds now; takes the place of `start` and `rate`. */
  clock?: () => number;
}

/** Requests before the first story, and how many lie between two. */
const FIRST_STORY = 20;
const BETWEEN_STORIES = 400;

/**
 * Lines of an audit log without their newline, for ever, in the order in which kube-apiserver would write them. The same
 * seed and options give the same lines.
 */
export function* events(seed: number, options: EventOptions = {}): Generator<string, never> {
  const { mix = "mixed", start = Date.UTC(2026, 0, 5, 8), rate = 50 } = options;
  const random = new Random(seed);
  const pending: ApiRequest[] = [];
  let written = 0;
  let untilStory = FIRST_STORY;
  let told = 0;
  const clock = options.clock ?? (() => start + (written * 1000) / rate);
  for (;;) {
    if (untilStory-- === 0) {
      pending.push(...STORIES[told++ % STORIES.length](random));
      untilStory = BETWEEN_STORIES + random.int(BETWEEN_STORIES);
    }
    const request = pending.length > 0 && random.chance(0.4) ? pending.shift()! : everyday(mix, random);
    const answered = Math.floor(clock()) * 1000 + random.int(1000);
    const received = answered - Math.round(request.latency * 1000);
    for (const line of auditLines(atLevel(request, mix), received, random)) {
      yield line;
      written++;
    }
  }
}

function everyday(mix: Mix, random: Random): ApiRequest {
  if (random.chance(0.0005)) return PANIC(random);
  const share = mix === "metadata" ? 0 : random.int(1000) / 1000;
  if (share < 0.75) return random.weighted(METADATA_TRAFFIC)(random);
  return share < 0.99 ? random.weighted(BODY_TRAFFIC)(random) : LIST_TRAFFIC(random);
}

function atLevel(request: ApiRequest, mix: Mix): ApiRequest {
  return mix === "metadata" && request.level !== "Metadata"
    ? { ...request, level: "Metadata", received: false }
    : request;
}
