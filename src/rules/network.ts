import { BlockList, isIP } from "node:net";

/** An IP network in CIDR notation; a single address is a network of one. */
export interface Network {
  readonly address: string;
  readonly bits: number;
  readonly family: "ipv4" | "ipv6";
}

/** Undefined if the text is not a network. */
export function parseNetwork(text: string): Network | undefined {
  const [, address = "", bits] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  if (version === 0) return undefined;
  const most = version === 4 ? 32 : 128;
  const count = bits === undefined ? most : Number(bits);
  return count > most ? undefined : { address, bits: count, family: version === 4 ? "ipv4" : "ipv6" };
}

/** Makes a test of whether a text is an address in the network. An IPv4 address also counts in its IPv6 form (`::ffff:10.0.0.1`). */
export function addressIn(text: string): (address: string) => boolean {
  const network = parseNetwork(text);
  if (network === undefined) throw new Error(`${text} is no IP network`);
  const list = new BlockList();
  list.addSubnet(network.address, network.bits, network.family);
  return (address) => {
    const version = address.includes("%") ? 0 : isIP(address);
    return version !== 0 && list.check(address, version === 4 ? "ipv4" : "ipv6");
  };
}
