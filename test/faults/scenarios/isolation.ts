import { readFileSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { TcpProxy } from "../../support/tcp-proxy.js";
import { alertmanager, type Behaviour, hook } from "../peer.js";
import { Receiver } from "../receiver.js";
import type { Scenario } from "../scenario.js";
import type { Site } from "../site.js";

const RULE = `apiVersion: auditing.kubesphere.io/v1alpha1
kind: Rule
metadata: { name: test, labels: { type: alerting } }
spec:
  rules:
    - { name: Listed, type: rule, enable: true, priority: WARNING, condition: 'Verb = "list"', output: "listed" }
`;

const SHORT = { retry: { initial: "20ms", max: "100ms", slow: "100ms" }, stallAfter: "500ms" };

/** The archive, and other sinks beside it. */
function beside(site: Site, sinks: Record<string, object>): void {
  const archive = {
    type: "elasticsearch",
    urls: [site.receiver.url],
    request: { maxEvents: 500, maxWait: "20ms" },
    ...SHORT,
  };
  writeFileSync(site.at("rule.yaml"), RULE);
  site.configure({ rules: { paths: ["rule.yaml"] }, sinks: { archive, ...sinks } });
}

/** Resolves when it holds. @throws after 20 s */
async function holds(what: string, condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i++) {
    if (i > 400) throw new Error(`${what}: not after 20 s`);
    await sleep(50);
  }
}

const identities = (site: Site): string[] =>
  site.ledger.files.flatMap(({ events }) => events.map(({ identity }) => identity));

/** A webhook whose far end misbehaves for 2 s, beside an archive that must not notice. */
const webhook = (name: string, behave: Behaviour, more: object = {}): Scenario => ({
  name,
  async run(site) {
    const { peer, taken } = await hook();
    site.undo(() => peer.close());
    beside(site, {
      hook: {
        type: "webhook",
        url: peer.url,
        select: "all",
        startAt: "beginning",
        timeout: "500ms",
        ...SHORT,
        ...more,
      },
    });
    const log = site.writer({ maxSize: 400_000 });
    await site.start();
    peer.behave = behave;
    await log.writeAtRate(2000, 1000);
    // The archive has all, though the other has nothing.
    await site.settled();
    peer.behave = () => true;
    site.well();
    log.write(100);
    await holds("the webhook has all", () => identities(site).every((identity) => taken.has(identity)));
    site.hasRecovered();
    return undefined;
  },
});

function answer(response: ServerResponse, status: number, headers: Record<string, string> = {}): false {
  response.writeHead(status, headers).end();
  return false;
}

/** Headers that never end. */
function drip(response: ServerResponse): false {
  const socket = response.socket!;
  socket.write("HTTP/1.1 200 OK\r\nx-drip: ");
  const timer = setInterval(() => socket.write("x"), 50);
  socket.on("close", () => clearInterval(timer));
  return false;
}

/** Lines of an archive on disk, by auditID: how often each is there. */
function linesOf(path: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of readFileSync(path, "utf8").trim().split("\n")) {
    const { auditID, stage } = JSON.parse(line) as { auditID: string; stage: string };
    counts.set(`${auditID}/${stage}`, (counts.get(`${auditID}/${stage}`) ?? 0) + 1);
  }
  return counts;
}

function expectOnce(site: Site, what: string, counts: ReadonlyMap<string, number>): void {
  const wrong = identities(site).filter((identity) => counts.get(identity) !== 1);
  if (wrong.length > 0) throw new Error(`${what} has ${wrong.length} events not once, such as ${wrong.slice(0, 3)}`);
}

/** Sinks beside others. */
export const isolation: Scenario[] = [
  {
    name: "39 Alertmanager is down, the agent is killed meanwhile, and it is back: each request is counted once",
    quick: true,
    async run(site) {
      const { peer, alerts } = await alertmanager();
      const proxy = await TcpProxy.to(peer.url);
      site.undo(() => peer.close());
      site.undo(() => void proxy.close());
      beside(site, { pager: { type: "alertmanager", urls: [proxy.url], startAt: "beginning", resendEvery: "1s" } });
      const log = site.writer({ maxSize: 400_000 });
      await proxy.refuse();
      await site.start();
      await log.writeAtRate(500, 1000);
      await site.restart();
      await log.writeAtRate(500, 1000);
      await site.settled();
      await proxy.listen();
      site.well();
      log.write(10);
      await holds("the alert has come", () => alerts.get("Listed")?.count === "1010");
      site.hasRecovered();
      return undefined;
    },
  },
  webhook("39 a webhook answers 503", (_, response) => answer(response, 503)),
  webhook("39 a webhook redirects in a circle", (_, response) => answer(response, 307, { location: "/" })),
  webhook("39 a webhook drips", (_, response) => drip(response)),
  webhook("39 a webhook never answers", () => new Promise(() => {})),
  webhook("39 a webhook takes 300 ms a request", async () => {
    await sleep(300);
    return true;
  }),
  {
    name: "40 one of three sinks is dead while the log rotates: the others have all, and so has it afterwards",
    timeout: 120_000,
    async run(site) {
      const other = await Receiver.start();
      const proxy = await TcpProxy.to(other.url);
      site.undo(() => void other.close());
      site.undo(() => void proxy.close());
      beside(site, {
        other: { type: "elasticsearch", urls: [proxy.url], ...SHORT },
        local: { type: "file", path: "archive.ndjson" },
      });
      const log = site.writer({ maxSize: 400_000 });
      await site.start();
      log.write(300);
      await site.settled();
      await proxy.refuse();
      await log.writeAtRate(20_000, 2000);
      await site.settled();
      const { size } = other.identities;
      if (size === site.ledger.events) throw new Error("the dead one has all");
      await proxy.listen();
      site.well();
      await holds("the one that was dead has all", () => other.identities.size === site.ledger.events);
      site.hasRecovered();
      log.write(100);
      await holds("the one that was dead goes on", () => other.identities.size === site.ledger.events);
      await site.settled();
      await site.caughtUp();
      expectOnce(site, "the one that was dead", other.identities);
      expectOnce(site, "the file", linesOf(site.at("archive.ndjson")));
      return undefined;
    },
  },
  {
    name: "30 sinks are added, changed and removed by reloads under load: nobody misses or repeats anything",
    async run(site) {
      const others = await Promise.all([Receiver.start(), Receiver.start()]);
      for (const other of others) site.undo(() => void other.close());
      const [changing, removed] = others;
      const search = ({ url }: Receiver, maxEvents: number) => ({
        type: "elasticsearch",
        urls: [url],
        request: { maxEvents, maxWait: "20ms" },
        ...SHORT,
      });
      const local = { type: "file", path: "archive.ndjson" };
      const reload = async (sinks: Record<string, object>) => {
        const said = site.agent.log.split("Configuration reloaded.").length;
        beside(site, sinks);
        site.agent.program.child.kill("SIGHUP");
        await site.agent.program.until(({ err }) => err.split("Configuration reloaded.").length > said);
        await sleep(300);
      };
      beside(site, { changing: search(changing, 500), removed: search(removed, 500) });
      const log = site.writer({ maxSize: 400_000 });
      await site.start();
      const stop = new AbortController();
      const loading = (async () => {
        while (!stop.signal.aborted) await log.writeAtRate(100, 2000);
      })();
      await sleep(500);
      for (let i = 1; i <= 3; i++) {
        await reload({ changing: search(changing, 500 + i), removed: search(removed, 500), local });
        await reload({ changing: search(changing, 500), local });
      }
      await reload({ changing: search(changing, 500), removed: search(removed, 500), local });
      stop.abort();
      await loading;
      const all = () => others.every(({ identities: had }) => had.size === site.ledger.events);
      await holds("all have all", all);
      await site.settled();
      await site.caughtUp();
      expectOnce(site, "the file", linesOf(site.at("archive.ndjson")));
      for (const receiver of [site.receiver, ...others]) {
        if (receiver.sent !== receiver.documents)
          throw new Error(`${receiver.sent - receiver.documents} were sent again`);
      }
      return undefined;
    },
  },
  {
    name: "40 eight of ten sinks are dead, each in another way: the two others have all",
    timeout: 120_000,
    async run(site) {
      const peers = await Promise.all(Array.from({ length: 4 }, () => hook()));
      const dead = await Promise.all(Array.from({ length: 3 }, () => TcpProxy.to(site.receiver.url)));
      for (const { peer } of peers) site.undo(() => peer.close());
      for (const proxy of dead) site.undo(() => void proxy.close());
      const [failing, silent, dripping, forbidding] = peers.map(({ peer }) => peer);
      failing.behave = (_, response) => answer(response, 503);
      silent.behave = () => new Promise(() => {});
      dripping.behave = (_, response) => drip(response);
      forbidding.behave = (_, response) => answer(response, 429, { "retry-after": "3600" });
      const [refusing, hole, cutting] = dead;
      await refusing.refuse();
      hole.toxic = { blackhole: true };
      cutting.toxic = { resetAfter: 10_000 };
      writeFileSync(site.at("a-file"), "");
      const search = ({ url }: TcpProxy) => ({ type: "elasticsearch", urls: [url], timeout: "2s", ...SHORT });
      const post = ({ url }: { url: string }) => ({ type: "webhook", url, select: "all", timeout: "2s", ...SHORT });
      beside(site, {
        local: { type: "file", path: "archive.ndjson" },
        refusing: search(refusing),
        hole: search(hole),
        cutting: search(cutting),
        failing: post(failing),
        silent: post(silent),
        dripping: post(dripping),
        forbidding: post(forbidding),
        unopened: { type: "file", path: "a-file/archive.ndjson", ...SHORT },
      });
      const log = site.writer({ maxSize: 2_000_000 });
      await site.start();
      await log.writeAtRate(20_000, 2000);
      await site.settled();
      await holds("the file has all", () => linesOf(site.at("archive.ndjson")).size === site.ledger.events);
      expectOnce(site, "the file", linesOf(site.at("archive.ndjson")));
      await site.kill();
      // What the dead ones have not got is not waited for.
      beside(site, { local: { type: "file", path: "archive.ndjson" } });
      await site.start();
      return undefined;
    },
  },
  {
    name: "40 a webhook takes the newest first after an outage of the agent, which is killed in the middle",
    async run(site) {
      const { peer, taken } = await hook();
      site.undo(() => peer.close());
      const order: string[] = [];
      const note = peer.onTaken;
      peer.onTaken = (body) => {
        note(body);
        order.push(
          ...(JSON.parse(body) as { items: { auditID: string; stage: string }[] }).items.map(
            ({ auditID, stage }) => `${auditID}/${stage}`,
          ),
        );
      };
      const request = { maxEvents: 50, maxWait: "5ms" };
      const sink = { type: "webhook", url: peer.url, select: "all", startAt: "beginning", catchUp: "newest", request };
      beside(site, { hook: { ...sink, ...SHORT } });
      const log = site.writer({ maxSize: 1_000_000 });
      await site.start();
      log.write(10);
      await holds("the first events are there", () => taken.size === 10);
      await site.kill();
      log.write(8000);
      peer.behave = async () => {
        await sleep(20);
        return true;
      };
      await site.start();
      await holds("the backlog has begun", () => taken.size > 100);
      log.write(20);
      await holds("what is new has come", () => taken.has(identities(site).at(-1)!));
      if (taken.size === site.ledger.events) throw new Error("the backlog came first");
      await site.restart();
      peer.behave = () => true;
      site.well();
      await holds("the webhook has all", () => identities(site).every((identity) => taken.has(identity)));
      site.hasRecovered();
      const twice = order.length - new Set(order).size;
      // Two requests may have been under way, and what was acknowledged last may not have been on disk.
      if (twice > 1000) throw new Error(`${twice} events came again`);
      return undefined;
    },
  },
];
