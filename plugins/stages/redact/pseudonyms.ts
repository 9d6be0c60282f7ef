import { type Batch, COLON, Field, ROW_HEADER, ROW_WORDS } from "../../../src/plugin/index.js";
import type { Edits } from "./edits.js";
import type { Hasher } from "./hash.js";
import type { SecretKind } from "./text.js";

/** What is pseudonymized. */
export interface Pseudonymize {
  readonly users: boolean;
  readonly ips: boolean;
}

/** Hash domain of users: a name has the same pseudonym everywhere. */
const DOMAIN = "/user";
/** Names of the API server's own users, which are not people. */
const SYSTEM = /^system:/;

const USERS = [Field.userUsername, Field.userUid, Field.impersonatedUserUsername, Field.impersonatedUserUid];
/** Other fields that may mention a user's name. */
const SAID = [Field.responseStatus, Field.annotations, Field.requestObject, Field.responseObject];

/**
 * Replaces the names of an event's users, and the addresses that it came from, by pseudonyms that are equal for equal names and
 * addresses.
 */
export class Pseudonyms {
  constructor(
    private readonly hasher: Hasher,
    private readonly options: Pseudonymize,
    private readonly count: (kind: SecretKind) => void,
  ) {}

  /** Adds the edits of a row. Returns a function that replaces the names in texts edited by others. */
  edit(batch: Batch, row: number, bytes: Buffer, edits: Edits): (text: string) => string {
    if (this.options.ips) this.#addresses(batch, row, bytes, edits);
    const said = this.options.users ? this.#users(batch, row, edits) : new Map<string, string>();
    for (const [name, pseudonym] of said) this.#said(batch, row, bytes, edits, name, pseudonym);
    return (text) => {
      let clean = text;
      for (const [name, pseudonym] of said) clean = clean.replaceAll(name, pseudonym);
      return clean;
    };
  }

  /** Replaces the names in their own fields. Returns how they may be spelt elsewhere, with the replacement for each spelling. */
  #users(batch: Batch, row: number, edits: Edits): Map<string, string> {
    const said = new Map<string, string>();
    for (const field of USERS) {
      const text = batch.at(row).text(field);
      if (!text || SYSTEM.test(text)) continue;
      const pseudonym = this.hasher.hash(DOMAIN, text);
      this.count("user");
      const [start, end] = spanOf(batch, row, field);
      edits.overlay(start, end, JSON.stringify(pseudonym));
      for (const [name, quote] of spellings(text)) said.set(name, quote + pseudonym + quote);
    }
    return said;
  }

  #addresses(batch: Batch, row: number, bytes: Buffer, edits: Edits): void {
    const [start, end] = spanOf(batch, row, Field.sourceIPs);
    if (start === 0) return;
    const addresses: unknown = JSON.parse(bytes.toString("utf8", start, end));
    if (!Array.isArray(addresses)) return;
    edits.overlay(start, end, JSON.stringify(addresses.map((address) => this.#address(address))));
  }

  #address(address: unknown): unknown {
    if (typeof address !== "string") return address;
    this.count("ip");
    return this.hasher.address(address);
  }

  /** Replaces a name wherever it occurs in quotes, as a value or in a message. */
  #said(batch: Batch, row: number, bytes: Buffer, edits: Edits, name: string, pseudonym: string): void {
    const quoted = Buffer.from(name);
    for (const field of SAID) {
      const [start, end] = spanOf(batch, row, field);
      if (start === 0) continue;
      const value = bytes.subarray(start, end);
      for (let at = value.indexOf(quoted); at >= 0; at = value.indexOf(quoted, at + quoted.length)) {
        if (value[at + quoted.length] === COLON) continue;
        edits.overlay(start + at, start + at + quoted.length, pseudonym);
      }
    }
  }
}

/**
 * A name in quotes, in JSON and in a string inside JSON (a message, an applied object), as JavaScript and as Go write it; each
 * spelling with its quote.
 */
function spellings(name: string): [spelling: string, quote: string][] {
  const values = [JSON.stringify(name), goJson(name)];
  const nested = values.flatMap((value) => [JSON.stringify(value), goJson(value)]).map((text) => text.slice(1, -1));
  return [
    ...values.map((value): [string, string] => [value, '"']),
    ...nested.map((value): [string, string] => [value, '\\"']),
  ];
}

/** JSON as Go's encoder writes it, which also escapes characters that are special in HTML. */
const goJson = (text: string): string =>
  JSON.stringify(text).replace(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);

function spanOf(batch: Batch, row: number, field: Field): [start: number, end: number] {
  const at = row * ROW_WORDS + ROW_HEADER + 2 * field;
  return [batch.table[at], batch.table[at + 1]];
}
