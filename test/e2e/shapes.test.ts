import { beforeAll, describe, expect, test } from "vitest";
import { SEARCH_SERVERS } from "./search-server.js";
import { Shipping } from "./shipping.js";

const HEAD =
  '{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","stage":"ResponseComplete","verb":"create",' +
  '"requestReceivedTimestamp":"2026-11-21T00:00:00.000001Z","stageTimestamp":"2026-11-21T00:00:00.000002Z"';
const USER = ',"user":{"username":"ann","groups":["dev"]},"sourceIPs":["10.0.0.1"]';
const POD = ',"objectRef":{"resource":"pods","namespace":"shop","name":"x"}';
const CREATED = ',"responseStatus":{"metadata":{},"code":201}';
const DECISION = ',"annotations":{"authorization.k8s.io/decision":"allow"}';
const USUAL = USER + POD + CREATED + DECISION;

const request = (body: string) => `${USUAL},"requestObject":${body}`;
const response = (body: string) => `${USUAL},"responseObject":${body}`;
const deep = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
const LONG = "x".repeat(33_000);

/** What a client, an extension or another writer may put into an event; each is to be found by its envelope. */
const HOSTILE: Record<string, string> = {
  "a JSON patch": request('[{"op":"replace","path":"/spec/type","value":{"a":[1]}},{"op":"remove","path":"/x"}]'),
  "a merge patch of null": request('{"spec":{"containers":null}}'),
  "a text for a body": request('"patch"'),
  "label keys with dots and slashes": request(
    '{"metadata":{"labels":{"app":"x","app.kubernetes.io/name":"y","app.kubernetes.io":"z"}},"spec":{"containers":[{"image":"nginx"}]}}',
  ),
  "managed fields": request('{"metadata":{"managedFields":[{"fieldsV1":{"f:a":{".":{},"k:{\\"a\\":1}":{}}}}]}}'),
  "a status that is an object": response('{"kind":"Pod","status":{"phase":"Running","conditions":[{"a":1}]}}'),
  "a status that is a text": response('{"kind":"Status","status":"Failure","code":403}'),
  "5,000 label keys": request(`{"metadata":{"labels":{${Array.from({ length: 5000 }, (_, n) => `"k${n}.a":"v"`)}}}}`),
  "a term of 33 KB": request(`{"a":"${LONG}","spec":{"type":"${LONG}"}}`),
  "a term of 33 KB in four-byte letters": request(`{"a":"${"😀".repeat(8250)}"}`),
  "a body 100 deep": request(deep(100)),
  "a body 10,000 deep": request(deep(10_000)),
  "lists 10,000 deep": request(`{"spec":{"containers":${"[".repeat(10_000)}${"]".repeat(10_000)}}}`),
  "a key twice": request('{"a":1,"a":2,"spec":{"type":1,"type":2}}'),
  "half a surrogate pair": `${USUAL},"requestURI":"/\\ud800","requestObject":{"a":"\\ud800","\\udc00":1}`,
  "a NUL": `${USUAL},"userAgent":"a\\u0000b","requestObject":{"a\\u0000b":"\\u0000"}`,
  "empty names": request('{"":{"":1}}'),
  "names of dots": request('{"..":1,"spec":{"a..b":1,".":{"..":2}}}'),
  "numbers that no one else can read": request('{"a":1e999,"b":12345678901234567890123,"spec":{"type":1e400}}'),
  "a custom resource with fields of a pod": request(
    '{"spec":{"containers":"all","type":{"a":1},"volumes":[["x"]]},"rules":7}',
  ),
  "an objectRef with numbers": `${USER},"objectRef":{"name":7,"namespace":null}${CREATED}`,
  "a status code that is no number": `${USER}${POD},"responseStatus":{"code":"twenty","status":{"a":1}}`,
  "a code out of range": `${USER}${POD},"responseStatus":{"code":123456789012345}`,
  "user, objectRef and status that are texts":
    ',"user":"ann","objectRef":"x","responseStatus":"ok","annotations":"none"',
  "no user, objectRef or status": "",
  "a request for no resource": `${USER},"requestURI":"/healthz?verbose"`,
  "an envelope of 33 KB": `,"user":{"username":"${LONG}","groups":["${LONG}"]},"userAgent":"${LONG}","requestURI":"/${LONG}"`,
  "annotations of 33 KB, not of texts": `${USER},"annotations":{"a":"${LONG}","b.c":{"d":1},"b_c":[1]}`,
  "extra of a user that is no object of lists":
    ',"user":{"username":"ann","extra":{"authentication.kubernetes.io":1,"arn":{"a":1}}}',
  "addresses that are none": ',"sourceIPs":["nowhere",7,null]',
  "an item of its own": `${USUAL},"mine":{"a.b":1},"@timestamp":"1999-01-01T00:00:00Z","auditship":{"offset":"x"}`,
};

/** Bytes that are no UTF-8, in a body. */
const NOT_UTF8 = Buffer.concat([
  Buffer.from(`${HEAD},"auditID":"bytes"${request('{"a":"')}`),
  Buffer.from([0xff, 0xfe, 0xc3]),
  Buffer.from('"}}'),
]);

/** Finds an event by its id, as the readers of a shape do. */
const BY_ID = {
  native: (id: string) => ({ bool: { filter: [{ term: { auditID: id } }, { term: { verb: "create" } }] } }),
  kubesphere: (id: string) => ({
    bool: { filter: [{ match_phrase: { "AuditID.keyword": id } }, { match_phrase: { "Verb.keyword": "create" } }] },
  }),
  ecs: (id: string) => ({
    bool: { filter: [{ match: { "kubernetes.audit.auditID": id } }, { match: { "event.action": "create" } }] },
  }),
};

for (const server of SEARCH_SERVERS) {
  for (const [shape, byId] of Object.entries(BY_ID)) {
    describe.skipIf(!server.url)(`${server.name}, shape ${shape}`, () => {
      const index = `shapes-${process.pid}-${shape}`;
      let shipping: Shipping;
      let refused: number;

      beforeAll(async () => {
        shipping = await Shipping.to(server, `${index}-{date}`, shape);
        const lines = Object.entries(HOSTILE).map(
          ([what, members]) => `${HEAD},"auditID":${JSON.stringify(what)}${members}}`,
        );
        refused = await shipping.ship([...lines, NOT_UTF8]);
      });

      test("refuses no event for good", () => {
        expect(refused).toBe(0);
      });

      test.each([...Object.keys(HOSTILE), "bytes"])("finds the event with %s by its envelope", async (what) => {
        const [found, ...more] = await shipping.find(byId(what));
        expect(more).toEqual([]);
        expect(found["@timestamp"]).toBe("2026-11-21T00:00:00.000002Z");
        expect(found.auditship).toMatchObject({ source: "apiserver", offset: expect.any(Number) });
      });

      test("takes usual events as they are, not in safe shape", async () => {
        const usual = ["label keys with dots and slashes", "managed fields", "a JSON patch", "5,000 label keys"];
        const others = ["a status that is an object", "a status that is a text", "a request for no resource"];
        for (const what of [...usual, ...others]) {
          const [found] = await shipping.find(byId(what));
          expect([what, (found.auditship as { safeShape?: string }).safeShape]).toEqual([what, undefined]);
        }
      });
    });
  }
}
