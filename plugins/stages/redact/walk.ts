import { Kind, MINUS, NODE_WORDS, Node, NodeFlag, type OpenTape, type Tape } from "../../../src/plugin/index.js";
import { About, isSensitive, KIND_STARTS, KINDS, MAPS, secretKind } from "./about.js";
import { isCertificateChain, type Requested, readRequest } from "./certificate-request.js";
import { CommandLine, scrubAddress } from "./command.js";
import { Edits } from "./edits.js";
import { beginsJson, hidesText } from "./escapes.js";
import type { Hasher } from "./hash.js";
import { isHarmlessAnnotation, isHarmlessExtraName } from "./kept.js";
import { scrubMessage } from "./messages.js";
import { IS_MEMBER, KEYS, Key, Place, placeInMetadata, placeOf, placeOfPath, REGISTRY_CREDENTIALS } from "./places.js";
import type { ResourceRules } from "./rules.js";
import { Found, type Search } from "./search.js";
import type { SpotKind } from "./spots.js";
import { decodeBase64, type Replace, type SecretKind, scrub, scrubShapes } from "./text.js";

/** The body cannot be walked safely. The message is a reason for metrics. */
export class Unreadable extends Error {}

/** Deeper objects, which do not occur in practice, are not walked. */
const MAX_DEPTH = 512;
/** Deepest nesting of JSON within strings; what is deeper is hashed whole. */
const MAX_NESTED = 4;

/** What all walks of a stage share. */
export interface Tools {
  readonly hasher: Hasher;
  readonly search: Search;
  readonly openTape: OpenTape;
  /** Whether ConfigMaps are redacted like Secrets. */
  readonly configMaps: boolean;
  /** Counts a replaced value. */
  count(kind: SecretKind): void;
  /** Receives what a certificate request asks for. */
  requested(request: Requested): void;
}

/** What a walk knows about its document. */
export interface Document {
  readonly tape: Tape;
  /** The hash domain of the document; see {@link Hasher.hash}. */
  readonly domain: string;
  /** Objects with a metadata.namespace have that as their domain. */
  readonly ownDomains?: boolean;
  /** Bits of {@link Found}. */
  readonly found: number;
  /** An array may be a JSON patch. */
  readonly patches: boolean;
  /** How many strings the document is nested in. */
  readonly nested?: number;
  /** It is not a body: its strings contain no documents. */
  readonly envelope?: boolean;
  /** Documents in strings are hashed whole. */
  readonly strict?: boolean;
  /** The configured rules for its resource. */
  readonly rules?: ResourceRules;
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
    this.document.rules?.apply(this.#tape, root, this.edits, this.#replace);
    const kind = this.#tape.kind(root);
    if (kind === Kind.string && (about & MAPS) !== 0) {
      // A Secret that is not an object, and cannot be read as one.
      if (!this.#jsonString(root, about)) this.#hash(root, secretKind(about));
    } else if (kind === Kind.array && this.document.patches) this.#patch(root, about);
    else this.#value(root, Place.plain, about, 0);
  }

  /** Walks the value of a spot. Throws {@link Unreadable}. */
  runSpot(root: number, kind: SpotKind): void {
    if (kind !== "command" || this.#tape.kind(root) !== Kind.array)
      this.#value(root, SPOT_PLACES[kind], About.nothing, 0);
    else if (this.#line(this.#items(root), About.nothing, 0)) throw new Unreadable("goes on in args");
  }

  /**
   * Looks for secrets recognisable by their shape in all strings below a node, whatever the structure.
   * @param json whether a string may hold JSON, which is then walked as a document of its own
   * @param about what such a document is about
   */
  runStrings(root: number, json: boolean, about: number): void {
    const tape = this.#tape;
    const end = tape.next(root);
    for (let node = root; node < end; node++) {
      if (tape.kind(node) !== Kind.string) continue;
      const text = tape.text(node);
      if (json && this.document.strict && BEGINS_JSON.test(text)) {
        this.#hash(node, "body");
        continue;
      }
      const clean = json ? this.#nested(text, about) : undefined;
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
      case Place.words:
        this.#words(node, about, depth);
        break;
      case Place.word:
        if (this.#bytes[this.#tape.start(node) + 1] === MINUS) this.#words(node, about, depth);
        else this.#hash(node, "argument");
        break;
      case Place.applied:
        this.#applied(node, about);
        break;
      case Place.metadata:
        this.#metadata(node, about, depth);
        break;
      case Place.annotations:
        this.#annotations(node, about, depth);
        break;
      case Place.message:
        this.#message(node, about);
        break;
      case Place.extra:
        this.#extra(node);
        break;
      case Place.registries:
      case Place.registry:
        this.#registries(node, place, about, depth);
        break;
      case Place.clientConfig:
        this.#clientConfig(node, about, depth);
        break;
      case Place.url:
        this.#url(node);
        break;
      case Place.cells:
        this.#cells(node, about);
        break;
      case Place.request:
      case Place.certificate:
        this.#certificate(node, place === Place.request);
        break;
      case Place.patch:
        if (kind === Kind.array) this.#patch(node, about);
        else this.#plain(node, about, depth);
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
    let own: number = About.nothing;
    let hasKind = false;
    let holdsObjects = false;
    let holdsData = false;
    let hasMetadata = false;
    let command = -1;
    let args = -1;
    // Every occurrence of a duplicate key counts.
    for (let child = node + 1; child < end; child = tape.next(child)) {
      const key = this.#key(child);
      if (key === Key.kind) {
        own |= this.#about(child);
        hasKind = true;
      } else if (key === Key.metadata) {
        hasMetadata = true;
        if (this.document.ownDomains) this.#domain = this.#namespace(child) ?? this.#domain;
      } else if (key === Key.container) holdsObjects = true;
      else if (key === Key.command) command = child;
      else if (key === Key.args) args = child;
      else if (key === Key.data || key === Key.stringData) holdsData = true;
    }
    const about = inherited | own;
    const namesMaps = (own & MAPS) !== 0;
    const isBody = depth === 0 && this.document.nested === undefined && !this.document.envelope;
    // An object with only a kind and a name is a reference.
    const isWhole = holdsData || (isBody && (namesMaps || !hasKind)) || (hasMetadata && namesMaps);
    const isOne = namesMaps && (own & About.list) === 0;
    const isSecret = isWhole && (about & MAPS) !== 0 && (isOne || !holdsObjects);
    const isLine = this.#isList(command) && this.#isList(args);
    for (let child = node + 1; child < end; child = tape.next(child)) {
      const key = this.#key(child);
      if (isSecret && !IS_MEMBER.has(key) && !tape.key(child).startsWith("$")) this.#hash(child, secretKind(about));
      else if (isLine && child === args) this.#line([...this.#items(command), ...this.#items(args)], about, depth + 1);
      else if (isLine && child === command) continue;
      else this.#value(child, placeOf(key, about), about, depth + 1);
    }
    this.#domain = outerDomain;
  }

  #isList(node: number): boolean {
    return node >= 0 && this.#tape.kind(node) === Kind.array;
  }

  #about(node: number): number {
    const tape = this.#tape;
    if (!KIND_STARTS.has(this.#bytes[tape.start(node) + 1])) return About.nothing;
    const about = KINDS.get(tape.text(node)) ?? About.nothing;
    return this.tools.configMaps ? about : about & ~About.configMap;
  }

  #namespace(metadata: number): string | undefined {
    const namespace = this.#tape.member(metadata, "namespace");
    if (namespace < 0 || this.#tape.kind(namespace) !== Kind.string) return undefined;
    return this.#tape.text(namespace) || undefined;
  }

  /** The meaning of a member's key. */
  #key(node: number): Key | 0 {
    const { words } = this.#tape;
    const at = node * NODE_WORDS;
    if ((words[at + Node.kind] & NodeFlag.keyEscaped) !== 0) return KEYS.get(this.#tape.key(node));
    return KEYS.find(this.#bytes, words[at + Node.keyStart], words[at + Node.keyEnd]);
  }

  /** Hashes the values of a map of secrets; anything but a map is a secret itself. */
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

  /** `{name, value}`, or a map from names to values, or to further maps of variables. */
  #variable(node: number, about: number, depth: number): void {
    const tape = this.#tape;
    const end = tape.next(node);
    let named = false;
    for (let child = node + 1; child < end; child = tape.next(child)) named ||= this.#key(child) === Key.name;
    for (let child = node + 1; child < end; child = tape.next(child)) {
      const key = this.#key(child);
      const isContainer = tape.kind(child) === Kind.object || tape.kind(child) === Kind.array;
      if (key === Key.value) this.#hash(child, "env");
      else if (key === Key.name || (isContainer && (named || IS_REFERENCE.test(tape.key(child)))))
        this.#value(child, placeOf(key, about), about, depth + 1);
      else if (isContainer) this.#value(child, Place.env, about, depth + 1);
      else if (named && tape.key(child).startsWith("$")) this.#plain(child, about, depth);
      else this.#hash(child, "env");
    }
  }

  #metadata(node: number, about: number, depth: number): void {
    if (this.#tape.kind(node) !== Kind.object) this.#hash(node, secretKind(about));
    else
      for (const child of this.#items(node))
        this.#value(child, placeInMetadata(this.#tape.key(child), about), about, depth + 1);
  }

  #annotations(node: number, about: number, depth: number): void {
    if (this.#tape.kind(node) !== Kind.object) {
      this.#hash(node, "annotation");
      return;
    }
    for (const child of this.#items(node)) {
      if (this.#key(child) === Key.applied) this.#applied(child, about);
      else if (isHarmlessAnnotation(this.#tape.key(child))) this.#plain(child, about, depth + 1);
      else this.#hash(child, "annotation");
    }
  }

  #message(node: number, about: number): void {
    if (this.#tape.kind(node) !== Kind.string || isSensitive(about)) {
      this.#hash(node, "message");
      return;
    }
    const text = this.#tape.text(node);
    this.#replaceText(node, text, scrubMessage(text, this.#replace));
  }

  #extra(node: number): void {
    if (this.#tape.kind(node) !== Kind.object) this.#hash(node, "extra");
    else
      for (const child of this.#items(node)) {
        if (isHarmlessExtraName(this.#tape.key(child))) this.#plain(child, About.nothing, 0);
        else if (this.#tape.kind(child) === Kind.array)
          for (const item of this.#items(child)) this.#hash(item, "extra");
        else this.#hash(child, "extra");
      }
  }

  /** @param place whether the node is the map of all registries, or one registry */
  #registries(node: number, place: Place.registries | Place.registry, about: number, depth: number): void {
    if (this.#tape.kind(node) !== Kind.object) this.#plain(node, about, depth);
    else
      for (const child of this.#items(node)) {
        if (place === Place.registries) this.#value(child, Place.registry, about, depth + 1);
        else if (REGISTRY_CREDENTIALS.has(this.#tape.key(child))) this.#hash(child, "secret");
        else this.#plain(child, about, depth + 1);
      }
  }

  #clientConfig(node: number, about: number, depth: number): void {
    if (this.#tape.kind(node) !== Kind.object) this.#plain(node, about, depth);
    else
      for (const child of this.#items(node)) {
        const place = this.#key(child) === Key.url ? Place.url : Place.plain;
        this.#value(child, place, about, depth + 1);
      }
  }

  #url(node: number): void {
    const text = this.#tape.text(node);
    this.#replaceText(node, text, scrubAddress(text, this.#replace));
  }

  /** Hashes a table's cells except the name, the type, numbers and ages. */
  #cells(node: number, about: number): void {
    for (const [index, cell] of this.#items(node).entries()) {
      const isText = this.#tape.kind(cell) === Kind.string;
      if (index < (about & About.secret ? 2 : 1)) this.#plain(cell, about, 0);
      else if (this.#tape.kind(cell) !== Kind.number && !(isText && AGE.test(this.#tape.text(cell))))
        this.#hash(cell, secretKind(about));
    }
  }

  #certificate(node: number, isRequest: boolean): void {
    const text = this.#tape.kind(node) === Kind.string ? this.#tape.text(node) : "";
    const request = isRequest ? readRequest(text) : undefined;
    if (request) this.tools.requested(request);
    else if (isRequest || !isCertificateChain(text)) this.#hash(node, "certificate", true);
  }

  #words(node: number, about: number, depth: number): void {
    const kind = this.#tape.kind(node);
    if (kind === Kind.object) this.#object(node, about, depth);
    else this.#line(kind === Kind.array ? this.#items(node) : [node], about, depth);
  }

  /** Redacts the words of a command line. True if they affect how further words are read. */
  #line(words: readonly number[], about: number, depth: number): boolean {
    const tape = this.#tape;
    const line = new CommandLine(this.#replace);
    for (const word of words) {
      const isContainer = tape.kind(word) === Kind.object || tape.kind(word) === Kind.array;
      const text = isContainer ? "" : tape.text(word);
      if (isContainer) this.#value(word, Place.plain, about, depth + 1);
      else this.#replaceText(word, text, line.next(text));
    }
    return line.isOpen;
  }

  #items(node: number): number[] {
    const items: number[] = [];
    const end = this.#tape.next(node);
    for (let child = node + 1; child < end; child = this.#tape.next(child)) items.push(child);
    return items;
  }

  /** Each operation of a JSON patch sets a value at a path, and is treated as if the value were there. */
  #patch(node: number, about: number): void {
    const tape = this.#tape;
    const end = tape.next(node);
    for (let op = node + 1; op < end; op = tape.next(op)) {
      const paths = this.#paths(op);
      if (paths.length === 1) this.#op(op, placeOfPath(paths[0], about), about, paths[0] === "" ? 0 : 2);
      else if (paths.length > 1 || (about & MAPS) !== 0) this.#op(op, Place.secret, about, 2);
      else this.#value(op, Place.plain, about, 1);
    }
  }

  /** The paths at which an operation sets its value; empty if it has no value, like other objects with a `path`. */
  #paths(op: number): string[] {
    const tape = this.#tape;
    const paths: string[] = [];
    let hasValue = false;
    if (tape.kind(op) !== Kind.object) return paths;
    const end = tape.next(op);
    for (let child = op + 1; child < end; child = tape.next(child)) {
      const key = this.#key(child);
      hasValue ||= key === Key.value;
      if (key === Key.path && tape.kind(child) === Kind.string) paths.push(tape.text(child));
    }
    return hasValue ? paths : [];
  }

  /** @param depth of the value in the patched object, as far as it is known */
  #op(op: number, place: Place, about: number, depth: number): void {
    if (this.#tape.kind(op) !== Kind.object) {
      // A list in a string need not be a patch.
      this.#value(op, this.document.nested === undefined ? place : Place.plain, about, 1);
      return;
    }
    for (const child of this.#items(op)) {
      const key = this.#key(child);
      // Any other member of a Secret's patch may be a secret.
      const isKnown = key === Key.op || key === Key.path || (about & MAPS) === 0;
      if (key === Key.value) this.#value(child, place, about, depth);
      else this.#value(child, isKnown ? placeOf(key, about) : Place.secret, about, 2);
    }
  }

  /** Redacts any other string: JSON in it is a document of its own, and secrets are recognised by their shape. */
  #string(node: number, about: number): void {
    if (this.document.envelope) {
      const text = this.#tape.text(node);
      this.#replaceText(node, text, scrubShapes(text, this.#replace));
      return;
    }
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

  /** Redacts a string that contains JSON; false if it does not. */
  #jsonString(node: number, about: number): boolean {
    const text = this.#tape.text(node);
    const clean = this.#nested(text, about);
    if (clean !== undefined) this.#replaceText(node, text, clean);
    else if (this.#isBrokenObject(text)) this.#hash(node, "applied");
    else return false;
    return true;
  }

  /** Whether this is the JSON of an object that cannot be parsed (cut off, too deep) and has a trace of a secret. */
  #isBrokenObject(text: string): boolean {
    return /^\s*(?:\{\s*"|\[\s*\{)/.test(text) && this.tools.search.trace(Buffer.from(text)).found !== Found.nothing;
  }

  #applied(node: number, about: number): void {
    const text = this.#tape.kind(node) === Kind.string ? this.#tape.text(node) : "";
    const clean = this.#nested(text, about);
    if (clean === undefined) this.#hash(node, "applied");
    else this.#replaceText(node, text, clean);
  }

  /** JSON text without its secrets; undefined if it is not the JSON of an object or array that can be walked. */
  #nested(text: string, about: number): string | undefined {
    if (!BEGINS_JSON.test(text)) return undefined;
    const nested = (this.document.nested ?? 0) + 1;
    const bytes = Buffer.from(text);
    const opened = nested > MAX_NESTED ? undefined : this.tools.openTape(bytes, 0, bytes.length);
    if (opened === undefined) return undefined;
    const { found } = this.tools.search.lookAt(bytes);
    const edits = new Edits();
    const { rules } = this.document;
    const document = { tape: opened.tape, domain: this.#domain, found, patches: true, nested, rules };
    try {
      new Walk(this.tools, document, edits).run(opened.root, about);
    } catch (error) {
      if (error instanceof Unreadable) return undefined;
      throw error;
    }
    return edits.length === 0 ? text : edits.apply(bytes);
  }

  /** Replaces a value by its hash. Null and "" have nothing to hide. */
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

const SPOT_PLACES = { env: Place.env, command: Place.words, args: Place.words, text: Place.plain };
/** Names of a variable's members that say where its value comes from. */
const IS_REFERENCE = /^valueFrom$|Ref$/;
const BEGINS_JSON = /^\s*[[{]/;

const AGE = /^(?:(?:\d+[smhdy])+|<\w+>)$/;
