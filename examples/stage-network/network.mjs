import { BlockList, isIP } from "node:net";

const PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "fe80::/10", "::1/128"];

/** So many address lists are remembered; then all are forgotten, so that clients cannot fill the memory. */
const REMEMBERED = 10_000;

/**
 * Says of each event whether its request came from inside: `"network": "internal"` or `"external"`.
 * @type {import("auditship/plugin").StagePlugin}
 */
export default {
  kind: "stage",
  name: "network",
  annotates: ["network"],

  options: (zod) =>
    zod.strictObject({
      internal: zod
        .array(zod.string().refine(isNetwork, "expected a network such as 10.0.0.0/8 or fc00::/7"))
        .default(PRIVATE)
        .describe("Networks (CIDR) whose addresses are internal. Default: the private and local ones."),
    }),

  create(options, host) {
    const internal = blockList(options.internal);
    const sourceIPs = host.field("sourceIPs");
    /** @type {Map<string, string | undefined>} */
    const known = new Map();

    /** @param {string} addresses the field's JSON text */
    const networkOf = (addresses) => {
      if (known.has(addresses)) return known.get(addresses);
      if (known.size >= REMEMBERED) known.clear();
      const network = classify(addresses, internal);
      known.set(addresses, network);
      return network;
    };

    return {
      run(batch) {
        for (let row = 0; row < batch.count; row++) {
          const addresses = batch.at(row).text(sourceIPs);
          const network = addresses && networkOf(addresses);
          if (network) batch.annotate(row, "network", network);
        }
      },
    };
  },
};

/** The last address is the one that kube-apiserver saw; those before it are what the client's headers claim. */
function classify(addresses, internal) {
  const address = /"([^"\\]+)"\s*\]$/.exec(addresses)?.[1] ?? "";
  const family = isIP(address);
  if (family === 0) return undefined;
  return internal.check(address, `ipv${family}`) ? "internal" : "external";
}

function isNetwork(text) {
  const [address, bits, ...rest] = text.split("/");
  const most = { 4: 32, 6: 128 }[isIP(address)];
  return most !== undefined && rest.length === 0 && /^\d{1,3}$/.test(bits ?? "") && Number(bits) <= most;
}

function blockList(networks) {
  const list = new BlockList();
  for (const network of networks) {
    const [address, bits] = network.split("/");
    list.addSubnet(address, Number(bits), `ipv${isIP(address)}`);
  }
  return list;
}
