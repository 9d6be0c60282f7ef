import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { link, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { askStatus, type Control, takeControl } from "../../src/observe/control.js";

let directory: string;
const held: Control[] = [];
const children: ChildProcess[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "auditship-control-"));
});

afterEach(async () => {
  await Promise.all(held.splice(0).map((control) => control.release()));
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await rm(directory, { recursive: true });
});

async function take(instance: string, status?: () => object): Promise<Control> {
  const control = await takeControl(directory, instance, status);
  held.push(control);
  return control;
}

/** A process that takes the directory and says "held", or the error's code. */
async function starter(instance: string): Promise<{ child: ChildProcess; said: string }> {
  const script = `
    import { takeControl } from "./src/observe/control.ts";
    try { await takeControl(${JSON.stringify(directory)}, ${JSON.stringify(instance)}); console.log("held"); }
    catch (error) { console.log(error.code); process.exit(1); }`;
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const [said] = await once(child.stdout as NodeJS.ReadableStream, "data");
  return { child, said: String(said).trim() };
}

describe("the control socket", () => {
  it("tells a second agent who holds the state directory", async () => {
    const first = await take("first-instance");
    await expect(take("second")).rejects.toMatchObject({
      code: "AUDITSHIP_STATE_LOCKED",
      message: `the state directory is in use by process ${process.pid} (instance first-instance) since ${first.holder.since}; stop it, or give this one a state directory of its own.`,
    });
    expect(await first.held()).toBe(true);
  });

  it("can be taken again once it was given back, and leaves nothing behind", async () => {
    await (await take("a")).release();
    expect(await readdir(directory)).toEqual([]);
    await take("b");
    expect(await readdir(directory)).toEqual(["control.sock"]);
  });

  it("is for its owner only", async () => {
    await take("a");
    expect((await stat(join(directory, "control.sock"))).mode & 0o777).toBe(0o600);
  });

  it("answers what the agent has to say", async () => {
    await take("a", () => ({ lag: 7 }));
    expect(await askStatus(directory)).toMatchObject({ pid: process.pid, instance: "a", lag: 7 });
  });

  it("says that nobody runs where nobody does", async () => {
    expect(await askStatus(directory)).toBeUndefined();
    expect(await askStatus(join(directory, "missing"))).toBeUndefined();
  });

  it("cannot be asked where the system does not let us", async () => {
    const file = join(directory, "file");
    await writeFile(file, "");
    await expect(askStatus(file)).rejects.toMatchObject({
      code: "AUDITSHIP_STATUS",
      message: expect.stringMatching(/^whoever holds the state directory cannot be asked: .*ENOTDIR/),
      place: { file },
    });
  });

  it("answers nothing but status, and lives on after nonsense", async () => {
    await take("a");
    const answers: string[] = [];
    for (const request of ["shutdown\n", `${"x".repeat(5000)}`, "\u0000\n"]) {
      const socket = connect(join(directory, "control.sock"));
      socket.on("error", () => {});
      socket.write(request);
      let text = "";
      socket.on("data", (part) => {
        text += part;
      });
      await once(socket, "close");
      answers.push(text);
    }
    expect(answers).toEqual([
      '{"error":"the one request is: status"}\n',
      "",
      '{"error":"the one request is: status"}\n',
    ]);
    expect(await askStatus(directory)).toMatchObject({ instance: "a" });
  });

  it("of a process that was killed does not stand in the way", async () => {
    const { child, said } = await starter("killed");
    expect(said).toBe("held");
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(await readdir(directory)).toEqual(["control.sock"]);
    const control = await take("next");
    expect(await control.held()).toBe(true);
    expect(await readdir(directory)).toEqual(["control.sock"]);
  });

  it("of a living process that does not answer is respected", async () => {
    const { child } = await starter("stopped");
    child.kill("SIGSTOP");
    await expect(take("next")).rejects.toMatchObject({
      code: "AUDITSHIP_STATE_LOCKED",
      message: expect.stringContaining("an agent that does not answer"),
    });
    await expect(askStatus(directory)).rejects.toMatchObject({
      code: "AUDITSHIP_STATUS",
      message: expect.stringContaining("an agent does not answer within 5 s"),
    });
  });

  it("of another program is respected", async () => {
    const server = createServer((socket) => socket.resume().end("hello\n")).listen(join(directory, "control.sock"));
    await once(server, "listening");
    await expect(take("next")).rejects.toMatchObject({ code: "AUDITSHIP_STATE_LOCKED" });
    await new Promise((done) => server.close(done));
  });

  it("goes to one of many that find a stale one at the same time", async () => {
    for (let round = 0; round < 20; round++) {
      const name = join(directory, `stale${round}`);
      const stale = createServer().listen(name);
      await once(stale, "listening");
      await link(name, join(directory, "control.sock"));
      await new Promise((done) => stale.close(done));
      const results = await Promise.allSettled(["a", "b", "c", "d"].map((name) => take(name)));
      const winners = results.filter((result) => result.status === "fulfilled").map((result) => result.value);
      const holding = await Promise.all(winners.map((control) => control.held()));
      expect(holding.filter(Boolean)).toHaveLength(1);
      await Promise.all(held.splice(0).map((control) => control.release()));
    }
  });

  it("goes to one of two processes that start at the same time", async () => {
    const said = await Promise.all([starter("a"), starter("b")]);
    expect(said.map((one) => one.said).sort()).toEqual(["AUDITSHIP_STATE_LOCKED", "held"]);
  });

  it("works in a directory whose path is longer than a socket's may be", async () => {
    const short = directory;
    directory = join(directory, ..."abcdef".split("").map((letter) => letter.repeat(40)));
    await take("deep");
    await expect(take("second")).rejects.toMatchObject({ code: "AUDITSHIP_STATE_LOCKED" });
    expect(await askStatus(directory)).toMatchObject({ instance: "deep" });
    await held.splice(0)[0].release();
    directory = short;
  });

  it("notices that it was taken away", async () => {
    const control = await take("a");
    await rm(join(directory, "control.sock"));
    expect(await control.held()).toBe(false);
    await take("b");
    await control.release();
    expect(await askStatus(directory)).toMatchObject({ instance: "b" });
  });

  it("that cannot be made says so", async () => {
    const file = join(directory, "file");
    await writeFile(file, "");
    await expect(takeControl(join(file, "state"), "a")).rejects.toMatchObject({ code: "AUDITSHIP_STATE_WRITE" });
  });
});
