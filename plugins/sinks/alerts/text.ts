import { type EventView, type Field, Kind } from "../../../src/plugin/index.js";

/** Names and values: labels, annotations. */
export type Pairs = Readonly<Record<string, string>>;

/** Longest value and longest text, in characters: the far end has no limit of its own, and what clients write is kept. */
export const VALUE_LENGTH = 256;
export const TEXT_LENGTH = 1024;

/** Pairs with what is there, each value cut. */
export function cut(length: number, pairs: Record<string, string | undefined>): Pairs {
  const kept = Object.entries(pairs).filter((pair): pair is [string, string] => !!pair[1]);
  return Object.fromEntries(kept.map(([name, value]) => [name, cutText(value, length)]));
}

/** Cuts without leaving half a character. */
export function cutText(text: string, length: number): string {
  if (text.length <= length) return text;
  return `${text.slice(0, length - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}

/** One of the event's own annotations. */
export function annotationText(event: EventView, field: Field, key: string): string | undefined {
  const body = event.open(field);
  if (!body || body.tape.kind(body.root) !== Kind.object) return undefined;
  const node = body.tape.member(body.root, key);
  return node < 0 ? undefined : event.textAt(body.tape.start(node), body.tape.end(node));
}

/** The first items of a list. */
export function listOf(event: EventView, field: Field): string[] {
  const body = event.open(field);
  if (!body || body.tape.kind(body.root) !== Kind.array) return [];
  const { tape, root } = body;
  const items: string[] = [];
  for (let node = root + 1; node < tape.next(root) && items.length < MOST_ITEMS; node = tape.next(node)) {
    items.push(event.textAt(tape.start(node), tape.end(node)));
  }
  return items;
}

const MOST_ITEMS = 10;

/** What is there of the parts. */
export const join = (separator: string, ...parts: (string | undefined)[]): string =>
  parts.filter(Boolean).join(separator);
