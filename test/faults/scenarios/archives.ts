import fs from "node:fs";
import { gunzipSync } from "node:zlib";
import type { Scenario } from "../scenario.js";
import type { Site } from "../site.js";
import { mayMount } from "./rights.js";

const IDENTITY = /"auditID":"([^"]*)","stage":"([^"]*)"/;

/** Two archives, plain and compressed, each on a small disk of its own, beside the sink that every site has. */
function configure(site: Site, options: object = {}): void {
  for (const [name, size] of Object.entries(DISKS)) {
    fs.mkdirSync(site.at(name));
    site.mount("-t", "tmpfs", "-o", `size=${size}`, "none", site.at(name));
  }
  const archive = (name: string, gzip: boolean) => ({
    type: "file",
    path: `${name}/audit.ndjson`,
    gzip,
    maxSize: "100KiB",
    retry: { initial: "20ms", max: "100ms" },
    stallAfter: "500ms",
    ...options,
  });
  site.configure({ sinks: { plain: archive("plain", false), compressed: archive("compressed", true) } });
}

const DISKS = { plain: "1m", compressed: "64k" };

function free(site: Site): void {
  for (const name of Object.keys(DISKS)) site.remount("-o", "remount,size=64m", site.at(name));
}

/** Identities of the events in an archive, in its order. @throws if a line is half, or a file cannot be unpacked */
function archived(site: Site, name: string): string[] {
  const directory = site.at(name);
  const ours = fs.readdirSync(directory).filter((file) => file.startsWith("audit"));
  const files = ours.sort((a, b) => numberOf(a) - numberOf(b));
  return files.flatMap((file) => {
    const bytes = fs.readFileSync(site.at(name, file));
    const text = (file.endsWith(".gz") && bytes.length > 0 ? gunzipSync(bytes) : bytes).toString();
    if (text !== "" && !text.endsWith("\n")) throw new Error(`${file} ends in half a line`);
    return text.split("\n").slice(0, -1).map(identity);
  });
}

/** Of a rotated file; the active one comes last. */
const numberOf = (file: string): number => Number(/-(\d{6})\./.exec(file)?.[1] ?? Number.POSITIVE_INFINITY);

function identity(line: string): string {
  JSON.parse(line);
  const [, auditID, stage] = IDENTITY.exec(line)!;
  return `${auditID}/${stage}`;
}

/** Ends the agent and holds both archives against what was written: each event once, in its order. */
async function held(site: Site): Promise<void> {
  await site.settled();
  await site.caughtUp();
  await site.stop();
  const written = site.ledger.files.flatMap(({ events }) => events.map((event) => event.identity));
  for (const name of ["plain", "compressed"]) {
    const found = archived(site, name);
    if (found.join() === written.join()) continue;
    const [missing, twice] = [written.filter((id) => !found.includes(id)), found.length - new Set(found).size];
    throw new Error(`${name}: ${missing.length} of ${written.length} are missing, ${twice} stand in it twice`);
  }
  await site.start();
}

/** Resolves when both archives take nothing more. */
const bothParked = (site: Site) => site.metric("auditship_sink_state", { state: "parked" }, 2);

/** What happens to archives on the node's disk; Elasticsearch, beside them, must not notice. */
export const archives: Scenario[] = [
  {
    name: "25 archives on a disk that fills up, kill -9, and then is freed",
    skip: mayMount,
    async run(site) {
      configure(site);
      const log = site.writer();
      await site.start();
      while (site.ledger.bytes < 4 << 20) {
        log.write(200);
        log.rotate();
      }
      await bothParked(site);
      await site.restart();
      log.write(100);
      await bothParked(site);
      await site.settled();
      await site.restart();
      free(site);
      log.write(100);
      await held(site);
    },
  },
  {
    name: "25 archives that leave space to others: they wait when there is less, and go on when there is more",
    skip: mayMount,
    async run(site) {
      configure(site, { minFree: "48KiB" });
      const log = site.writer();
      await site.start();
      log.write(2);
      await site.settled();
      await site.caughtUp();
      await site.stop();
      for (const name of Object.keys(DISKS)) fs.writeFileSync(site.at(name, "somebody-elses"), Buffer.alloc(20 << 10));
      fs.writeFileSync(site.at("plain", "another"), Buffer.alloc(950 << 10));
      log.write(300);
      await site.start();
      await bothParked(site);
      await site.agent.says("(minFree: 0.0 MiB)");
      await site.restart();
      await bothParked(site);
      for (const name of Object.keys(DISKS)) {
        if (fs.readdirSync(site.at(name)).some((file) => /-\d{6}\./.test(file)))
          throw new Error(`${name} was written to`);
      }
      free(site);
      await held(site);
    },
  },
];
