import { setTimeout as sleep } from "node:timers/promises";
import { placeOf, type WrittenFile } from "./ledger.js";
import { type CountedLoss, REASONS, type Reason, Site } from "./site.js";

/** Most memory in use that an agent may ever have, MiB. */
const MOST_MEMORY = 150;

/** What a scenario says of its end; nothing where every event can and must arrive. */
export interface Expected {
  /** What must be counted as lost, by reason: the bytes of these files that have not arrived, or so many. */
  gone?: Partial<Record<Reason, readonly WrittenFile[] | number>>;
  /** Reasons that may be told of and need not: rotation was too quick to say. */
  maybe?: readonly Reason[];
  /** A damaged file gave what nobody wrote: documents need not be in the ledger. */
  garbled?: true;
  /** Events that the far end refused for good, each a dead letter and no document. */
  deadLetters?: number;
  /** What goes on after the end cannot be told by a restart: the log is not what a writer would go on with. */
  noRestart?: true;
}

/** Something that happens to a log, a node or an agent. */
export interface Scenario {
  /** As in reference/shippers.md §2b where it is one of those: its number, then what happens. */
  name: string;
  /** Also played in `npm test`. */
  quick?: true;
  /** Why it cannot be played here, if so. */
  skip?: () => string | undefined;
  /** Milliseconds that it may take. Default 60 s. */
  timeout?: number;
  /** Makes it happen; returns when all that was written has arrived or is gone. */
  run(site: Site): Promise<Expected | undefined>;
}

/** What came of a scenario. */
export interface Outcome {
  name: string;
  /** Events written. */
  events: number;
  /** Events that could have arrived and did not. */
  lost: number;
  /** Documents beyond the first of an event. */
  twice: number;
  /** Bytes that were physically gone before they could be read. */
  gone: number;
  counted: CountedLoss;
  deadLetters: number;
  /** Seconds from when the far end was well again to when it had everything; undefined where nothing ailed it. */
  recovered: number | undefined;
  /** MiB. */
  peak: number;
  seconds: number;
  /** What does not hold; empty if all is well. */
  problems: string[];
}

/** Plays a scenario with the built program at `entry`, then holds what arrived against what was written. */
export async function play(scenario: Scenario, entry: string): Promise<Outcome> {
  const started = performance.now();
  const site = await Site.make(entry);
  const problems: string[] = [];
  let expected: Expected = {};
  try {
    expected = (await scenario.run(site)) ?? {};
    await site.settled();
    site.hasRecovered();
    await site.caughtUp();
    await site.stop();
    if (!expected.noRestart) await restartOnce(site, problems);
  } catch (error) {
    problems.push((error as Error).stack ?? String(error));
  } finally {
    await site.close();
  }
  return judge(scenario.name, site, expected, problems, (performance.now() - started) / 1000);
}

/** An agent that ended well sends nothing again: not a document that was acknowledged. */
async function restartOnce(site: Site, problems: string[]): Promise<void> {
  const before = site.receiver.sent;
  site.log.write();
  await site.start();
  await site.settled();
  // What it sent too much would come beside or after this one.
  await sleep(50);
  await site.stop();
  const again = site.receiver.sent - before - 1;
  if (again > 0) problems.push(`${again} documents were sent again after a restart`);
}

/** The four oracles, and memory. */
function judge(name: string, site: Site, expected: Expected, problems: string[], seconds: number): Outcome {
  const { ledger, receiver } = site;
  const lost = ledger.pending.size;
  const twice = sum(receiver.identities.values()) - receiver.identities.size;
  const gone = ledger.goneBytes();
  if (lost > 0) problems.push(`lost: ${lost} events, such as ${some(ledger.pending.keys())}`);
  if (!expected.garbled) problems.push(...wrongDocuments(site, twice));
  problems.push(...wrongCounts(expected, site));
  if (site.peak > MOST_MEMORY) problems.push(`memory: ${site.peak.toFixed(0)} MiB`);
  const { counted, peak, deadLetters, recovered } = site;
  if (deadLetters !== (expected.deadLetters ?? 0)) problems.push(`dead letters: ${deadLetters}`);
  return { name, events: ledger.events, lost, twice, gone, counted, deadLetters, recovered, peak, seconds, problems };
}

/** Every document an event that was written, at its place, once. */
function wrongDocuments(site: Site, twice: number): string[] {
  const { identities, problems } = site.receiver;
  const again = twice > 0 ? [`stored twice: ${twice}, such as ${some(repeated(identities))}`] : [];
  const requests = problems.map((problem) => `request: ${problem}`);
  return [...again, ...requests, ...wrongPlaces(site), ...wrongInvalid(site)];
}

/** Every event at the place where it was written, each place once. */
function wrongPlaces({ ledger, receiver }: Site): string[] {
  const places = new Set<string>();
  for (const { events, id } of ledger.files.filter(({ events }) => events.length > 0)) {
    for (const { offset, identity } of events) places.add(placeOf(id, offset, identity));
  }
  const wrong = [...receiver.places.keys()].filter((place) => !places.has(place));
  return wrong.length === 0 ? [] : [`at a place where it was not written: ${wrong.length}, such as ${some(wrong)}`];
}

function wrongInvalid({ ledger, receiver }: Site): string[] {
  const text = ({ file, offset, length }: { file: string; offset: number; length: number }) =>
    `${length} bytes at ${file} ${offset}`;
  const written = ledger.invalid.map(({ file, ...rest }) => text({ file: file.id, ...rest })).sort();
  const told = receiver.invalid.map(text).sort();
  return written.join() === told.join() ? [] : [`invalid: ${some(told)}, where it is ${some(written)}`];
}

/** Exact where a size was seen; bounds under `unseen`. Whatever is gone is told. */
function wrongCounts({ gone: expected = {}, maybe = [] }: Expected, { ledger, counted, told }: Site): string[] {
  const wrong: string[] = [];
  for (const reason of REASONS) {
    const { [reason]: gone = 0 } = expected;
    const should = typeof gone === "number" ? gone : ledger.goneBytes(gone);
    const is = counted[reason] ?? 0;
    const right = reason === "unseen" ? is <= should && (counted.atMost ?? should) >= should : is === should;
    if (!right) wrong.push(`counted as ${reason}: ${is} bytes (at most ${counted.atMost}), where it is ${should}`);
    const due = typeof gone === "number" ? reason in expected : should > 0;
    if (told.has(reason) !== due && !maybe.includes(reason))
      wrong.push(`a loss as ${reason} is ${told.has(reason) ? "" : "not "}told`);
  }
  return wrong;
}

const sum = (counts: Iterable<number>): number => [...counts].reduce((a, b) => a + b, 0);
const some = (names: Iterable<string>): string => [...names].slice(0, 5).join(", ");

function* repeated(counts: Map<string, number>): Iterable<string> {
  for (const [key, count] of counts) if (count > 1) yield `${key} (${count} times)`;
}
