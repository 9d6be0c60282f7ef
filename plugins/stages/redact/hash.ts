import { createHash, hash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AuditshipError, type StageHost } from "../../../src/plugin/index.js";

/** Whether equal values have equal hashes within a namespace only, or everywhere. */
export type Scope = "namespace" | "cluster";

/** Shorter keys are refused, because they could be guessed. */
const MIN_KEY_BYTES = 16;
/** 128 bits in base64url. */
const HASH_CHARS = 22;
const KEY_ID_CHARS = 8;
const MAX_KEPT = 1024;
const MAX_KEPT_LENGTH = 256;

/** Replaces secrets by text that is equal for equal values and reveals nothing else: `hmac:<key id>:<22 characters>`. */
export class Hasher {
  readonly #inner: Uint8Array;
  readonly #outer: Uint8Array;
  readonly #scope: Scope;
  readonly #prefix: string;
  /** Recent hashes, by what was hashed: a pod's variables come again with each of its events. */
  readonly #kept = new Map<string, string>();

  constructor(key: Buffer, scope: Scope) {
    const block = Buffer.alloc(64);
    block.set(key.length > block.length ? sha256(key) : key);
    this.#inner = block.map((byte) => byte ^ 0x36);
    this.#outer = block.map((byte) => byte ^ 0x5c);
    this.#scope = scope;
    this.#prefix = `hmac:${createHash("sha256").update("auditship key id\0").update(key).digest("base64url").slice(0, KEY_ID_CHARS)}:`;
  }

  /**
   * The hash of a value's bytes: HMAC-SHA256 over `<length of domain>:<domain>:<value>`, so that no two pairs of domain and value
   * are hashed as the same text. Under scope `cluster` the domain is empty.
   */
  hash(domain: string, value: Uint8Array | string): string {
    const separated = this.#scope === "cluster" ? "" : domain;
    if (typeof value !== "string" || value.length > MAX_KEPT_LENGTH) return this.#digest(separated, value);
    if (this.#kept.size === MAX_KEPT) this.#kept.clear();
    const key = `${separated.length}:${separated}:${value}`;
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const made = this.#digest(separated, value);
    this.#kept.set(key, made);
    return made;
  }

  /** A pseudonym for an address. It is a unique local IPv6 address (`fd00::/8`), so that it is valid wherever addresses are expected. */
  address(value: string): string {
    const digits = `fd${this.#mac("/ip", value).toString("hex").slice(0, 30)}`;
    return digits.match(/.{4}/g)!.join(":");
  }

  #digest(separated: string, value: Uint8Array | string): string {
    return this.#prefix + this.#mac(separated, value).toString("base64url").slice(0, HASH_CHARS);
  }

  /** HMAC as defined by RFC 2104, made of two one-call hashes: for short values, Node's HMAC object takes several times as long. */
  #mac(separated: string, value: Uint8Array | string): Buffer {
    const head = Buffer.from(`${separated.length}:${separated}:`);
    const inner = sha256(Buffer.concat([this.#inner, head, typeof value === "string" ? Buffer.from(value) : value]));
    return sha256(Buffer.concat([this.#outer, inner]));
  }
}

/** A key file that may be replaced at run time. */
export class KeyFile {
  #version: string;
  #key: Buffer;

  constructor(private readonly file: string) {
    this.#version = this.#look();
    this.#key = readKey(file);
  }

  get key(): Buffer {
    return this.#key;
  }

  /**
   * Reads the key again if the file has changed; true if the key is a new one. Throws like {@link readKey}, and then keeps the old
   * key.
   */
  refresh(): boolean {
    const version = this.#look();
    if (version === this.#version) return false;
    this.#version = version;
    const key = readKey(this.file);
    const isNew = !key.equals(this.#key);
    this.#key = key;
    return isNew;
  }

  #look(): string {
    const found = statSync(this.file, { throwIfNoEntry: false });
    return found ? `${found.dev}:${found.ino}:${found.mtimeMs}:${found.size}` : "";
  }
}

const sha256 = (bytes: Uint8Array): Buffer => hash("sha256", bytes, "buffer");

/** The key in a file, without trailing newlines, which editors add. */
function readKey(file: string): Buffer {
  let key: Buffer;
  try {
    key = readFileSync(file);
  } catch (cause) {
    throw new AuditshipError(
      "AUDITSHIP_CONFIG_VALUE",
      `redact: the key file ${file} cannot be read: ${(cause as Error).message}. Mount a Secret with ${MIN_KEY_BYTES} or more random bytes there.`,
      {},
      { cause },
    );
  }
  let { length } = key;
  while (length > 0 && (key[length - 1] === 0x0a || key[length - 1] === 0x0d)) length--;
  if (length >= MIN_KEY_BYTES) return key.subarray(0, length);
  throw new AuditshipError(
    "AUDITSHIP_CONFIG_VALUE",
    `redact: the key in ${file} is ${length} bytes long; give at least ${MIN_KEY_BYTES} random bytes.`,
  );
}

/** The key of this node, which it makes when it first needs one. */
export function ownKey(host: Pick<StageHost, "stateDirectory" | "log">): Buffer {
  const file = join(host.stateDirectory(), "hash.key");
  host.log.warn(
    { file },
    "redact has no hash.keyFile: its hashes are keyed for this node only, values of different nodes cannot be joined",
  );
  if (!existsSync(file)) {
    try {
      // Written under another name first, so that a crash cannot leave half a key.
      writeFileSync(`${file}.tmp`, randomBytes(32).toString("base64url"), { mode: 0o600, flush: true });
      renameSync(`${file}.tmp`, file);
    } catch (cause) {
      throw new AuditshipError(
        "AUDITSHIP_STATE_WRITE",
        `redact: the hash key ${file} cannot be written: ${(cause as Error).message}.`,
        {},
        { cause },
      );
    }
  }
  return readKey(file);
}
