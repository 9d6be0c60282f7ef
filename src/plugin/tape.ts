import type { Kind } from "./event.js";

/** Words of a tape node. Node `i` begins at word `i * NODE_WORDS`. */
export enum Node {
  /** {@link Kind} in the low 8 bits, {@link NodeFlag} above. */
  kind,
  /** First byte of the member's key, inside its quotes; 0 for items and the root. */
  keyStart,
  keyEnd,
  /** First byte of the value (a string's opening quote). */
  start,
  /** One past its last byte. */
  end,
  /** Index of the node after this one and all below it: the next sibling, or the parent's next. */
  next,
}

export const NODE_WORDS = 6;

export enum NodeFlag {
  /** The key holds a backslash: compare it decoded. */
  keyEscaped = 256,
  /** The string value holds a backslash. */
  escaped = 512,
}

/**
 * JSON values as spans of the bytes they came from: no strings, numbers keep their text, every duplicate key is there.
 * The children of node `i` are `i + 1`, `next(i + 1)`, … while below `next(i)`.
 */
export interface Tape {
  /** The bytes the spans point into. */
  readonly bytes: Uint8Array;
  /** {@link NODE_WORDS} words per node; may be replaced when the tape grows, so read it anew after opening a value. */
  readonly words: Uint32Array;
  kind(node: number): Kind;
  start(node: number): number;
  end(node: number): number;
  next(node: number): number;
  /** True if the member's decoded key equals `key`. */
  keyIs(node: number, key: string): boolean;
  /** The decoded key. Allocates. */
  key(node: number): string;
  /** A string decoded, anything else as its JSON text. Allocates. */
  text(node: number): string;
  /** The last member of object `node` with this key (as JSON.parse takes duplicates), or -1. */
  member(node: number, key: string): number;
}

/** Opens any JSON text as a tape of its own; throws nothing: undefined if it is not valid JSON or exceeds the bounds. */
export type OpenTape = (bytes: Uint8Array, start: number, end: number) => { tape: Tape; root: number } | undefined;
