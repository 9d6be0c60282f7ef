import {
  type Batch,
  type EventView,
  type Host,
  ROW_WORDS,
  Row,
  retry,
  type SendingSink,
  SizeLimit,
  type Verdict,
} from "../plugin/index.js";
import type { BodyMemory } from "./body-memory.js";
import { Burial, type BurialDeps } from "./burial.js";
import { ConcurrencyLimit } from "./concurrency.js";
import type { DeadLetter } from "./dead-letter-file.js";
import { Filler } from "./filler.js";
import type { Ledger, LedgerEntry } from "./ledger.js";
import { type Gathering, type Left, Outbox } from "./outbox.js";
import { countOutcome, countTaken, loadOf, sort } from "./outcome.js";
import { Refusals } from "./refusals.js";
import { type PendingRequest, RequestBuilder } from "./request.js";
import { HOLD, Runner, type RunnerOptions, type Snapshot } from "./runner.js";

export interface SendingDeps extends BurialDeps {
  /** Lends memory for the bodies of requests; without, each has its own. */
  bodies?: BodyMemory;
}

/**
 * Runs a sink that sends requests: fills them, compresses, sends a bounded number at once, retries, splits, and puts aside
 * what is refused for good.
 */
export class SendingRunner extends Runner {
  readonly lags = true;
  readonly #sink: SendingSink;
  readonly #deps: SendingDeps;
  readonly #limit: ConcurrencyLimit;
  readonly #size: SizeLimit;
  readonly #outbox: Outbox;
  readonly #filler: Filler;
  readonly #refusals = new Refusals();
  readonly #burial: Burial;
  /** Requests that wait for an operator. */
  #held = 0;
  /** True when a stop has left something undelivered that nothing may come before. */
  #isCut = false;
  #toldConflict = false;

  constructor(sink: SendingSink, host: Host, options: RunnerOptions, deps: SendingDeps, random?: () => number) {
    super(host, options, random);
    this.#sink = sink;
    this.#deps = deps;
    this.#burial = new Burial(sink, host, deps);
    this.#size = new SizeLimit(options.request.maxBytes);
    this.#filler = new Filler(sink, host, options, this.#size, (...failed) => this.#putAside(...failed));
    this.#limit = new ConcurrencyLimit(sink.ordered ? 1 : options.concurrency);
    this.#outbox = new Outbox(options.request.maxBytes, options.memory, (left) => this.#deliver(left), deps.bodies);
    this.#adapt();
    this.#showSize();
  }

  /** Opens its dead letters, before anything else. If that cannot be done now, it starts parked, and tries on. */
  async begin(): Promise<void> {
    try {
      await this.#deps.deadLetters.ready();
    } catch (error) {
      this.giveUp((error as Error).message);
    }
  }

  async offer(batch: Batch, ledger: Ledger, patient: boolean): Promise<boolean> {
    if (!this.taking) return false;
    const entry = ledger.open({ file: batch.file, offset: batch.offset }, batch.end);
    const again = ledger.mayHave(batch.file);
    const gathering = this.#outbox.gathering(ledger);
    const { builder } = gathering;
    const filler = this.#filler;
    for (let row = 0; row < batch.count; row++) {
      if (!again) row = filler.addFramed(batch, row, builder, ledger, entry);
      if (row === batch.count) break;
      if (!this.options.select(batch, row)) continue;
      const line = batch.table[row * ROW_WORDS + Row.line];
      if (again && ledger.has(batch.file, batch.offset + line)) continue;
      // A line's events stay together in a request, so that acknowledged bytes are whole lines.
      const begins = !isLaterItem(batch, row);
      if (begins && filler.isFull(builder, batch, row) && !(await this.#enqueue(gathering, patient)))
        return this.#stopAt(ledger, entry, batch.offset + line);
      if (begins && filler.isOversized(batch, row) && !(await this.#alone(patient)))
        return this.#stopAt(ledger, entry, batch.offset + line);
      filler.add(batch.at(row), builder, ledger, entry);
    }
    ledger.seal(entry);
    return this.#sendSoon(gathering, patient);
  }

  /** What comes from this line on is not taken now. */
  #stopAt(ledger: Ledger, entry: LedgerEntry, offset: number): false {
    if (this.taking) ledger.cut(entry, offset);
    return false;
  }

  async drain(): Promise<void> {
    for (const gathering of this.#outbox.gatherings) {
      if (gathering.builder.count > 0) await this.#enqueue(gathering, true);
    }
    await this.#outbox.idle();
  }

  async snapshot<Cursors>(cursors: () => Cursors): Promise<Snapshot<Cursors>> {
    return { cursors: cursors(), flush: () => Promise.resolve() };
  }

  override close(): void {
    super.close();
    void this.#outbox.release();
    this.#burial.close();
  }

  protected probe(signal: AbortSignal): Promise<void> {
    return this.#sink.probe(signal);
  }

  protected halt(): Promise<void> {
    return this.#outbox.release();
  }

  protected async resume(): Promise<void> {
    await this.#deps.deadLetters.ready();
    this.#limit.reset();
    this.#adapt();
  }

  /** Sends what there is if nothing of it is in flight; else it may grow for `maxWait`. */
  async #sendSoon(gathering: Gathering, patient: boolean): Promise<boolean> {
    const { builder } = gathering;
    if (builder.count === 0) return true;
    if (gathering.pending === 0 || builder.bytes >= this.#size.current) return this.#enqueue(gathering, patient);
    if (gathering.timer === undefined) {
      const left = builder.since + this.options.request.maxWait - this.host.now();
      gathering.timer = setTimeout(() => void this.#enqueue(gathering, true), Math.max(0, left));
    }
    return true;
  }

  /** Queues what was gathered when there is room; false if there is none for `stallAfter`. */
  async #enqueue(gathering: Gathering, patient: boolean): Promise<boolean> {
    gathering.stopTimer();
    gathering.wanting++;
    try {
      let since = performance.now();
      while (!this.#outbox.hasRoom(gathering)) {
        if (!this.taking) return false;
        const left = since + this.#patience(patient) - performance.now();
        if (left > 0 && (await this.within(left, this.#outbox.roomChanged()))) continue;
        if (!patient || this.failing) return false;
        since = performance.now();
      }
      if (this.taking && gathering.builder.count > 0) this.#put(gathering);
      return this.taking;
    } finally {
      gathering.wanting--;
      this.#outbox.makeRoom();
    }
  }

  #put(gathering: Gathering): void {
    this.#outbox.put(gathering).then(
      () => this.#landed(gathering),
      (error: Error) => this.park(error.message),
    );
  }

  #patience(patient: boolean): number {
    return patient ? this.options.stallAfter : Math.min(HOLD, this.options.stallAfter);
  }

  /**
   * Waits until nothing is on its way: an event beyond `maxBytes` is alone in memory. False if that takes longer than `stallAfter`.
   */
  async #alone(patient: boolean): Promise<boolean> {
    const goOn = this.#outbox.hold();
    try {
      while (this.#outbox.pending > 0) {
        if (!this.taking) return false;
        if (await this.within(this.#patience(patient), this.#outbox.idle())) break;
        if (!patient || this.failing) return false;
      }
      return this.taking;
    } finally {
      goOn();
    }
  }

  /** An event that the sink cannot encode is a dead letter; the others go on. */
  #putAside(cause: Error, event: EventView, ledger: Ledger, entry: LedgerEntry): void {
    const aside = new RequestBuilder(4096);
    aside.add({ encode: (view, out) => view.writeDocument(out) }, event, ledger, entry);
    const request = aside.take();
    const reason = `cannot be encoded: ${cause.message}`;
    void this.#bury(request, [0], [this.#burial.letter(request, 0, request.body, reason, 0)]);
  }

  #landed(gathering: Gathering): void {
    this.host.meter.set("auditship_sink_in_flight", this.#outbox.pending, this.name);
    if (gathering.pending === 0 && gathering.builder.count > 0 && this.taking) void this.#enqueue(gathering, true);
  }

  /** Sends a request and what becomes of it (its retries, halves, safe shapes) until nothing is left or the sink parks. */
  async #deliver(left: Left): Promise<void> {
    this.host.meter.set("auditship_sink_in_flight", this.#outbox.pending, this.name);
    while (left.length > 0 && this.taking && !this.#isCut) {
      const [request] = left;
      const isGivenUp = this.finishing && request.attempt > 0;
      if (isGivenUp && this.#sink.ordered) this.#isCut = true;
      const next = isGivenUp ? [] : await this.#attempt(request);
      left.splice(0, 1, ...next);
      if (!next.includes(request)) request.release();
      this.#outbox.makeRoom();
    }
    for (const request of left) request.release();
  }

  /** Sends it once, or not, if it is too large by now; what is to be sent (again). */
  async #attempt(request: PendingRequest): Promise<PendingRequest[]> {
    if (request.count > 1 && !this.#size.admits(request.bytes))
      return halves(request, [...Array(request.count).keys()]);
    if (this.options.compression === "gzip" && this.#sink.gzip) {
      await request.compress();
      this.#outbox.makeRoom();
    }
    const verdicts = await this.#send(request);
    if (!Array.isArray(verdicts)) {
      if (verdicts.kind === "done") return this.#taken(request);
      return this.#settle(request, forAll(request, verdicts));
    }
    const waits = verdicts.some((verdict) => verdict.kind === "retry" && verdict.slow);
    return waits && !this.#sink.ordered ? this.#letPass(request, verdicts) : this.#settle(request, verdicts);
  }

  /** Some events wait for an operator, those of a closed index, say: other requests go in the place of theirs meanwhile. */
  async #letPass(request: PendingRequest, verdicts: readonly Verdict[]): Promise<PendingRequest[]> {
    this.#held++;
    this.#adapt();
    try {
      return await this.#settle(request, verdicts);
    } finally {
      this.#held--;
      this.#adapt();
    }
  }

  /** All of it was taken: what becomes of most requests, without a look at each event. */
  #taken(request: PendingRequest): PendingRequest[] {
    countTaken(this.host, request);
    this.#refusals.note(request.count, 0);
    request.acknowledgeAll();
    this.succeeded(this.#held === 0);
    return [];
  }

  /** One attempt; what it tells about load sets how many there may be at once. */
  async #send(request: PendingRequest): Promise<Verdict | Verdict[]> {
    const { meter } = this.host;
    const started = performance.now();
    this.#limit.sent(this.#outbox.sent - this.#held);
    meter.add("auditship_sink_bytes_total", request.body.length, this.name);
    const verdicts = await this.#ask(request);
    const now = performance.now();
    meter.observe("auditship_sink_request_seconds", (now - started) / 1000, this.name);
    const load = loadOf(Array.isArray(verdicts) ? verdicts : [verdicts]);
    if (this.#limit.ended(started, now, load)) this.#adapt();
    if (this.#size.ended(request.bytes, started, now, load)) this.#showSize();
    return verdicts;
  }

  /** One verdict for each event, or one for all. */
  async #ask(request: PendingRequest): Promise<Verdict | Verdict[]> {
    try {
      const answer = await this.#sink.send(request, this.host.signal);
      if (!Array.isArray(answer) || answer.length === request.count) return answer;
      return retry(`answer has ${answer.length} verdicts for ${request.count} events`);
    } catch (error) {
      request.unanswered = true;
      const { message, name } = error as Error;
      return { ...retry(message), late: name === "TimeoutError" };
    }
  }

  #adapt(): void {
    const { current } = this.#limit;
    this.#outbox.concurrency = current + Math.min(this.#held, this.options.concurrency);
    this.host.meter.set("auditship_sink_concurrency_limit", current, this.name);
  }

  #showSize(): void {
    this.host.meter.set("auditship_sink_request_limit_bytes", Math.floor(this.#size.current), this.name);
  }

  /** Acknowledges, puts aside, and gives back what is to be sent (again), after the backoff it needs. */
  async #settle(request: PendingRequest, verdicts: readonly Verdict[]): Promise<PendingRequest[]> {
    const sorted = sort(request, verdicts);
    countOutcome(this.host, request, verdicts, sorted);
    const { done, duplicate, conflict, retried, refused, split } = sorted;
    const taken = [...done, ...duplicate, ...conflict];
    if (conflict.length > 0) this.#tellConflict(request.id(conflict[0]));
    if (verdicts.some((verdict) => "unsure" in verdict && verdict.unsure)) request.unanswered = true;
    const { safe, buried, letters } = this.#burial.divide(request, refused, verdicts);
    if (!this.#refusals.note(taken.length + buried.length, buried.length)) {
      const { window } = this.#refusals;
      this.giveUp(
        `more than half of the last ${window} events were refused: ${letters[0].reason}`,
        this.options.retry.slow,
      );
      request.acknowledge(taken);
      return [];
    }
    if (letters.length > 0) await this.#bury(request, buried, letters);
    const stopping = verdicts.find(({ kind }) => kind === "stop");
    const next: PendingRequest[] = [];
    if (split.length > 0) next.push(...halves(request, split));
    next.push(...safe);
    if (retried.length > 0) next.push(retried.length === request.count ? request : request.pick(retried));
    request.acknowledge(taken);
    if (!next.includes(request)) request.release();
    if (stopping) this.stop((stopping as { reason: string }).reason);
    else if (retried.length > 0) await this.#backOff(next.at(-1)!, verdicts, retried);
    else this.succeeded(this.#held === 0);
    return next;
  }

  async #backOff(request: PendingRequest, verdicts: readonly Verdict[], retried: readonly number[]): Promise<void> {
    const reasons = retried.map((index) => verdicts[index] as Verdict & { kind: "retry" });
    const { reason } = reasons[0];
    const { initial, max, slow: slowly } = this.options.retry;
    // Some of it was taken: the far end works and is only busy.
    if (request.count === verdicts.length) this.failed(reason);
    const slow = reasons.find((verdict) => verdict.slow);
    if (slow) this.hindered(slow.reason);
    const attempt = request.attempt++;
    if (this.finishing) return;
    const after = reasons.reduce((most, verdict) => Math.max(most, verdict.after ?? 0), 0);
    // Some later, by chance: it is said to all agents at once.
    if (after > 0) await this.waitAsked(Math.min(after, 10 * max) + initial * this.random());
    else if (slow && attempt > 3) await this.wait(slowly * this.random());
    else await this.pause(attempt);
  }

  /** Puts items of a request aside for good. */
  async #bury(request: PendingRequest, indexes: readonly number[], letters: readonly DeadLetter[]): Promise<void> {
    try {
      await this.#burial.bury(letters);
    } catch (error) {
      this.giveUp((error as Error).message, this.options.retry.slow);
      return;
    }
    request.acknowledge(indexes);
  }

  /** Said once: who writes under our ids, or reads the same log for the same target, does so again. */
  #tellConflict(id: string): void {
    if (this.#toldConflict) return;
    this.#toldConflict = true;
    this.host.log.warn(
      { sink: this.name, id },
      "The far end has events under ids that this agent never sent before: another agent reads the same log, or somebody writes there.",
    );
  }
}

/** One verdict for each item. */
const forAll = (request: PendingRequest, verdict: Verdict): Verdict[] => new Array(request.count).fill(verdict);

function halves(request: PendingRequest, split: readonly number[]): PendingRequest[] {
  const middle = Math.ceil(split.length / 2);
  return [split.slice(0, middle), split.slice(middle)]
    .filter((half) => half.length > 0)
    .map((half) => request.pick(half));
}

function isLaterItem(batch: Batch, row: number): boolean {
  return batch.table[row * ROW_WORDS + Row.item] > 1;
}
