import type { IncomingMessage } from "node:http";
import type { Logger, Meter } from "../plugin/index.js";
import type { Bounds } from "./bounds.js";
import { linesOf } from "./event-list.js";
import { admits, type GuardOptions } from "./guard.js";
import type { Outcome, Spool } from "./spool.js";

export interface Answer {
  status: number;
  /** For people. */
  text: string;
  /** Seconds. */
  retryAfter?: number;
}

/** What it takes to receive events. */
export interface Receiver {
  name: string;
  /** False while the agent starts. */
  begun(): boolean;
  guard: GuardOptions;
  spool: Spool;
  bounds: Bounds;
  /** Largest body, bytes. */
  maxBody: number;
  log: Logger;
  meter: Meter;
}

/** Where events are posted: KubeSphere's path, and that of a kubeconfig without one. */
export const PATHS: readonly string[] = ["/audit/webhook/event", "/"];

const STARTING: Answer = { status: 503, text: "the agent is starting; send it again", retryAfter: 1 };
const BUSY: Answer = { status: 429, text: "too much at once; send it again", retryAfter: 1 };

const OUTCOMES: Record<Outcome, Answer> = {
  stored: { status: 200, text: "stored" },
  repeated: { status: 200, text: "stored before" },
  full: { status: 429, text: "the spool is full; send it again later", retryAfter: 5 },
};

/** Takes one request in. Never rejects. */
export async function receive(request: IncomingMessage, receiver: Receiver): Promise<Answer> {
  const { name, log, meter } = receiver;
  try {
    const { answer, outcome } = await take(request, receiver);
    if (outcome) meter.add("auditship_intake_bodies_total", 1, name, outcome);
    return answer;
  } catch (error) {
    log.error(
      { source: name, error: (error as Error).message },
      "A posted body cannot be kept; it will be sent again.",
    );
    meter.add("auditship_intake_bodies_total", 1, name, "failed");
    return { status: 503, text: "cannot be kept at the moment; send it again", retryAfter: 1 };
  }
}

/** What is to be counted of a request: an outcome, or why it was refused. */
type Taken = { answer: Answer; outcome?: Outcome | "denied" | "malformed" | "too-large" | "busy" };

async function take(request: IncomingMessage, receiver: Receiver): Promise<Taken> {
  const refusal = refuse(request);
  if (refusal) return { answer: refusal };
  if (!(await admits(request, receiver.guard))) {
    return { answer: { status: 401, text: "show a client certificate or a bearer token" }, outcome: "denied" };
  }
  if (!receiver.begun()) return { answer: STARTING };
  const { maxBody, bounds, spool } = receiver;
  const announced = Number(request.headers["content-length"] ?? maxBody);
  if (announced > maxBody) return tooLarge(maxBody);
  if (!bounds.hold(announced)) return { answer: BUSY, outcome: "busy" };
  try {
    const body = await read(request, announced);
    if (!body) return tooLarge(maxBody);
    if (!bounds.spend(body.length)) return { answer: BUSY, outcome: "busy" };
    const lines = linesOf(body);
    if (!lines) return { answer: { status: 400, text: "not an EventList" }, outcome: "malformed" };
    const outcome = lines.length === 0 ? "stored" : await spool.put(body, lines);
    return { answer: OUTCOMES[outcome], outcome };
  } finally {
    bounds.release(announced);
  }
}

function refuse({ method, url, headers }: IncomingMessage): Answer | undefined {
  if (!PATHS.includes((url ?? "").split("?", 1)[0])) return { status: 404, text: `post to ${PATHS[0]}` };
  if (method !== "POST") return { status: 405, text: "only POST" };
  if ((headers["content-encoding"] ?? "identity") !== "identity") return { status: 415, text: "no content-encoding" };
  return undefined;
}

function tooLarge(maxBody: number): Taken {
  const text = `more than ${maxBody} bytes; see maxBody, spoolSize, and kube-apiserver's --audit-webhook-batch-max-size`;
  return { answer: { status: 413, text }, outcome: "too-large" };
}

/** The whole body with room for one more byte; undefined if it is longer than `max`. Rejects if it is cut. */
async function read(request: IncomingMessage, max: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  // One that is too long is not cut off: its sender is to get the answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > max) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length + 1);
}
