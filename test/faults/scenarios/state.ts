import fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Scenario } from "../scenario.js";
import type { Site } from "../site.js";
import { mayChangeUser, mayMount } from "./rights.js";

const SOURCE = ["state", "sources", "apiserver.json"];
const SINK = ["state", "sinks", "archive.json"];
/** nobody, on Debian. */
const OTHER_USER = 65534;

type Damage = (path: string) => void;
const DAMAGES: Record<string, Damage> = {
  corrupt: (path) => fs.writeFileSync(path, '{"format":1,"kind":"sink"\u0000\u0000'),
  empty: (path) => fs.writeFileSync(path, ""),
  truncated: (path) => fs.truncateSync(path, fs.statSync(path).size >> 1),
  gone: (path) => fs.rmSync(path, { force: true }),
};

/** Every state file, and optionally the version kept before it. */
function damageState(site: Site, damage: Damage, previous: boolean): void {
  for (const path of [site.at(...SOURCE), site.at(...SINK)]) {
    damage(path);
    if (previous && fs.existsSync(`${path}.prev`)) damage(`${path}.prev`);
  }
}

function edit(path: string, change: (state: Record<string, unknown>) => void): void {
  const state = JSON.parse(fs.readFileSync(path, "utf8"));
  change(state);
  fs.writeFileSync(path, JSON.stringify(state));
}

/** Delivers three files' worth, ends well. */
async function delivered(site: Site): Promise<void> {
  const log = site.writer();
  await site.start();
  for (let i = 0; i < 2; i++) {
    log.write(200);
    log.rotate();
  }
  log.write(100);
  await site.settled();
  await site.caughtUp();
  await site.stop();
  log.write(100);
}

/** Starts an agent that must refuse to. */
async function refuses(site: Site, code: string): Promise<void> {
  const agent = site.launch();
  const exit = await agent.program.exited;
  if (exit === 0 || !agent.log.includes(code)) throw new Error(`it ended with ${exit}: ${agent.log}`);
}

/** What happens to the agent and to what it keeps. */
export const state: Scenario[] = [
  ...Object.entries(DAMAGES).flatMap(([what, damage]) =>
    [false, true].map(
      (previous): Scenario => ({
        name: `26 state ${what}${previous ? ", and the version before it" : ""}`,
        ...(what === "truncated" && previous && { quick: true }),
        async run(site) {
          await delivered(site);
          damageState(site, damage, previous);
          await site.start();
        },
      }),
    ),
  ),
  {
    name: "26 the source's state lost, the sink's kept",
    async run(site) {
      await delivered(site);
      for (const end of ["", ".prev"]) fs.rmSync(site.at(...SOURCE) + end, { force: true });
      await site.start();
    },
  },
  {
    name: "26 state of a future version: refused, then read by the right one",
    async run(site) {
      await delivered(site);
      for (const path of [SINK, SOURCE]) {
        const before = fs.readFileSync(site.at(...path));
        edit(site.at(...path), (written) => Object.assign(written, { format: 99 }));
        await refuses(site, "AUDITSHIP_STATE_FORMAT");
        fs.writeFileSync(site.at(...path), before);
      }
      await site.start();
    },
  },
  {
    name: "26 state of another node",
    async run(site) {
      await delivered(site);
      for (const path of [SINK, SOURCE]) {
        edit(site.at(...path), (written) => Object.assign(written, { node: "elsewhere", instance: "another" }));
      }
      await site.start();
    },
  },
  {
    name: "26 the state directory read-only: refused, then writable",
    skip: mayMount,
    async run(site) {
      await delivered(site);
      site.mount("--bind", site.at("state"), site.at("state"));
      site.remount("-o", "remount,bind,ro", site.at("state"));
      await refuses(site, "AUDITSHIP_STATE_WRITE");
      site.remount("-o", "remount,bind,rw", site.at("state"));
      await site.start();
    },
  },
  {
    name: "25 no room for the state, and room again",
    skip: mayMount,
    async run(site) {
      fs.mkdirSync(site.at("state"));
      site.mount("-t", "tmpfs", "-o", "size=256k", "none", site.at("state"));
      const log = site.writer();
      await site.start();
      log.write(100);
      await site.settled();
      await site.caughtUp();
      fillUp(site.at("state", "ballast"));
      log.write(100);
      log.rotate();
      log.write(100);
      await site.settled();
      await site.metric("auditship_state_writes_total", { result: "failed" });
      await site.restart();
      await site.settled();
      fs.rmSync(site.at("state", "ballast"));
      const written = await site.agent.metric("auditship_state_writes_total", { result: "ok" });
      log.write(100);
      await site.metric("auditship_state_writes_total", { result: "ok" }, written + 1);
      await site.restart();
    },
  },
  {
    name: "25 no room for the state at the first start: refused, then room",
    skip: mayMount,
    async run(site) {
      fs.mkdirSync(site.at("state"));
      site.mount("-t", "tmpfs", "-o", "size=64k", "none", site.at("state"));
      fillUp(site.at("state", "ballast"));
      const log = site.writer();
      log.write(50);
      const agent = site.launch();
      await Promise.race([agent.program.exited, site.settled()]);
      fs.rmSync(site.at("state", "ballast"));
      await agent.end("SIGKILL");
      await site.start();
    },
  },
  {
    name: "27 power loss: the state of some time ago, and half a write beside it",
    async run(site) {
      const log = site.writer();
      await site.start();
      log.write(200);
      log.rotate();
      log.write(200);
      await site.settled();
      await site.caughtUp();
      const kept = site.at("kept");
      await sleep(300);
      for (const room of ["sources", "sinks"])
        fs.cpSync(site.at("state", room), `${kept}/${room}`, { recursive: true });
      log.write(200);
      log.rotate();
      log.write(200);
      await site.settled();
      await site.kill();
      for (const room of ["sources", "sinks"]) {
        fs.rmSync(site.at("state", room), { recursive: true });
        fs.cpSync(`${kept}/${room}`, site.at("state", room), { recursive: true });
      }
      fs.writeFileSync(`${site.at(...SINK)}.tmp`, '{"format":1,"ki');
      log.write(10);
      await site.start();
    },
  },
  {
    name: "27 power loss: the source's state newer than the sink's",
    async run(site) {
      const log = site.writer();
      await site.start();
      log.write(200);
      await site.settled();
      await sleep(300);
      const sink = fs.readFileSync(site.at(...SINK));
      for (let i = 0; i < 3; i++) {
        log.rotate();
        log.write(200);
      }
      await site.settled();
      await sleep(300);
      await site.kill();
      fs.writeFileSync(site.at(...SINK), sink);
      await site.start();
    },
  },
  {
    name: "28 two agents on one state directory: the second says who has it",
    quick: true,
    async run(site) {
      const log = site.writer();
      const first = await site.start();
      log.write(100);
      await refuses(site, "AUDITSHIP_STATE_LOCKED");
      if (!site.agent.log.includes(String(first.pid))) throw new Error(`it does not say who: ${site.agent.log}`);
      site.agent = first;
      log.write(100);
    },
  },
  {
    name: "28 the state directory of one agent moved under another",
    async run(site) {
      await delivered(site);
      await site.start();
      await site.settled();
      const first = site.agent;
      // Somebody removes the lock and starts a second one: whoever finds the other's writes stops.
      fs.rmSync(site.at("state", "control.sock"));
      await site.start();
      site.log.write(200);
      await site.settled();
      const code = await Promise.race([first.program.exited, site.agent.program.exited]);
      if (code === 0) throw new Error("the one that stopped did not fail");
      const left = first.program.child.exitCode === null ? first : site.agent;
      site.agent = left;
    },
  },
  ...["the file", "the directory"].map(
    (what): Scenario => ({
      name: `17 permission on ${what} removed and restored`,
      skip: mayChangeUser,
      async run(site) {
        const log = site.writer();
        log.write(50);
        fs.mkdirSync(site.at("state"));
        for (const path of [site.at("state"), site.at("log"), log.path]) fs.chownSync(path, OTHER_USER, OTHER_USER);
        const target = what === "the file" ? log.path : site.at("log");
        const mode = fs.statSync(target).mode & 0o777;
        fs.chmodSync(target, 0);
        await site.start({ uid: OTHER_USER });
        await site.metric("auditship_source_errors_total");
        log.write(50);
        fs.chmodSync(target, mode);
        await site.settled();
        fs.chmodSync(target, 0);
        log.write(50);
        await sleep(200);
        fs.chmodSync(target, mode);
        await site.settled();
        fs.chmodSync(target, 0);
        // A new file, which the agent may not read yet.
        if (what === "the file") log.rotate();
        log.write(50);
        await sleep(200);
        fs.chmodSync(target, mode);
        fs.chownSync(log.path, OTHER_USER, OTHER_USER);
        for (const { backup } of log.backups) {
          fs.chownSync(site.at("log", backup), OTHER_USER, OTHER_USER);
          fs.chmodSync(site.at("log", backup), 0o600);
        }
      },
    }),
  ),
];

function fillUp(path: string): void {
  const fd = fs.openSync(path, "w");
  try {
    for (;;) fs.writeSync(fd, Buffer.alloc(512));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  } finally {
    fs.closeSync(fd);
  }
}
