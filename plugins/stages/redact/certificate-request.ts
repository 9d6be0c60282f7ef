import { X509Certificate } from "node:crypto";

/** For whom a certificate is requested. */
export interface Requested {
  /** As in RFC 4514, but in the order of the request: `O=system:nodes,CN=system:node:a`. */
  readonly subject: string;
  /** Subject alternative names: `DNS:a`, `IP:10.0.0.1`, `email:a@b`, `URI:spiffe://a`. */
  readonly names: readonly string[];
}

/**
 * Reads a PKCS #10 request (RFC 2986) in base64 of PEM, as a CertificateSigningRequest holds it. Undefined if it contains anything
 * that may hide something: bytes around it, attributes other than requested extensions (a challenge password, say), or unknown
 * extensions.
 */
export function readRequest(base64: string): Requested | undefined {
  const pem = PEM.exec(strictBase64(base64)?.toString("latin1") ?? "");
  const bytes = pem && strictBase64(pem[1].replaceAll("\n", ""));
  try {
    return bytes ? requested(bytes) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a text is base64 of PEM certificates and nothing else. */
export function isCertificateChain(base64: string): boolean {
  const text = strictBase64(base64)?.toString("latin1") ?? "";
  const blocks = text.match(CERTIFICATE) ?? [];
  return blocks.length > 0 && blocks.join("").length === text.replace(/\n+$/, "").length && blocks.every(isCertificate);
}

const PEM =
  /^-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----\n([A-Za-z0-9+/=\n]+)-----END (?:NEW )?CERTIFICATE REQUEST-----\n*$/;
const CERTIFICATE = /\n*-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----/g;

function isCertificate(pem: string): boolean {
  try {
    const bytes = strictBase64(pem.replace(/-----[^-]+-----|\n/g, ""));
    return bytes !== undefined && new X509Certificate(pem.trim()).raw.equals(bytes);
  } catch {
    return false;
  }
}

function strictBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.length > 0 && bytes.toString("base64") === text ? bytes : undefined;
}

enum Tag {
  integer = 0x02,
  bitString = 0x03,
  octetString = 0x04,
  objectId = 0x06,
  sequence = 0x30,
  set = 0x31,
  attributes = 0xa0,
}

interface Element {
  readonly tag: number;
  readonly content: Buffer;
}

const EXTENSION_REQUEST = "1.2.840.113549.1.9.14";
const ALTERNATIVE_NAMES = "2.5.29.17";
/** Key usage, basic constraints and extended key usage, with their largest size in bytes. */
const SHORT_EXTENSIONS = new Map([
  ["2.5.29.15", 4],
  ["2.5.29.19", 8],
  ["2.5.29.37", 64],
]);
const ATTRIBUTE_NAMES = new Map([
  ["2.5.4.3", "CN"],
  ["2.5.4.5", "SERIALNUMBER"],
  ["2.5.4.6", "C"],
  ["2.5.4.7", "L"],
  ["2.5.4.8", "ST"],
  ["2.5.4.10", "O"],
  ["2.5.4.11", "OU"],
  ["0.9.2342.19200300.100.1.25", "DC"],
]);
const NAME_KINDS = new Map([
  [0x81, "email"],
  [0x82, "DNS"],
  [0x86, "URI"],
  [0x87, "IP"],
]);

class Malformed extends Error {}

function requested(bytes: Buffer): Requested {
  const [request] = elements(bytes, [Tag.sequence]);
  const [info] = elements(request.content, [Tag.sequence, Tag.sequence, Tag.bitString]);
  const [version, subject, , attributes] = elements(info.content, [
    Tag.integer,
    Tag.sequence,
    Tag.sequence,
    Tag.attributes,
  ]);
  if (version.content.length !== 1) throw new Malformed();
  return { subject: nameText(subject.content), names: elements(attributes.content).flatMap(alternativeNames) };
}

/** The ASN.1 elements in some bytes. Throws if they are malformed or have other tags than expected. */
function elements(bytes: Buffer, tags?: readonly Tag[]): Element[] {
  const found: Element[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at++];
    let length = bytes[at++];
    if (length > 0x80 && length <= 0x83) {
      const digits = length - 0x80;
      length = bytes.readUIntBE(at, digits);
      at += digits;
    } else if (!(length < 0x80)) throw new Malformed();
    if (at + length > bytes.length) throw new Malformed();
    found.push({ tag, content: bytes.subarray(at, at + length) });
    at += length;
  }
  if (tags && (tags.length !== found.length || tags.some((tag, i) => tag !== found[i].tag))) throw new Malformed();
  return found;
}

/** The text of a Name, which is a sequence of sets of attributes. */
function nameText(bytes: Buffer): string {
  const parts = elements(bytes).flatMap((set) => elements(set.content));
  return parts
    .map((part) => {
      const [type, value] = elements(part.content);
      const name = ATTRIBUTE_NAMES.get(objectId(type));
      if (name === undefined) throw new Malformed();
      return `${name}=${value.content.toString("utf8").replace(/[,\\+"<>;=]/g, "\\$&")}`;
    })
    .join(",");
}

function alternativeNames(attribute: Element): string[] {
  const [type, values] = elements(attribute.content, [Tag.objectId, Tag.set]);
  if (objectId(type) !== EXTENSION_REQUEST) throw new Malformed();
  const [extensions] = elements(values.content, [Tag.sequence]);
  return elements(extensions.content).flatMap((extension) => {
    const parts = elements(extension.content);
    const id = objectId(parts[0]);
    const value = parts[parts.length - 1];
    if (value.tag !== Tag.octetString || parts.length > 3) throw new Malformed();
    if (id !== ALTERNATIVE_NAMES) {
      if (value.content.length > (SHORT_EXTENSIONS.get(id) ?? -1)) throw new Malformed();
      return [];
    }
    return elements(elements(value.content, [Tag.sequence])[0].content).map(alternativeName);
  });
}

function alternativeName({ tag, content }: Element): string {
  const kind = NAME_KINDS.get(tag);
  if (kind === undefined) throw new Malformed();
  return `${kind}:${kind === "IP" ? addressText(content) : content.toString("utf8")}`;
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) throw new Malformed();
  return new URL(`http://[${bytes.toString("hex").match(/.{4}/g)!.join(":")}]`).hostname.slice(1, -1);
}

/** An object identifier as text. */
function objectId({ tag, content }: Element): string {
  if (tag !== Tag.objectId || content.length === 0) throw new Malformed();
  const numbers: number[] = [];
  let value = 0;
  for (const byte of content) {
    value = value * 128 + (byte & 0x7f);
    if (byte & 0x80) continue;
    numbers.push(value);
    value = 0;
  }
  const first = Math.min(2, Math.floor(numbers[0] / 40));
  return [first, numbers[0] - 40 * first, ...numbers.slice(1)].join(".");
}
