import {
  type Batch,
  COLON,
  FIELD_PATHS,
  Field,
  Flag,
  fieldOfPath,
  members,
  OPEN_BRACE,
  OPEN_BRACKET,
  type OpenBody,
  QUOTE,
  ROW_HEADER,
  ROW_WORDS,
  Row,
  skipSpace,
} from "../../../src/plugin/index.js";
import { About } from "./about.js";
import type { Requested } from "./certificate-request.js";
import { Edits } from "./edits.js";
import { Mark, TOP_FIELDS } from "./envelope.js";
import { OwnDomains } from "./own-domains.js";
import type { Profile } from "./profile.js";
import type { Pseudonyms } from "./pseudonyms.js";
import { reduce } from "./reduce.js";
import type { Resources } from "./resources.js";
import type { ResourceRules, Rules } from "./rules.js";
import { Found, type Traces } from "./search.js";
import { type Manner, SpotWalks } from "./spot-walks.js";
import type { Spot, SpotKind } from "./spots.js";
import type { Replace } from "./text.js";
import { redactUri } from "./uri.js";
import { type Tools, Unreadable, Walk } from "./walk.js";

/** Replaces a body that could not be read safely. */
const UNREADABLE = "redacted: unreadable";

/**
 * Hash domain of what clients can write without any permission: URI, user agent. No namespace has this name, so nobody can use it
 * to test guesses of a namespace's values.
 */
const ENVELOPE_DOMAIN = "/";

/** What a stage does besides walking bodies. */
export interface Policy {
  readonly profile: Profile;
  readonly rules: Rules;
  /** Undefined if nothing is pseudonymized. */
  readonly pseudonyms: Pseudonyms | undefined;
}

/** Redacts one event after the other. */
export class EventRedaction {
  #batch!: Batch;
  #bytes!: Buffer;
  #traces!: Traces;
  #row = 0;
  readonly #edits = new Edits();
  #reasons: string[] = [];
  #requested: Requested | undefined;
  readonly #tools: Tools;
  readonly #spotWalks: SpotWalks;

  /** @param countBody counts a body that was removed, by reason */
  constructor(
    tools: Omit<Tools, "requested">,
    private readonly resources: Resources,
    private readonly policy: Policy,
    private readonly countBody: (reason: string) => void,
  ) {
    this.#tools = { ...tools, requested: (request) => this.#keep(request) };
    this.#spotWalks = new SpotWalks(this.#tools);
  }

  /**
   * @param traces those of the batch
   * @param marks {@link Mark} bits: what to look at
   */
  redact(batch: Batch, traces: Traces, row: number, marks: number): void {
    this.#batch = batch;
    this.#bytes = traces.bytes;
    this.#traces = traces;
    this.#row = row;
    if (this.#edits.length > 0) this.#edits.truncate(0);
    if (this.#reasons.length > 0) this.#reasons = [];
    this.#requested = undefined;
    const rename = this.policy.pseudonyms?.edit(batch, row, this.#bytes, this.#edits);
    if ((batch.flags(row) & Flag.irregular) === 0) this.#plain(marks);
    else this.#unusual();
    if (this.#requested !== undefined) this.#annotate(this.#requested);
    if (this.#edits.length === 0) return;
    for (const { start, end, text, bytes } of this.#edits.drain()) {
      batch.edit(row, start, end, rename ? Buffer.from(rename(text)) : (bytes ?? Buffer.from(text)));
    }
    if (this.#reasons.length > 0) batch.annotate(row, "redaction", this.#reasons.join(", "));
  }

  #keep(request: Requested): void {
    this.#requested = request;
  }

  /** Says in the document for whom a certificate was requested, because the request itself is not readable. */
  #annotate({ subject, names }: Requested): void {
    this.#batch.annotate(this.#row, "csrSubject", subject);
    if (names.length > 0) this.#batch.annotate(this.#row, "csrNames", names);
  }

  /** Redacts an event that consists only of fields of the table. */
  #plain(marks: number): void {
    if (this.policy.profile !== "off") this.#beside(marks);
    if ((marks & Mark.bodies) !== 0) for (const field of BODIES) this.#known(field);
  }

  /** Redacts everything but the bodies. */
  #beside(marks: number): void {
    if ((marks & Mark.text) !== 0) {
      for (const field of TOP_FIELDS) if (!isBody(field)) this.#known(field);
      return;
    }
    if ((marks & Mark.query) !== 0) this.#known(Field.requestURI);
    if ((marks & Mark.annotations) !== 0) this.#known(Field.annotations);
    if ((marks & Mark.extra) !== 0) for (const field of USERS) this.#known(field);
    if ((marks & Mark.message) !== 0) this.#known(Field.responseStatus);
  }

  /** Redacts an event with white space, unknown members or a duplicate key: every member is looked at, whatever its name. */
  #unusual(): void {
    for (const { key, start, end } of members(this.#bytes, this.#word(Row.start))) {
      this.#member(fieldOfPath(key), start, end);
    }
  }

  #known(field: Field): void {
    const start = this.#start(field);
    if (start !== 0) this.#member(field, start, this.#end(field));
  }

  /** Redacts a member of the event. If that fails, its value is removed and the event stays. */
  #member(field: Field | undefined, start: number, end: number): void {
    const first = this.#bytes[start];
    if (first !== QUOTE && first !== OPEN_BRACE && first !== OPEN_BRACKET) return;
    const before = this.#edits.length;
    try {
      this.#value(field, first, start, end);
    } catch (error) {
      this.#edits.truncate(before);
      this.#edits.add(start, end, JSON.stringify(UNREADABLE));
      this.#note(field === undefined ? "member" : FIELD_PATHS[field], error);
    }
  }

  /**
   * Redacts a member's value. A member with an unknown name may be anything, so it is treated like a body. Throws {@link
   * Unreadable}.
   */
  #value(field: Field | undefined, first: number, start: number, end: number): void {
    if (field === undefined || isBody(field)) this.#body(field, start, end);
    else if (this.policy.profile === "off") return;
    else if (field === Field.requestURI && first === QUOTE) this.#uri(start, end);
    else this.#envelope(field, start, end);
  }

  #uri(start: number, end: number): void {
    const uri = this.#batch.at(this.#row).textAt(start, end);
    const clean = redactUri(uri, this.#replaceIn(ENVELOPE_DOMAIN), this.policy.profile === "strict");
    if (clean !== uri) this.#edits.add(start, end, JSON.stringify(clean));
  }

  #envelope(field: Field, start: number, end: number): void {
    const strict = this.policy.profile === "strict";
    let about = WALKED.get(field);
    if (field === Field.responseStatus) {
      about = About.status | (strict ? About.secret : this.#about());
      if (this.#seen(start, end, about, () => ENVELOPE_DOMAIN)) return;
    }
    const isAnnotations = field === Field.annotations;
    const domain = isAnnotations ? this.#namespace() : ENVELOPE_DOMAIN;
    const document = { domain, found: Found.text, patches: false, envelope: about !== undefined, strict };
    const { tape, root } = readable(this.#tools.openTape(this.#bytes, start, end));
    const walk = new Walk(this.#tools, { tape, ...document }, this.#edits);
    if (about !== undefined) walk.run(root, about);
    else walk.runStrings(root, isAnnotations, this.#about());
  }

  #body(field: Field | undefined, start: number, end: number): void {
    const { profile } = this.policy;
    const rules = this.policy.rules.size > 0 ? this.#rules() : undefined;
    if (profile === "strict") this.#reduce(field, start, end);
    else if (profile === "off") this.#onlyRules(rules, field, start, end);
    else this.#secrets(rules, field, start, end);
  }

  #reduce(field: Field | undefined, start: number, end: number): void {
    const { tape, root } = this.#open(field, start, end);
    this.#edits.overlay(start, end, reduce(tape, root, this.#replaceIn(this.#namespace())));
    this.#tools.count("body");
  }

  #onlyRules(rules: ResourceRules | undefined, field: Field | undefined, start: number, end: number): void {
    if (rules === undefined) return;
    const { tape, root } = this.#open(field, start, end);
    rules.apply(tape, root, this.#edits, this.#replaceIn(this.#namespace()));
  }

  #secrets(rules: ResourceRules | undefined, field: Field | undefined, start: number, end: number): void {
    const { found, spots } = this.#tools.search.look(this.#traces, start, end);
    const about = this.#about();
    const isQuiet = about === About.nothing && rules === undefined;
    if (found === Found.nothing && isQuiet && this.#bytes[start] !== OPEN_BRACKET) return;
    const domain = this.#namespace();
    const ownDomains = domain === "" && field === Field.responseObject;
    const onlySpots = spots !== undefined && isQuiet && this.#bytes[start] === OPEN_BRACE;
    if (onlySpots && this.#spots(spots, start, end, ownDomains ? undefined : domain)) return;
    const { tape, root } = this.#open(field, start, end);
    const document = { tape, domain, ownDomains, found, patches: true, rules };
    new Walk(this.#tools, document, this.#edits).run(root, about);
  }

  #rules(): ResourceRules | undefined {
    const event = this.#batch.at(this.#row);
    const resource = event.text(Field.objectRefResource);
    return resource === undefined
      ? undefined
      : this.policy.rules.of(resource, event.text(Field.objectRefApiGroup) ?? "");
  }

  #replaceIn(domain: string): Replace {
    return (secret, kind) => {
      this.#tools.count(kind);
      return this.#tools.hasher.hash(domain, secret);
    };
  }

  /**
   * Walks only the spots of a body with nothing else to redact. False if one of them cannot be walked on its own.
   * @param domain undefined if each object in the body has its own
   */
  #spots(spots: readonly Spot[], start: number, end: number, domain: string | undefined): boolean {
    const before = this.#edits.length;
    const domains = domain === undefined ? new OwnDomains(this.#batch, this.#bytes, start, end) : undefined;
    let walked = 0;
    let place = 0;
    const domainOf = () => (domains ? domains.at(place) : domain);
    for (const { at, end: spotEnd, kind } of spots) {
      // It is within the spot before.
      if (at < walked) continue;
      walked = spotEnd ?? this.#batch.valueEnd(at);
      place = at;
      if (!this.#spot(at, walked, kind, domainOf)) {
        this.#edits.truncate(before);
        return false;
      }
    }
    return true;
  }

  #spot(start: number, end: number, kind: SpotKind, domainOf: () => string | undefined): boolean {
    // The walk does not look at keys either, even if they have the shape of a URL.
    if (kind === "text" && isKey(this.#bytes, end)) return true;
    return this.#seen(start, end, kind, domainOf);
  }

  /** Walks a value that may have been seen before; false if it cannot be walked on its own. */
  #seen(start: number, end: number, manner: Manner, domainOf: () => string | undefined): boolean {
    const found = this.#spotWalks.walk(this.#bytes, start, end, manner, domainOf);
    if (found === undefined) return false;
    for (const edit of found) this.#edits.add(start + edit.start, start + edit.end, edit.text, edit.bytes);
    return true;
  }

  /** Opens a body, only once for all who read it. Throws {@link Unreadable}. */
  #open(field: Field | undefined, start: number, end: number): OpenBody {
    const isKnown = field !== undefined && start === this.#start(field);
    return readable(isKnown ? this.#batch.at(this.#row).open(field) : this.#tools.openTape(this.#bytes, start, end));
  }

  #note(what: string, error: unknown): void {
    const reason = error instanceof Unreadable ? error.message : "failed";
    this.#reasons.push(`${what}: ${reason}`);
    this.countBody(reason);
  }

  #about(): number {
    return this.resources.of(this.#batch, this.#row);
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

/** Members whose structure is known, and what they are about. */
const WALKED = new Map<Field, About>([
  [Field.user, About.review],
  [Field.impersonatedUser, About.review],
  [Field.responseStatus, About.status],
]);

/** Throws {@link Unreadable} if it could not be opened. */
function readable(opened: OpenBody | undefined): OpenBody {
  if (opened === undefined) throw new Unreadable("unreadable");
  return opened;
}

const USERS: readonly Field[] = [Field.user, Field.impersonatedUser];
const BODIES: readonly Field[] = [Field.requestObject, Field.responseObject];

function isBody(field: Field): boolean {
  return BODIES.includes(field);
}

/** Whether the string that ends before `at` is a member's key. */
const isKey = (bytes: Uint8Array, at: number): boolean => bytes[skipSpace(bytes, at)] === COLON;
