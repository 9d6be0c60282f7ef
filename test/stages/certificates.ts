/** Certificate requests, made by hand. */

const der = (tag: number, ...parts: Buffer[]): Buffer => {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head =
    length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from(head), content]);
};
const text = (tag: number, value: string) => der(tag, Buffer.from(value));
const oid = (hex: string) => der(0x06, Buffer.from(hex, "hex"));
const sequence = (...parts: Buffer[]) => der(0x30, ...parts);
const set = (...parts: Buffer[]) => der(0x31, ...parts);

const part = (id: string, value: string) => set(sequence(oid(id), text(0x0c, value)));
/** O=dev,CN=jane */
const SUBJECT = sequence(part("55040a", "dev"), part("550403", "jane"));
const KEY = sequence(sequence(oid("2a8648ce3d0201")), der(0x03, Buffer.from("0004aabb", "hex")));
const SIGNATURE = der(0x03, Buffer.from("00ccdd", "hex"));

/** The extensions asked for: DNS:a.shop, IP:10.0.0.1. */
export const NAMES = sequence(
  oid("2a864886f70d01090e"),
  set(
    sequence(sequence(oid("551d11"), der(0x04, sequence(text(0x82, "a.shop"), der(0x87, Buffer.from([10, 0, 0, 1])))))),
  ),
);
/** A challenge password. */
export const CHALLENGE = sequence(oid("2a864886f70d010907"), set(text(0x0c, "planted")));

/** In PEM. */
export function certificateRequest(attributes: readonly Buffer[] = [NAMES], trailing = ""): string {
  const info = sequence(der(0x02, Buffer.from([0])), SUBJECT, KEY, der(0xa0, ...attributes));
  const bytes = sequence(info, sequence(oid("2a8648ce3d040302")), SIGNATURE);
  const lines = bytes.toString("base64").replace(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN CERTIFICATE REQUEST-----\n${lines}\n-----END CERTIFICATE REQUEST-----\n${trailing}`;
}
