import { expect, test } from "vitest";
import { type Endpoint, Endpoints } from "../../src/delivery/endpoints.js";
import { quietHost } from "../support/far-end.js";

function endpoints(...urls: string[]) {
  const clock = { now: 0 };
  const shown = new Map<string, number>();
  const told: string[] = [];
  const quiet = quietHost("archive");
  const host = {
    ...quiet,
    meter: { ...quiet.meter, set: (_: string, value: number, ...labels: string[]) => shown.set(labels[1], value) },
    log: {
      ...quiet.log,
      warn: (fields: object, text: string) => told.push(`${(fields as { endpoint: string }).endpoint}: ${text}`),
      info: (fields: object, text: string) => told.push(`${(fields as { endpoint: string }).endpoint}: ${text}`),
    },
  };
  const all = new Endpoints(urls, host, () => clock.now);
  return { all, clock, shown, told };
}

const label = (endpoint: Endpoint) => endpoint.label;
const order = (all: Endpoints, spread = true) => [...all.choose(spread)].map(label);
const three = ["http://a:1", "http://b:1", "http://c:1"];

test("requests that are spread go to each endpoint in turn, and rather to one with fewer on their way", () => {
  const { all } = endpoints(...three);
  expect([order(all)[0], order(all)[0], order(all)[0], order(all)[0]]).toEqual(["a:1", "b:1", "c:1", "a:1"]);
  all.all[1].inFlight = 2;
  all.all[2].inFlight = 1;
  for (let i = 0; i < 3; i++) expect(order(all)).toEqual(["a:1", "c:1", "b:1"]);
});

test("requests that are not spread stay with one endpoint until it fails, and then with the next", () => {
  const { all, clock } = endpoints(...three);
  expect([order(all, false), order(all, false)]).toEqual([
    ["a:1", "b:1", "c:1"],
    ["a:1", "b:1", "c:1"],
  ]);
  all.failed(all.all[0], "gone");
  expect(order(all, false)).toEqual(["b:1", "c:1", "a:1"]);
  clock.now = 3_600_000;
  expect(order(all, false)[0]).toBe("b:1");
});

test("an endpoint that fails is left out for a second, twice as long with each probe that fails, at most a minute", () => {
  const { all, clock } = endpoints(...three);
  const outages = [];
  for (let i = 0; i < 8; i++) {
    all.failed(all.all[0], "gone");
    expect(order(all).at(-1)).toBe("a:1");
    outages.push(all.all[0].outUntil - clock.now);
    clock.now = all.all[0].outUntil;
    expect(order(all)[0]).toBe("a:1");
  }
  expect(outages).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
});

test("requests that fail together are one failure", () => {
  const { all } = endpoints(...three);
  for (let i = 0; i < 16; i++) all.failed(all.all[0], "gone");
  expect(all.all[0]).toMatchObject({ failures: 1, outUntil: 1000 });
});

test("one request probes an endpoint that was left out, the others wait for what becomes of it", () => {
  const { all, clock } = endpoints(...three);
  all.failed(all.all[0], "gone");
  clock.now = 1000;
  expect(order(all)[0]).toBe("a:1");
  all.all[0].inFlight = 1;
  expect(order(all).at(-1)).toBe("a:1");
  all.all[0].inFlight = 0;
  all.answered(all.all[0]);
  all.all[1].inFlight = all.all[2].inFlight = 1;
  expect(order(all)[0]).toBe("a:1");
});

test("when all have failed all are tried, the one that has been out longest first", () => {
  const { all, clock } = endpoints(...three);
  for (const [at, index] of [1, 0, 2].entries()) {
    clock.now = at;
    all.failed(all.all[index], "gone");
  }
  expect(order(all)).toEqual(["b:1", "a:1", "c:1"]);
});

test("the metric and the log say once that an endpoint fails, and that it answers again", () => {
  const { all, clock, shown, told } = endpoints("https://es-1:9200/base", "https://es-2:9200");
  expect([...shown]).toEqual([
    ["es-1:9200", 1],
    ["es-2:9200", 1],
  ]);
  all.failed(all.all[0], "gone");
  clock.now = 5000;
  all.failed(all.all[0], "gone");
  expect(shown.get("es-1:9200")).toBe(0);
  all.answered(all.all[0]);
  all.answered(all.all[0]);
  expect(shown.get("es-1:9200")).toBe(1);
  expect(told).toEqual([
    "es-1:9200: An endpoint fails; the others are asked meanwhile.",
    "es-1:9200: An endpoint answers again.",
  ]);
});

test("two endpoints of one host are told apart without their paths, which may hold a secret", () => {
  const { shown } = endpoints("https://hooks/secret-1", "https://hooks/secret-2");
  expect([...shown.keys()]).toEqual(["hooks", "hooks (2)"]);
});
