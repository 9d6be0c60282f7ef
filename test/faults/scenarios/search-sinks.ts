import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect } from "node:net";
import { createServer, type Server } from "node:tls";
import type { Answer, BulkItem, BulkRequest, ItemAnswer, Script } from "../../support/bulk-server.js";
import { listen } from "../../support/listen.js";
import { TcpProxy, type Toxic } from "../../support/tcp-proxy.js";
import { IDENTITY } from "../receiver.js";
import type { Scenario } from "../scenario.js";
import type { Site } from "../site.js";

/** The log goes on being written and rotated while the far end is ill, until it is well again. */
async function outage(site: Site, ill: () => unknown, well: () => unknown, events = 2000) {
  const log = site.writer({ maxSize: 400_000 });
  await site.start();
  log.write(300);
  await site.stored(300);
  await ill();
  await log.writeAtRate(events, 1000);
  await well();
  log.write(300);
}

/** Requests are answered so, for 2 s and three requests at least. */
const answered = (name: string, answer: () => Answer, sink: object = {}, quick?: true): Scenario => ({
  name,
  ...(quick && { quick }),
  async run(site) {
    site.configure({ sink });
    let left = 3;
    let met = () => {};
    const enough = new Promise<void>((resolve) => {
      met = resolve;
    });
    await outage(
      site,
      () => {
        site.receiver.script = () => {
          if (--left === 0) met();
          return answer();
        };
      },
      async () => {
        await enough;
        site.well();
      },
    );
    return undefined;
  },
});

/** Items are answered so; `undefined` stores one. */
const itemised = (
  name: string,
  item: (site: Site) => (item: BulkItem, index: number) => ItemAnswer | undefined,
): Scenario => ({
  name,
  async run(site) {
    const log = site.writer({ maxSize: 400_000 });
    const answer = item(site);
    site.receiver.script = () => ({ do: "store", item: answer });
    await site.start();
    await log.writeAtRate(3000, 2000);
    await site.settled();
    site.receiver.accept();
    return undefined;
  },
});

/** True the first time that an item is asked about, for one in so many. */
function firstOf(share: number): (item: BulkItem, index: number) => boolean {
  const asked = new Set<string>();
  return ({ id }, index) => {
    if (index % share !== 0 || asked.has(id)) return false;
    asked.add(id);
    return true;
  };
}

const BUSY: ItemAnswer = { status: 429, type: "es_rejected_execution_exception", reason: "queue full" };
const BROKEN: ItemAnswer = { status: 503, type: "unavailable_shards_exception" };
const BLOCKED: ItemAnswer = { status: 403, type: "cluster_block_exception", reason: "index write" };
const FULL: ItemAnswer = { status: 429, type: "cluster_block_exception", reason: "disk" };
const CONFLICT: ItemAnswer = { status: 400, type: "document_parsing_exception", reason: "object mapping for [x]" };
const TOO_MANY_FIELDS: ItemAnswer = {
  status: 400,
  type: "illegal_argument_exception",
  reason: "Limit of total fields [1000] has been exceeded",
};

const isSafe = (document: Buffer): boolean => document.includes('"safeShape"');

/** Behind a network of its own. */
async function behindProxy(site: Site, sink: object = {}): Promise<TcpProxy> {
  const proxy = await TcpProxy.to(site.receiver.url);
  site.undo(() => void proxy.close());
  site.configure({ sink: { urls: [proxy.url], ...sink } });
  return proxy;
}

const unplugged = (name: string, events: number, more: Partial<Scenario> = {}): Scenario => ({
  name,
  ...more,
  async run(site) {
    const proxy = await behindProxy(site);
    await outage(
      site,
      () => proxy.refuse(),
      () => proxy.listen().then(() => site.well()),
      events,
    );
    return undefined;
  },
});

const poisoned = (name: string, toxic: Toxic, sink: object = {}): Scenario => ({
  name,
  async run(site) {
    const proxy = await behindProxy(site, sink);
    const ill = () => {
      proxy.toxic = toxic;
    };
    const well = () => {
      proxy.toxic = {};
      site.well();
    };
    await outage(site, ill, well);
    return undefined;
  },
});

/** The sink is configured wrongly, and mended by a reload. */
const reconfigured = (name: string, wrong: (site: Site) => object): Scenario => ({
  name,
  async run(site) {
    await outage(
      site,
      async () => {
        site.configure({ sink: wrong(site) });
        site.agent.program.child.kill("SIGHUP");
        await site.agent.says("Configuration reloaded.");
      },
      async () => {
        site.configure();
        site.agent.program.child.kill("SIGHUP");
        site.well();
      },
    );
    return undefined;
  },
});

const hasOpenssl = () => (spawnSync("openssl", ["version"]).status === 0 ? undefined : "there is no openssl");

/** Certificates of two authorities for 127.0.0.1. */
function certificates(site: Site): (authority: string, name: string) => { key: Buffer; cert: Buffer } {
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: site.directory, stdio: "pipe" });
  const fresh = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  for (const authority of ["ca", "other"]) {
    openssl(
      "req",
      "-x509",
      ...fresh,
      "-keyout",
      `${authority}.key`,
      "-out",
      `${authority}.crt`,
      "-subj",
      `/CN=${authority}`,
    );
  }
  return (authority, name) => {
    const issuer = ["-CA", `${authority}.crt`, "-CAkey", `${authority}.key`];
    const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"];
    openssl("req", "-x509", ...issuer, ...fresh, "-keyout", `${name}.key`, "-out", `${name}.crt`, ...subject);
    return { key: readFileSync(site.at(`${name}.key`)), cert: readFileSync(site.at(`${name}.crt`)) };
  };
}

/** TLS before the receiver. */
async function tlsFront(site: Site, certificate: { key: Buffer; cert: Buffer }): Promise<Server> {
  const { hostname: host, port } = new URL(site.receiver.url);
  const server = createServer(certificate, (client) => {
    const behind = connect({ host, port: Number(port) });
    client.pipe(behind).pipe(client);
    for (const [socket, other] of [
      [client, behind],
      [behind, client],
    ] as const) {
      socket.on("error", () => other.destroy());
      socket.on("close", () => other.destroy());
    }
    // Each connection is short, so that the next one meets the certificate of its time.
    setTimeout(() => client.end(), 300).unref();
  });
  await listen(server);
  site.undo(() => server.close());
  return server;
}

/** What a search server, or what stands before it, may do to its clients. */
export const searchSinks: Scenario[] = [
  unplugged("31 connections are refused for 2 s", 2000),
  unplugged("31 connections are refused while the log rotates 60 times", 22_000, { timeout: 120_000 }),
  poisoned("31 a black hole for 2 s", { blackhole: true }, { timeout: "500ms" }),
  reconfigured("31 no TLS at the other end, mended by a reload", ({ receiver }) => ({
    urls: [receiver.url.replace("http:", "https:")],
  })),
  reconfigured("31 a name that does not resolve, mended by a reload", () => ({
    urls: ["http://nowhere.invalid:9200"],
  })),
  answered("32 429 whole, with Retry-After", () => ({ do: "status", status: 429, headers: { "retry-after": "1" } })),
  answered("32 503 whole", () => ({ do: "status", status: 503 }), {}, true),
  answered("32 502 with HTML", () => ({ do: "status", status: 502, body: "<html><h1>Bad Gateway</h1></html>" })),
  answered("32 200 with HTML", () => ({ do: "status", status: 200, body: "<html>Log in</html>" })),
  answered("32 200 with errors and no items", () => ({ do: "status", status: 200, body: '{"errors":true}' })),
  answered("32 200 with errors and no items, and all is stored", () => ({
    do: "status",
    status: 200,
    body: '{"errors":true}',
    stored: true,
  })),
  itemised("33 10 % of the items 429 once", () => {
    const first = firstOf(10);
    return (item, index) => (first(item, index) ? BUSY : undefined);
  }),
  {
    name: "33 one in 16 events 400 for good, in safe shape too",
    async run(site) {
      const refused = new Set<string>();
      const item = ({ document }: BulkItem) => {
        const [, auditID, stage] = IDENTITY.exec(document.toString("latin1"))!;
        if (!auditID.endsWith("7")) return undefined;
        if (isSafe(document)) {
          refused.add(auditID);
          site.ledger.refuse(`${auditID}/${stage}`);
        }
        return CONFLICT;
      };
      site.receiver.script = () => ({ do: "store", item });
      const log = site.writer({ maxSize: 400_000 });
      await site.start();
      await log.writeAtRate(2000, 2000);
      await site.settled();
      return { deadLetters: 2000 / 16 };
    },
  },
  answered("33 all items 403, the index is blocked", () => ({ do: "store", item: () => BLOCKED })),
  answered("33 all items 429, the disk is full", () => ({ do: "store", item: () => FULL })),
  {
    name: "33 one in 5 items is there already: the answer to them was lost",
    async run(site) {
      const log = site.writer({ maxSize: 400_000 });
      const first = firstOf(5);
      // A 5xx of an item says nothing about whether it was stored.
      const item = (asked: BulkItem, index: number) => (first(asked, index) ? BROKEN : undefined);
      site.receiver.script = ({ n }) => (n % 2 === 0 ? { do: "store", item } : { do: "reset", stored: n % 4 === 1 });
      await site.start();
      await log.writeAtRate(3000, 2000);
      await site.settled();
      site.receiver.accept();
      return undefined;
    },
  },
  itemised("33 429, 403, 5xx and 400 in one request, each once", () => {
    const asked = new Set<string>();
    const answers = [BUSY, BROKEN, BLOCKED, undefined, CONFLICT];
    return ({ id }, index) => {
      if (asked.has(id)) return undefined;
      asked.add(id);
      return answers[index % answers.length];
    };
  }),
  {
    name: "34 413 over 100 KB; one event is larger than that",
    async run(site) {
      const log = site.writer();
      let alone = false;
      site.receiver.script = ({ bytes, items }: BulkRequest) => {
        if (bytes <= 100_000) return { do: "store" };
        if (items.length === 1 && !alone) {
          alone = true;
          site.ledger.refuse(IDENTITY.exec(items[0].document.toString("latin1"))!.slice(1, 3).join("/"));
        }
        return { do: "status", status: 413 };
      };
      await site.start();
      log.write(1000);
      log.write(1, { bytes: 150_000 });
      log.write(1000);
      await site.settled();
      return { deadLetters: 1 };
    },
  },
  answered("35 each answer takes 1 s", () => ({ do: "store", late: 1000 })),
  answered("35 each answer takes longer than stallAfter", () => ({ do: "store", late: 1500 }), { stallAfter: "500ms" }),
  answered("35 never an answer", () => ({ do: "never" }), { timeout: "500ms" }),
  answered("35 never an answer, and all is stored", () => ({ do: "never", stored: true }), { timeout: "500ms" }),
  answered("35 the answer comes after our timeout", () => ({ do: "store", late: 900 }), { timeout: "500ms" }),
  answered("36 the connection is reset", () => ({ do: "reset" })),
  answered("36 the connection is reset, and all is stored", () => ({ do: "reset", stored: true }), {}, true),
  answered("36 half an answer", () => ({ do: "cut", stored: true })),
  answered("36 an answer that drips", () => ({ do: "drip", stored: true }), { timeout: "500ms" }),
  answered("36 each connection is closed behind its answer", () => ({ do: "store", close: true })),
  poisoned("36 reset within the body of the request", { resetAfter: 40_000 }),
  poisoned("36 sliced, late and slow", { slice: 700, latency: 20, bytesPerSecond: 1_000_000 }),
  {
    name: "36 TLS is renewed, then a stranger's, then renewed again",
    skip: hasOpenssl,
    async run(site) {
      const make = certificates(site);
      const front = await tlsFront(site, make("ca", "first"));
      const url = `https://127.0.0.1:${(front.address() as AddressInfo).port}`;
      site.configure({ sink: { urls: [url], tls: { caFile: site.at("ca.crt") } } });
      await outage(
        site,
        async () => {
          front.setSecureContext(make("ca", "second"));
          site.log.write(300);
          await site.stored(600);
          front.setSecureContext(make("other", "stranger"));
        },
        () => {
          front.setSecureContext(make("ca", "third"));
          site.well();
        },
      );
      return undefined;
    },
  },
  answered("36 the API key is revoked (401) and restored", () => ({
    do: "status",
    status: 401,
    body: '{"error":{"type":"security_exception"}}',
  })),
  itemised(
    "38 a mapping conflict in every third event",
    () =>
      ({ document }, index) =>
        index % 3 === 0 && !isSafe(document) ? CONFLICT : undefined,
  ),
  {
    name: "38 5,000 label keys in each of ten events",
    async run(site) {
      const labels = Array.from({ length: 5000 }, (_, i) => `"key-${i}":"value"`).join(",");
      const after = `,"requestObject":{"metadata":{"labels":{${labels}}}}`;
      const item = ({ document }: BulkItem) =>
        document.includes('"key-4999"') && !isSafe(document) ? TOO_MANY_FIELDS : undefined;
      const script: Script = () => ({ do: "store", item });
      site.receiver.script = script;
      const log = site.writer();
      await site.start();
      for (let i = 0; i < 10; i++) {
        log.write(20);
        log.write(1, { after });
      }
      return undefined;
    },
  },
];
