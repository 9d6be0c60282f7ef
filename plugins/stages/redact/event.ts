import {
  type Batch,
  FIELD_PATHS,
  Field,
  Flag,
  fieldOfPath,
  members,
  type OpenBody,
  ROW_HEADER,
  ROW_WORDS,
  Row,
  skipSpace,
} from "../../../src/plugin/index.js";
import { Edits } from "./edits.js";
import { Mark, TOP_FIELDS } from "./envelope.js";
import { Names } from "./names.js";
import { OwnDomains } from "./own-domains.js";
import { Found, type Traces } from "./search.js";
import { SpotWalks } from "./spot-walks.js";
import type { Spot, SpotKind } from "./spots.js";
import { redactUri } from "./uri.js";
import { About, type Tools, Unreadable, Walk } from "./walk.js";

/** What stands for a body that could not be read safely. */
export const UNREADABLE = "redacted: unreadable";

/**
 * Hash domain of what a client writes without being allowed to do anything: URI, user agent. No namespace has this name,
 * so nobody can test guesses of a namespace's values there.
 */
const ENVELOPE_DOMAIN = "/";

/** What the bodies of a resource are about, whatever kind they name. Always walked. */
const SENSITIVE = new Names<About>(
  new Map([
    ["secrets", About.secret],
    ["configmaps", About.configMap],
    ["tokenreviews", About.token],
    ["serviceaccounts", About.token],
    ["certificatesigningrequests", About.certificate],
  ]),
);

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;
const COLON = 0x3a;

/** Redacts events one after the other. */
export class EventRedaction {
  #batch!: Batch;
  #bytes!: Buffer;
  #traces!: Traces;
  #row = 0;
  readonly #edits = new Edits();
  #reasons: string[] = [];
  readonly #spotWalks: SpotWalks;

  /** @param countBody counts a body that went, by reason */
  constructor(
    private readonly tools: Tools,
    private readonly countBody: (reason: string) => void,
  ) {
    this.#spotWalks = new SpotWalks(tools);
  }

  /** @param traces those in the batch */
  redact(batch: Batch, traces: Traces, row: number, marks: number): void {
    this.#batch = batch;
    this.#bytes = traces.bytes;
    this.#traces = traces;
    this.#row = row;
    if (this.#edits.length > 0) this.#edits.truncate(0);
    if (this.#reasons.length > 0) this.#reasons = [];
    if ((batch.flags(row) & Flag.irregular) === 0) this.#plain(marks);
    else this.#unusual();
    if (this.#edits.length === 0) return;
    for (const { start, end, text } of this.#edits.drain()) batch.edit(row, start, end, Buffer.from(text));
    if (this.#reasons.length > 0) batch.annotate(row, "redaction", this.#reasons.join(", "));
  }

  /** An event of which the field table knows all. */
  #plain(marks: number): void {
    const text = (marks & Mark.text) !== 0;
    if (text) {
      for (const field of TOP_FIELDS) if (!isBody(field)) this.#known(field);
    } else {
      if ((marks & Mark.query) !== 0) this.#known(Field.requestURI);
      if (this.#holdsBracket(Field.annotations)) this.#known(Field.annotations);
    }
    this.#known(Field.requestObject);
    this.#known(Field.responseObject);
  }

  /** An event with white space, unknown members or a key twice: every member is looked at, whatever its name. */
  #unusual(): void {
    for (const { key, start, end } of members(this.#bytes, this.#word(Row.start))) {
      this.#member(fieldOfPath(key), start, end);
    }
  }

  #known(field: Field): void {
    const start = this.#start(field);
    if (start !== 0) this.#member(field, start, this.#end(field));
  }

  /** A member of the event. What we have no name for may be anything. */
  #member(field: Field | undefined, start: number, end: number): void {
    const first = this.#bytes[start];
    if (first !== QUOTE && first !== OPEN_BRACE && first !== OPEN_BRACKET) return;
    if (field === undefined || isBody(field)) this.#body(field, start, end);
    else if (field === Field.requestURI && first === QUOTE) this.#uri(start, end);
    else this.#envelope(field, start, end);
  }

  #uri(start: number, end: number): void {
    const uri = this.#batch.at(this.#row).textAt(start, end);
    const clean = redactUri(uri, (secret, kind) => {
      this.tools.count(kind);
      return this.tools.hasher.hash(ENVELOPE_DOMAIN, secret);
    });
    if (clean !== uri) this.#edits.add(start, end, JSON.stringify(clean));
  }

  #envelope(field: Field, start: number, end: number): void {
    const isAnnotations = field === Field.annotations;
    const domain = isAnnotations ? this.#namespace() : ENVELOPE_DOMAIN;
    this.#walk(field, start, end, this.tools.openTape(this.#bytes, start, end), ({ tape, root }) => {
      new Walk(this.tools, { tape, domain, found: Found.text, patches: false }, this.#edits).runStrings(
        root,
        isAnnotations,
      );
    });
  }

  #body(field: Field | undefined, start: number, end: number): void {
    const { found, spots } = this.tools.search.look(this.#traces, start, end);
    const about = this.#about();
    if (found === Found.nothing && about === About.nothing && this.#bytes[start] !== OPEN_BRACKET) return;
    const domain = this.#namespace();
    const ownDomains = domain === "" && field === Field.responseObject;
    const onlySpots = spots !== undefined && about === About.nothing && this.#bytes[start] === OPEN_BRACE;
    if (onlySpots && this.#spots(spots, start, end, ownDomains ? undefined : domain)) return;
    this.#walk(field, start, end, this.#open(field, start, end), ({ tape, root }) => {
      new Walk(this.tools, { tape, domain, ownDomains, found, patches: true }, this.#edits).run(root, about);
    });
  }

  /**
   * Walks only the spots of a body that holds nothing else; false if one cannot be walked alone.
   * @param domain undefined if each object of the body has its own
   */
  #spots(spots: readonly Spot[], start: number, end: number, domain: string | undefined): boolean {
    const before = this.#edits.length;
    const domains = domain === undefined ? new OwnDomains(this.#batch, this.#bytes, start, end) : undefined;
    let walked = 0;
    let place = 0;
    const domainOf = () => (domains ? domains.at(place) : domain);
    for (const { at, kind } of spots) {
      // Within the one before.
      if (at < walked) continue;
      walked = this.#batch.valueEnd(at);
      place = at;
      if (!this.#spot(at, walked, kind, domainOf)) {
        this.#edits.truncate(before);
        return false;
      }
    }
    return true;
  }

  #spot(start: number, end: number, kind: SpotKind, domainOf: () => string | undefined): boolean {
    // A key with the shape of a URL is not looked at by the walk either.
    if (kind === "text" && isKey(this.#bytes, end)) return true;
    const found = this.#spotWalks.walk(this.#bytes, start, end, kind, domainOf);
    if (found === undefined) return false;
    for (const edit of found) this.#edits.add(start + edit.start, start + edit.end, edit.text);
    return true;
  }

  /** A body is opened once for all who read it. */
  #open(field: Field | undefined, start: number, end: number): OpenBody | undefined {
    const isKnown = field !== undefined && start === this.#start(field);
    return isKnown ? this.#batch.at(this.#row).open(field) : this.tools.openTape(this.#bytes, start, end);
  }

  /** Walks a value; if that fails, the value goes and the event stays. */
  #walk(
    field: Field | undefined,
    start: number,
    end: number,
    opened: OpenBody | undefined,
    walk: (o: OpenBody) => void,
  ) {
    const before = this.#edits.length;
    let reason = "unreadable";
    if (opened !== undefined) {
      try {
        walk(opened);
        return;
      } catch (error) {
        reason = error instanceof Unreadable ? error.message : "failed";
        this.#edits.truncate(before);
      }
    }
    this.#edits.add(start, end, JSON.stringify(UNREADABLE));
    this.#note(field === undefined ? "member" : FIELD_PATHS[field], reason);
  }

  #note(what: string, reason: string): void {
    this.#reasons.push(`${what}: ${reason}`);
    this.countBody(reason);
  }

  /** Whether there is a bracket in an object but its own: a string in it may be JSON. */
  #holdsBracket(field: Field): boolean {
    const end = this.#end(field);
    for (let at = this.#start(field) + 1; at < end; at++) if (IS_BRACKET[this.#bytes[at]] === 1) return true;
    return false;
  }

  #about(): number {
    const start = this.#start(Field.objectRefResource);
    if (start === 0) return About.nothing;
    const end = this.#end(Field.objectRefResource);
    let about = SENSITIVE.find(this.#bytes, start + 1, end - 1);
    if (about === About.nothing && this.#bytes.subarray(start, end).includes(BACKSLASH)) {
      about = SENSITIVE.get(this.#batch.at(this.#row).textAt(start, end));
    }
    return about === About.configMap && !this.tools.configMaps ? About.nothing : about;
  }

  #namespace(): string {
    return this.#batch.at(this.#row).text(Field.objectRefNamespace) ?? "";
  }

  #word(word: Row): number {
    return this.#batch.table[this.#row * ROW_WORDS + word];
  }

  #start(field: Field): number {
    return this.#batch.table[this.#row * ROW_WORDS + ROW_HEADER + 2 * field];
  }

  #end(field: Field): number {
    return this.#batch.table[this.#row * ROW_WORDS + ROW_HEADER + 2 * field + 1];
  }
}

/** As a table over bytes. */
const IS_BRACKET = new Uint8Array(256);
IS_BRACKET[OPEN_BRACE] = 1;
IS_BRACKET[OPEN_BRACKET] = 1;

const BODIES: readonly Field[] = [Field.requestObject, Field.responseObject];

function isBody(field: Field): boolean {
  return BODIES.includes(field);
}

/** Whether the string that ends before `at` is a member's key. */
const isKey = (bytes: Uint8Array, at: number): boolean => bytes[skipSpace(bytes, at)] === COLON;
