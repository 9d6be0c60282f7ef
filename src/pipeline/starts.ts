import { compareCursors } from "../delivery/ledger.js";
import type { ByteRange, Position, StartPoint } from "../plugin/index.js";
import type { Section } from "./follower.js";

/** Where the next batch of a section starts; undefined if that is for its {@link startOf} to say. */
export const placeOf = ({ next, ledger }: Section): Position | undefined => next ?? ledger.cursor;

/** True if it starts where the log ends, and nobody has looked yet where that is. */
export const startsAtEnd = (section: Section): boolean =>
  placeOf(section) === undefined && section.follower.start.at === "end";

/** Where a reader for these sections begins: they are at one place. */
export function startOf(sections: readonly Section[]): StartPoint {
  const [{ follower }] = sections;
  const place = placeOf(sections[0]);
  const stored = place ? { file: place.file.fingerprint, offset: place.offset } : storedPosition(follower.start);
  return stored ? { at: "position", position: stored, done: doneByAll(sections) } : follower.start;
}

/** Sections of one key can share a lane: they start at one place, and catch up at one rate. */
export function startKey(section: Section): string {
  const place = placeOf(section);
  const start = place ? `${place.file.fingerprint}:${place.offset}` : JSON.stringify(section.follower.start);
  return `${start} ${section.runner.options.rate ?? ""}`;
}

/** How recent a start is: the end of the log, then positions in order, then a time, then the beginning; of equals, the unbridled. */
export function compareStarts(a: Section, b: Section): number {
  const rank = (section: Section) =>
    placeOf(section) ? 2 : { end: 3, position: 1, time: 1, beginning: 0 }[section.follower.start.at];
  const rate = ({ runner }: Section) => runner.options.rate ?? Number.POSITIVE_INFINITY;
  return rank(a) - rank(b) || compareCursors(placeOf(a), placeOf(b)) || (rate(a) === rate(b) ? 0 : rate(a) - rate(b));
}

const storedPosition = (start: StartPoint) => (start.at === "position" ? start.position : undefined);

/** What lies beyond the cursors of these sections and every one of them has. */
function doneByAll(sections: readonly Section[]): ByteRange[] {
  const [first, ...others] = sections.map(({ ledger }) => ledger.ranges());
  return others.reduce((common, ranges) => common.flatMap((range) => intersect(range, ranges)), first);
}

function intersect({ file, from, to }: ByteRange, ranges: readonly ByteRange[]): ByteRange[] {
  return ranges
    .filter((range) => range.file === file && range.from < to && range.to > from)
    .map((range) => ({ file, from: Math.max(from, range.from), to: Math.min(to, range.to) }));
}
