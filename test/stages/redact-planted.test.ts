import { describe, expect, it } from "vitest";
import type { Profile } from "../../plugins/stages/redact/profile.js";
import { events } from "../../src/simulate/events.js";
import { canaryLines, encodedForms, leaks, PLACE_NAMES } from "../support/canaries.js";
import { documentsOf, load, redactStage } from "./support.js";

/** The long run: AUDITSHIP_CANARY_EVENTS=100000. */
const EVENTS = Number(process.env.AUDITSHIP_CANARY_EVENTS ?? 4000);
const BATCH = 500;

function redacted(lines: readonly string[], profile: Profile): string {
  const batch = load(lines.map((line) => `${line}\n`).join(""), lines.length);
  redactStage({ profile, configMaps: true }).run(batch);
  return documentsOf(batch);
}

it("An id of ours is not a secret, whatever letters its hash has; other text that begins like gzip may be one", () => {
  const id = "5R0vMDyaHOvdbcqqAAAAAeKfAAAAAH4sIJmF_12Q";
  expect(leaks(`{"auditship":{"id":"${id}"}}`)).toEqual([]);
  expect(leaks(`{"auditship":{"id":"${id}"},"release":"H4sI"}`)).toHaveLength(1);
});

describe("Planted secrets", () => {
  it("stand in every event before redaction", () => {
    const lines = [...canaryLines(1, PLACE_NAMES.length)];
    expect(PLACE_NAMES.filter((_, n) => leaks(lines[n]).length === 0)).toEqual([]);
  });

  it.each(PLACE_NAMES.map((name, n) => [name, n] as const))("leave no trace in: %s", (_, n) => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const lines = [...canaryLines(seed, 20 * PLACE_NAMES.length)];
    const own = lines.filter((_, index) => index % PLACE_NAMES.length === n);
    for (const profile of ["default", "strict"] as const) {
      const text = redacted(own, profile);
      expect(leaks(text), `seed ${seed}`).toEqual([]);
      for (const line of text.trimEnd().split("\n")) expect(JSON.parse(line).auditship.redaction).toBeUndefined();
    }
  });

  it(`leave no trace in ${EVENTS} events of all kinds`, { timeout: 600_000 }, () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    let lines: string[] = [];
    const check = () => {
      expect(leaks(redacted(lines, "default")), `seed ${seed}`).toEqual([]);
      lines = [];
    };
    for (const line of canaryLines(seed, EVENTS)) if (lines.push(line) === BATCH) check();
    check();
  });

  it(`leave no trace in ${EVENTS} events of a simulated cluster, attacks included`, { timeout: 600_000 }, () => {
    const forms = ["FAKE-not-a-real-secret", "FAKE-not-a-real-token"].flatMap(encodedForms);
    const seed = Math.floor(Math.random() * 2 ** 31);
    const planted = new Set<string>();
    const simulated = events(seed);
    for (let left = EVENTS; left > 0; left -= BATCH) {
      const lines = Array.from({ length: Math.min(left, BATCH) }, () => simulated.next().value as string);
      const [before, after] = [lines.join("\n"), redacted(lines, "default")];
      for (const form of forms) if (before.includes(form)) planted.add(form);
      expect(
        forms.filter((form) => after.includes(form)),
        `seed ${seed}`,
      ).toEqual([]);
    }
    expect(planted.size).toBeGreaterThan(1);
  });
});
