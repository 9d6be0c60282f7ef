import { Kind, NODE_WORDS, Node, NodeFlag, type OpenTape, type Tape } from "../../../src/plugin/index.js";
import { CommandLine } from "./command.js";
import { isCredentialName } from "./credentials.js";
import { Edits } from "./edits.js";
import { beginsJson, hidesText } from "./escapes.js";
import type { Hasher } from "./hash.js";
import { Names } from "./names.js";
import { Found, type Search } from "./search.js";
import type { SpotKind } from "./spots.js";
import { decodeBase64, type Replace, type SecretKind, scrub, scrubShapes } from "./text.js";

/** Bits: what an object is about, by its resource or by the kind it names itself. Holds for all below it. */
export enum About {
  nothing = 0,
  secret = 1,
  configMap = 2,
  token = 4,
  certificate = 8,
}

/** The names of members that mean something. */
enum Key {
  kind = 1,
  metadata,
  name,
  value,
  data,
  stringData,
  binaryData,
  env,
  words,
  applied,
  token,
  certificate,
  path,
}

const KEYS = new Names<Key>(
  new Map([
    ["kind", Key.kind],
    ["metadata", Key.metadata],
    ["name", Key.name],
    ["value", Key.value],
    ["data", Key.data],
    ["stringData", Key.stringData],
    ["binaryData", Key.binaryData],
    ["env", Key.env],
    ["args", Key.words],
    ["command", Key.words],
    ["kubectl.kubernetes.io/last-applied-configuration", Key.applied],
    ["token", Key.token],
    ["request", Key.certificate],
    ["certificate", Key.certificate],
    ["path", Key.path],
  ]),
);

const KINDS = new Map<string, About>([
  ["Secret", About.secret],
  ["SecretList", About.secret],
  ["ConfigMap", About.configMap],
  ["ConfigMapList", About.configMap],
  ["TokenRequest", About.token],
  ["TokenReview", About.token],
  ["CertificateSigningRequest", About.certificate],
  ["CertificateSigningRequestList", About.certificate],
]);

/** Where in an object a value stands, as far as it matters to what becomes of it. */
enum Place {
  plain,
  /** A secret itself, in base64. */
  base64,
  /** A secret itself. */
  secret,
  /** A map of secrets, in base64. */
  base64Map,
  /** A map of secrets. */
  secretMap,
  /** A list (or map) of environment variables. */
  env,
  /** One of them: `{name, value}`, or `NAME=value`. */
  variable,
  /** The value of a variable that is not a credential's by its name. */
  variableValue,
  /** A list of arguments. */
  words,
  /** One of them, alone. */
  word,
  /** JSON of an applied object, in a string. */
  applied,
}

/** The body cannot be walked safely. The message is a reason for metrics. */
export class Unreadable extends Error {}

/** Deeper objects are not walked: nothing real is. */
const MAX_DEPTH = 512;
/** JSON in a string in JSON in a string …: what is deeper is hashed whole. */
const MAX_NESTED = 4;

/** What all walks of a stage share. */
export interface Tools {
  readonly hasher: Hasher;
  readonly search: Search;
  readonly openTape: OpenTape;
  /** Whether ConfigMaps are redacted as Secrets are. */
  readonly configMaps: boolean;
  /** Counts a replaced value. */
  count(kind: SecretKind): void;
}

/** What a walk knows of the document it walks. */
export interface Document {
  readonly tape: Tape;
  /** Which hash domain it belongs to; see {@link Hasher.hash}. */
  readonly domain: string;
  /** The domain of an object is its own metadata.namespace, where it has one. */
  readonly ownDomains?: boolean;
  /** Bits of {@link Found}. */
  readonly found: number;
  /** An array may be a JSON patch. */
  readonly patches: boolean;
  /** How many strings it stands in. */
  readonly nested?: number;
}

/** Walks a document with its structure in mind, and edits out the secrets. */
export class Walk {
  readonly #tape: Tape;
  readonly #bytes: Buffer;
  #domain: string;

  constructor(
    private readonly tools: Tools,
    private readonly document: Document,
    private readonly edits: Edits,
  ) {
    this.#tape = document.tape;
    const { bytes } = document.tape;
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#domain = document.domain;
  }

  /** Walks the value at a node. Throws {@link Unreadable}. */
  run(root: number, about: number): void {
    if (this.document.patches && this.#tape.kind(root) === Kind.array) this.#patch(root, about);
    else this.#value(root, Place.plain, about, 0);
  }

  /** Walks what stands at a spot. Throws {@link Unreadable}. */
  runSpot(root: number, kind: SpotKind): void {
    const place = { env: Place.env, words: Place.words, text: Place.plain }[kind];
    this.#value(root, place, About.nothing, 0);
  }

  /**
   * Looks at the strings below a node for secrets known by their shape, whatever the structure.
   * @param json whether a string may hold JSON, to be walked as a document of its own
   */
  runStrings(root: number, json: boolean): void {
    const tape = this.#tape;
    const end = tape.next(root);
    for (let node = root; node < end; node++) {
      if (tape.kind(node) !== Kind.string) continue;
      const text = tape.text(node);
      const clean = json ? this.#nested(text, About.nothing) : undefined;
      if (json && clean === undefined && this.#isBrokenObject(text)) this.#hash(node, "applied");
      else this.#replaceText(node, text, clean ?? scrubShapes(text, this.#replace));
    }
  }

  #value(node: number, place: Place, about: number, depth: number): void {
    if (depth > MAX_DEPTH) throw new Unreadable("too-deep");
    const kind = this.#tape.kind(node);
    if (kind === Kind.null) return;
    switch (place) {
      case Place.base64:
      case Place.secret:
        this.#hash(node, secretKind(about), place === Place.base64);
        break;
      case Place.base64Map:
      case Place.secretMap:
        this.#map(node, place === Place.base64Map, secretKind(about));
        break;
      case Place.env:
        this.#env(node, about, depth);
        break;
      case Place.variable:
        if (kind === Kind.object) this.#variable(node, about, depth);
        else this.#words(node, about, depth);
        break;
      case Place.variableValue:
        if (kind === Kind.string) this.#variableValue(node);
        else this.#plain(node, about, depth);
        break;
      case Place.words:
        this.#words(node, about, depth);
        break;
      case Place.word:
        if (this.#bytes[this.#tape.start(node) + 1] === DASH) this.#words(node, about, depth);
        else this.#hash(node, "argument");
        break;
      case Place.applied:
        this.#applied(node, about);
        break;
      default:
        this.#plain(node, about, depth);
    }
  }

  #plain(node: number, about: number, depth: number): void {
    const kind = this.#tape.kind(node);
    if (kind === Kind.string) this.#string(node, about);
    else if (kind === Kind.object) this.#object(node, about, depth);
    else if (kind === Kind.array) this.#children(node, about, depth);
  }

  #children(node: number, about: number, depth: number): void {
    const tape = this.#tape;
    const end = tape.next(node);
    for (let child = node + 1; child < end; child = tape.next(child)) this.#value(child, Place.plain, about, depth + 1);
  }

  #object(node: number, inherited: number, depth: number): void {
    const tape = this.#tape;
    const end = tape.next(node);
    const outerDomain = this.#domain;
    let about = inherited;
    // Every occurrence of a duplicate key counts.
    for (let child = node + 1; child < end; child = tape.next(child)) {
      const key = this.#key(child);
      if (key === Key.kind) about |= this.#about(child);
      else if (key === Key.metadata && this.document.ownDomains) this.#domain = this.#namespace(child) ?? this.#domain;
    }
    for (let child = node + 1; child < end; child = tape.next(child)) {
      this.#value(child, placeOf(this.#key(child), about), about, depth + 1);
    }
    this.#domain = outerDomain;
  }

  #about(node: number): number {
    const tape = this.#tape;
    // Kinds that matter begin with S, C, T, or an escape.
    const first = this.#bytes[tape.start(node) + 1];
    if (first !== 0x53 && first !== 0x43 && first !== 0x54 && first !== BACKSLASH) return About.nothing;
    const about = KINDS.get(tape.text(node)) ?? About.nothing;
    return this.tools.configMaps ? about : about & ~About.configMap;
  }

  #namespace(metadata: number): string | undefined {
    const namespace = this.#tape.member(metadata, "namespace");
    if (namespace < 0 || this.#tape.kind(namespace) !== Kind.string) return undefined;
    return this.#tape.text(namespace) || undefined;
  }

  /** What the key of a member means. */
  #key(node: number): Key | 0 {
    const { words } = this.#tape;
    const at = node * NODE_WORDS;
    if ((words[at + Node.kind] & NodeFlag.keyEscaped) !== 0) return KEYS.get(this.#tape.key(node));
    return KEYS.find(this.#bytes, words[at + Node.keyStart], words[at + Node.keyEnd]);
  }

  /** A map of secrets; what is no map is a secret itself. */
  #map(node: number, isBase64: boolean, kind: SecretKind): void {
    if (this.#tape.kind(node) !== Kind.object) this.#hash(node, kind, isBase64);
    else for (const child of this.#items(node)) this.#hash(child, kind, isBase64);
  }

  #env(node: number, about: number, depth: number): void {
    const kind = this.#tape.kind(node);
    if (kind === Kind.object) this.#variable(node, about, depth);
    else if (kind === Kind.string) this.#words(node, about, depth);
    else if (kind === Kind.array)
      for (const child of this.#items(node)) this.#value(child, Place.variable, about, depth + 1);
  }

  /** `{name, value}`, or a map of names to values. */
  #variable(node: number, about: number, depth: number): void {
    const tape = this.#tape;
    const end = tape.next(node);
    let named = false;
    let credential = false;
    for (let child = node + 1; child < end; child = tape.next(child)) {
      if (this.#key(child) !== Key.name) continue;
      named = true;
      credential ||= isCredentialName(tape.text(child));
    }
    for (let child = node + 1; child < end; child = tape.next(child)) {
      const key = this.#key(child);
      const isContainer = tape.kind(child) === Kind.object || tape.kind(child) === Kind.array;
      if (key === Key.value && (credential || !named)) this.#hash(child, "env");
      else if (key === Key.name || isContainer) this.#value(child, placeOf(key, about), about, depth + 1);
      else if (key !== Key.value && isCredentialName(tape.key(child))) this.#hash(child, "env");
      else this.#value(child, Place.variableValue, about, depth + 1);
    }
  }

  /** A value that is, or holds, a credential by its shape. */
  #variableValue(node: number): void {
    const text = this.#tape.text(node);
    if (scrub(text, () => "") !== text) this.#hash(node, "env");
    else this.#replaceText(node, text, new CommandLine([text], this.#replace).next(text));
  }

  #words(node: number, about: number, depth: number): void {
    const tape = this.#tape;
    const kind = tape.kind(node);
    if (kind === Kind.object) {
      this.#object(node, about, depth);
      return;
    }
    const words = kind === Kind.array ? this.#items(node) : [node];
    const texts = words.map((word) => tape.text(word));
    const command = new CommandLine(texts, this.#replace);
    for (const [index, word] of words.entries()) {
      const isContainer = tape.kind(word) === Kind.object || tape.kind(word) === Kind.array;
      if (isContainer) this.#value(word, Place.plain, about, depth + 1);
      else this.#replaceText(word, texts[index], command.next(texts[index]));
    }
  }

  #items(node: number): number[] {
    const items: number[] = [];
    const end = this.#tape.next(node);
    for (let child = node + 1; child < end; child = this.#tape.next(child)) items.push(child);
    return items;
  }

  /** Each op of a JSON patch sets a value at a path: it is treated as if it stood there. */
  #patch(node: number, about: number): void {
    const tape = this.#tape;
    const end = tape.next(node);
    for (let op = node + 1; op < end; op = tape.next(op)) {
      const paths = this.#paths(op);
      if (paths.length === 0) this.#value(op, Place.plain, about, 1);
      else this.#op(op, paths.length === 1 ? placeOfPath(paths[0], about) : Place.secret, about);
    }
  }

  #paths(op: number): string[] {
    const tape = this.#tape;
    const paths: string[] = [];
    if (tape.kind(op) !== Kind.object) return paths;
    const end = tape.next(op);
    for (let child = op + 1; child < end; child = tape.next(child)) {
      if (this.#key(child) === Key.path && tape.kind(child) === Kind.string) paths.push(tape.text(child));
    }
    return paths;
  }

  #op(op: number, place: Place, about: number): void {
    const tape = this.#tape;
    const end = tape.next(op);
    for (let child = op + 1; child < end; child = tape.next(child)) {
      this.#value(child, this.#key(child) === Key.value ? place : Place.plain, about, 2);
    }
  }

  /** Any other string: JSON in it is a document of its own, and secrets are known by their shape. */
  #string(node: number, about: number): void {
    const { words } = this.#tape;
    const isEscaped = (words[node * NODE_WORDS + Node.kind] & NodeFlag.escaped) !== 0;
    const start = words[node * NODE_WORDS + Node.start] + 1;
    const end = words[node * NODE_WORDS + Node.end] - 1;
    const isHidden = isEscaped && hidesText(this.#bytes, start, end);
    const isJson = isEscaped && (isHidden || beginsJson(this.#bytes, start, end)) && this.#jsonString(node, about);
    if (isJson || !(isHidden || (this.document.found & Found.text) !== 0)) return;
    const text = this.#tape.text(node);
    this.#replaceText(node, text, scrub(text, this.#replace));
  }

  /** Redacts a string that holds JSON; false if it does not. */
  #jsonString(node: number, about: number): boolean {
    const text = this.#tape.text(node);
    const clean = this.#nested(text, about);
    if (clean !== undefined) this.#replaceText(node, text, clean);
    else if (this.#isBrokenObject(text)) this.#hash(node, "applied");
    else return false;
    return true;
  }

  /** JSON of an object that cannot be read as such (cut off, too deep), with a trace of a secret. */
  #isBrokenObject(text: string): boolean {
    return /^\s*(?:\{\s*"|\[\s*\{)/.test(text) && this.tools.search.trace(Buffer.from(text)).found !== Found.nothing;
  }

  #applied(node: number, about: number): void {
    const text = this.#tape.kind(node) === Kind.string ? this.#tape.text(node) : "";
    const clean = this.#nested(text, about);
    if (clean === undefined) this.#hash(node, "applied");
    else this.#replaceText(node, text, clean);
  }

  /** JSON text without its secrets, undefined if it is not the JSON of an object or array that can be walked. */
  #nested(text: string, about: number): string | undefined {
    if (!/^\s*[[{]/.test(text)) return undefined;
    const nested = (this.document.nested ?? 0) + 1;
    const bytes = Buffer.from(text);
    const opened = nested > MAX_NESTED ? undefined : this.tools.openTape(bytes, 0, bytes.length);
    if (opened === undefined) return undefined;
    const { found } = this.tools.search.lookAt(bytes);
    const edits = new Edits();
    const document = { tape: opened.tape, domain: this.#domain, found, patches: true, nested };
    try {
      new Walk(this.tools, document, edits).run(opened.root, about);
    } catch (error) {
      if (error instanceof Unreadable) return undefined;
      throw error;
    }
    return edits.length === 0 ? text : edits.apply(bytes);
  }

  /** Replaces a value by its hash; null and "" hold nothing. */
  #hash(node: number, kind: SecretKind, isBase64 = false): void {
    const tape = this.#tape;
    const start = tape.start(node);
    const end = tape.end(node);
    if (tape.kind(node) === Kind.null) return;
    if (tape.kind(node) !== Kind.string) {
      this.edits.add(start, end, JSON.stringify(this.#replace(this.#bytes.subarray(start, end), kind)));
    } else if (end - start > 2) {
      const text = tape.text(node);
      this.edits.add(start, end, JSON.stringify(this.#replace(isBase64 ? decodeBase64(text) : text, kind)));
    }
  }

  #replaceText(node: number, text: string, clean: string): void {
    if (clean !== text) this.edits.add(this.#tape.start(node), this.#tape.end(node), JSON.stringify(clean));
  }

  readonly #replace: Replace = (secret, kind) => {
    this.tools.count(kind);
    return this.tools.hasher.hash(this.#domain, secret);
  };
}

const BACKSLASH = 0x5c;
const DASH = 0x2d;

function secretKind(about: number): SecretKind {
  if (about & About.secret) return "secret";
  if (about & About.token) return "token";
  if (about & About.certificate) return "certificate";
  return about & About.configMap ? "configmap" : "env";
}

/** Where the member `key` of an object stands. */
function placeOf(key: Key | 0, about: number): Place {
  switch (key) {
    case Key.data:
      if (about & About.secret) return Place.base64Map;
      return about & About.configMap ? Place.secretMap : Place.plain;
    case Key.stringData:
      return about & About.secret ? Place.secretMap : Place.plain;
    case Key.binaryData:
      return about & About.configMap ? Place.base64Map : Place.plain;
    case Key.env:
      return Place.env;
    case Key.words:
      return Place.words;
    case Key.applied:
      return Place.applied;
    case Key.token:
      return about & About.token ? Place.secret : Place.plain;
    case Key.certificate:
      return about & About.certificate ? Place.base64 : Place.plain;
    default:
      return Place.plain;
  }
}

/** Where the path of a JSON patch (RFC 6901, `~1` is `/`, `~0` is `~`) leads. */
function placeOfPath(path: string, about: number): Place {
  let place = Place.plain;
  for (const escaped of path.split("/").slice(1)) {
    const segment = escaped.replaceAll("~1", "/").replaceAll("~0", "~");
    place = placeBelow(place, segment, about);
  }
  return place;
}

function placeBelow(place: Place, segment: string, about: number): Place {
  switch (place) {
    case Place.base64Map:
      return Place.base64;
    case Place.secretMap:
      return Place.secret;
    case Place.env:
      if (/^(?:\d+|-)$/.test(segment)) return Place.variable;
      return isCredentialName(segment) ? Place.secret : Place.variableValue;
    case Place.variable:
      // The name is elsewhere, so the value may be a credential's.
      return segment === "value" ? Place.secret : Place.plain;
    case Place.words:
      return Place.word;
    case Place.plain:
      return placeOf(KEYS.get(segment), about);
    default:
      return place;
  }
}
