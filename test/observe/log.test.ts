import { describe, expect, it } from "vitest";
import { createLog } from "../../src/observe/log.js";

function lines(pretty: boolean, level: "debug" | "info" | "silent" = "info") {
  const written: string[] = [];
  return { written, log: createLog({ level, pretty, to: { write: (line) => void written.push(line) } }) };
}

describe("the log", () => {
  it("is a JSON object per line for machines", () => {
    const { written, log } = lines(false);
    log.warn({ sink: "archive", wait: 30 }, "sink does not answer");
    expect(written).toHaveLength(1);
    const { time, ...rest } = JSON.parse(written[0]);
    expect(rest).toEqual({ level: "warn", sink: "archive", wait: 30, msg: "sink does not answer" });
    expect(time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  });

  it("is one readable line on a terminal", () => {
    const { written, log } = lines(true);
    log.info({ path: "/var/log/audit.log", reason: "it is gone" }, "waiting for the log");
    expect(written[0]).toMatch(
      /^\d\d:\d\d:\d\d INFO {2}waiting for the log {2}path=\/var\/log\/audit\.log {2}reason="it is gone"\n$/,
    );
  });

  it("lets nothing write over the terminal", () => {
    const { written, log } = lines(true);
    log.info({ name: "\u001b[2J\nx" }, "a \u001b[31mred\n line");
    expect(written[0].slice(0, -1)).not.toMatch(/[\x00-\x1f]/);
    expect(written[0].split("\n")).toHaveLength(2);
  });

  it("leaves out what is below its level", () => {
    const { written, log } = lines(false);
    log.debug({}, "too much");
    expect(written).toEqual([]);
    const silent = lines(false, "silent");
    silent.log.error({}, "even this");
    expect(silent.written).toEqual([]);
  });
});
