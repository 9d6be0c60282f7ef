import { ROW_HEADER, type RuleMatch, type ShownField } from "../plugin/index.js";
import type { MemberWriter } from "./document.js";

/** Must agree with `assembly/matches.ts`. */
const HEAD = 4;
const STEP = 12;

/** Bytes for templates. */
export const TEMPLATES = 64 * 1024;

/** Templates of the matches that events have, in a WebAssembly memory. Events with the same matches share one. */
export class MatchTemplates {
  readonly #memory: Buffer;
  readonly #at: number;
  #next = 0;
  /** Some template did not fit. */
  #full = false;
  /** The rules that produced these matches. */
  #rules = "";
  #addresses = new WeakMap<readonly RuleMatch[], number>();
  /** Matches whose template cannot be used for this batch, and the address of that template. */
  #refused: [matches: readonly RuleMatch[], address: number][] = [];

  /** @param at address of {@link TEMPLATES} bytes, followed by some more that may be read */
  constructor(memory: ArrayBuffer, at: number) {
    this.#memory = Buffer.from(memory, at, TEMPLATES);
    this.#at = at;
  }

  /** Called between two batches. */
  startOver(): void {
    if (this.#full) this.#clear();
    for (const [matches, address] of this.#refused) this.#addresses.set(matches, address);
    this.#refused = [];
  }

  /** Sets the rules that produce the matches to come. */
  begin(rules: string): void {
    if (rules === this.#rules) return;
    this.#rules = rules;
    this.#clear();
  }

  /** The address of the template of these matches; 0 if one of their messages has none, or there is no room. */
  of(matches: readonly RuleMatch[], members: MemberWriter): number {
    return this.#addresses.get(matches) ?? this.#add(matches, members);
  }

  /**
   * Stops using the template of these matches for this batch: they showed a value that cannot be copied, and each further such
   * value would end a call.
   */
  refuse(matches: readonly RuleMatch[]): void {
    this.#refused.push([matches, this.#addresses.get(matches) ?? 0]);
    this.#addresses.set(matches, 0);
  }

  #clear(): void {
    this.#next = 0;
    this.#full = false;
    this.#addresses = new WeakMap();
    this.#refused = [];
  }

  #add(matches: readonly RuleMatch[], members: MemberWriter): number {
    const parts = this.#full ? undefined : members.matchParts(this.#rules, matches);
    let address = 0;
    if (parts !== undefined) {
      const template = encode(parts, this.#at + this.#next);
      if (this.#next + template.length <= TEMPLATES) {
        this.#memory.set(template, this.#next);
        address = this.#at + this.#next;
        this.#next += template.length;
      } else this.#full = this.#next > 0;
    }
    this.#addresses.set(matches, address);
    return address;
  }
}

/** Encodes a template for this address: its steps, followed by its texts. */
function encode(parts: readonly (Uint8Array | ShownField)[], address: number): Buffer {
  const steps: { texts: Uint8Array[]; field: number }[] = [{ texts: [], field: 0 }];
  for (const part of parts) {
    const step = steps[steps.length - 1];
    if (part instanceof Uint8Array) step.texts.push(part);
    else {
      step.field = 4 * (ROW_HEADER + 2 * part.field) + (part.lower ? 1 : 0);
      steps.push({ texts: [], field: 0 });
    }
  }
  const texts = steps.map((step) => Buffer.concat(step.texts));
  const textsLength = texts.reduce((sum, { length }) => sum + length, 0);
  const words = [textsLength];
  let at = address + HEAD + STEP * steps.length;
  for (const [index, { field }] of steps.entries()) {
    words.push(at, texts[index].length, field);
    at += texts[index].length;
  }
  const padding = Buffer.alloc(-textsLength & 3);
  return Buffer.concat([Buffer.from(Uint32Array.from(words).buffer), ...texts, padding]);
}
