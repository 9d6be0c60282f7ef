import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ByteWriter,
  type EventView,
  Flag,
  MessageTemplate,
  parseTime,
  type SendingSink,
} from "../../../src/plugin/index.js";
import { eventText, fieldOf, itemsOf } from "../../event/oracle.js";
import { hasSamples, load, sample, spanOf } from "../../event/support.js";
import { event as ruleEvent } from "../../rules/arbitraries.js";
import { stored } from "../../support/stored.js";
import { elasticsearchAt, match } from "../support.js";
import { asText, documentOf, documentText, likeText, shape } from "./support.js";

const kubesphere = shape("kubesphere");
const document = (line: string, prepare?: (batch: ReturnType<typeof load>) => void) => {
  const batch = load(`${line}\n`);
  prepare?.(batch);
  return documentOf(kubesphere, batch.at(0));
};

const POD =
  '{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"a-1","stage":"ResponseComplete",' +
  '"requestURI":"/api/v1/namespaces/shop/pods/web/exec?command=sh","verb":"CREATE","user":{"username":"ann","uid":"u-1",' +
  '"groups":["dev","system:authenticated"],"extra":{"scopes":["openid"]}},"impersonatedUser":{"username":"root","groups":["system:masters"]},' +
  '"sourceIPs":["10.0.3.17","192.168.1.2"],"userAgent":"kubectl/v1.30","objectRef":{"resource":"pods","namespace":"shop","name":"web",' +
  '"apiVersion":"v1","subresource":"exec"},"responseStatus":{"metadata":{},"code":201},"requestObject":{"spec":{"a":"\\"b\\\\"}},' +
  '"responseObject":[1.0],"requestReceivedTimestamp":"2026-11-21T23:59:59.999999Z","stageTimestamp":"2026-11-22T00:10:00.000000Z",' +
  '"annotations":{"authorization.k8s.io/decision":"allow"}}';

const BODY = '{"spec":{"a":"\\"b\\\\"}}';

describe("a document in shape kubesphere", () => {
  it("has names with a capital, groups and addresses joined, bodies as text, and all that KubeSphere's own has", () => {
    const { auditship, ...rest } = document(POD, (batch) => {
      batch.annotate(0, "workspace", "team-a");
      batch.annotate(0, "devops", "build");
    });
    expect(rest).toEqual({
      kind: "Event",
      apiVersion: "audit.k8s.io/v1",
      Level: "RequestResponse",
      AuditID: "a-1",
      Stage: "ResponseComplete",
      RequestURI: "/api/v1/namespaces/shop/pods/web/exec?command=sh",
      UserAgent: "kubectl/v1.30",
      Verb: "create",
      User: { Username: "ann", UID: "u-1", Groups: "dev,system:authenticated", Extra: '{"scopes":["openid"]}' },
      ImpersonatedUser: { Username: "root", UID: "", Groups: "system:masters" },
      SourceIPs: "10.0.3.17,192.168.1.2",
      ObjectRef: {
        Resource: "pods",
        Namespace: "shop",
        Name: "web",
        UID: "",
        APIGroup: "",
        APIVersion: "v1",
        ResourceVersion: "",
        Subresource: "exec",
      },
      ResponseStatus: { metadata: {}, code: 201 },
      RequestObject: '{"spec":{"a":"\\"b\\\\"}}',
      ResponseObject: "[1.0]",
      Annotations: '{"authorization.k8s.io/decision":"allow"}',
      RequestReceivedTimestamp: "2026-11-21T23:59:59.999999Z",
      StageTimestamp: "2026-11-22T00:10:00.000000Z",
      Devops: "build",
      Workspace: "team-a",
      Cluster: "prod-1",
      Message: "",
      "@timestamp": "2026-11-22T00:10:00.000000Z",
    });
    expect(auditship).toMatchObject({ workspace: "team-a", source: "apiserver", offset: 0 });
  });

  it("of a request for no resource has empty texts where the console asks for them", () => {
    const { ObjectRef, Workspace, ResponseStatus, ImpersonatedUser } = document(
      '{"auditID":"a","stage":"RequestReceived","requestURI":"/healthz","verb":"get","requestReceivedTimestamp":"2026-11-21T00:00:00.000000Z"}',
    );
    expect([ObjectRef.Namespace, ObjectRef.Name, ObjectRef.Resource, Workspace]).toEqual(["", "", "", ""]);
    expect([ResponseStatus, ImpersonatedUser]).toEqual([null, null]);
  });

  it("goes to the day on which the request was received", () => {
    const day = (line: string) => kubesphere.day(load(line).at(0));
    expect(day(POD)).toBe("2026.11.21");
    expect(day(POD.replace("2026-11-21T23:59:59.999999Z", "2026-11-22T00:00:00.000000Z"))).toBe("2026.11.22");
    expect(day(POD.replace("2026-11-21T23:59:59.999999Z", "2026-11-22T01:30:00+02:00"))).toBe("2026.11.21");
    expect(day(POD.replace("2026-11-21T23:59:59.999999Z", "soon"))).toBe("2026.11.22");
  });

  it("is sent with the id of the event into the index that the console searches", async () => {
    const sink = elasticsearchAt("http://127.0.0.1:1", { shape: "kubesphere" }) as SendingSink;
    const event = load(POD).at(0);
    const out = new ByteWriter();
    sink.encode(event, out);
    const [action, text] = Buffer.from(out.view()).toString().split("\n");
    const index = "ks-logstash-auditing-2026.11.21";
    expect(JSON.parse(action)).toEqual({ create: { _index: index, _id: event.id() } });
    expect(JSON.parse(text).AuditID).toBe("a-1");
  });

  it("has a time of the request even where the event has none", () => {
    const times = ({ RequestReceivedTimestamp, StageTimestamp }: Record<string, string>) => [
      RequestReceivedTimestamp,
      StageTimestamp,
    ];
    expect(times(document('{"timestamp":"2018-05-01T02:03:05Z"}'))).toEqual(Array(2).fill("2018-05-01T02:03:05.000Z"));
    expect(times(document('{"requestReceivedTimestamp":7,"stageTimestamp":"2018-05-01T02:03:05+02:00"}'))).toEqual([
      "2018-05-01T00:03:05.000Z",
      "2018-05-01T02:03:05+02:00",
    ]);
  });

  it("has the messages of its rules as its message", () => {
    const withMessages = (...messages: string[]) =>
      document(POD, (batch) => {
        for (const text of messages) batch.addMatch(0, match({ message: () => text }));
      }).Message;
    expect(withMessages("one")).toBe("one");
    expect(withMessages("", 'two "quoted"', "three\n", "")).toBe('; two "quoted"; three\n; ');
    const own = match({ template: new MessageTemplate(["as bytes"]) });
    expect(document(POD, (batch) => [own, own].map((each) => batch.addMatch(0, each))).Message).toBe(
      "as bytes; as bytes",
    );
  });

  it("keeps what KubeSphere's own line says of the place and of the rule", () => {
    const line =
      '{"AuditID":"a","Verb":"enable","Workspace":"theirs","Devops":"d","Cluster":"member","Message":"m","User":{"username":"ann"}}';
    const found = document(line, (batch) => batch.annotate(0, "workspace", "ours"));
    expect(found).toMatchObject({ AuditID: "a", Verb: "enable", Workspace: "theirs", Devops: "d", Cluster: "member" });
    expect([found.Message, found.User.Username]).toEqual(["m", "ann"]);
  });

  it("shows nothing that was redacted", () => {
    const batch = load(POD.replace('"dev"', '"s1"').replace(BODY, '{"a":"s2"}').replace("/shop/", "/s3/"));
    batch.edit(0, ...spanOf(batch, '"/api/v1/namespaces/s3/pods/web/exec?command=sh"'), Buffer.from('"/hidden"'));
    batch.edit(0, ...spanOf(batch, '"s1"'), Buffer.from('"h1"'));
    batch.edit(0, ...spanOf(batch, '{"a":"s2"}'), Buffer.from('"redacted: unreadable"'));
    const text = documentText(kubesphere, batch.at(0));
    expect(text).not.toMatch(/s1|s2|s3/);
    const { RequestURI, User, RequestObject } = JSON.parse(text);
    expect([RequestURI, User.Groups, RequestObject]).toEqual([
      "/hidden",
      "h1,system:authenticated",
      "redacted: unreadable",
    ]);
  });

  it("of an invalid line is our report of it", () => {
    const batch = load('{"half\n');
    expect(documentOf(kubesphere, batch.at(0)).auditship.invalid.reason).toBe("syntax");
  });

  it.each<[string, (line: string) => EventView]>([
    ["a random event", (line) => load(`${line}\n`).at(0)],
    ["a random event from a dead letter", (line) => stored(load(`${line}\n`).at(0))],
  ])("of %s is what JSON.parse says it is", (_, view) => {
    fc.assert(
      fc.property(fc.oneof(eventText, ruleEvent), (text) => {
        fc.pre(itemsOf(JSON.parse(text)) === undefined);
        const event = view(text);
        const written = documentOf(kubesphere, event);
        for (const [path, expected] of Object.entries(oracle(JSON.parse(text), event))) {
          const [head, tail] = path.split(".");
          const value = tail === undefined ? written[head] : written[head]?.[tail];
          expect([path, likeText(value, expected)]).toEqual([path, expected]);
        }
        const safe = documentOf(kubesphere, event, "why");
        expect(safe.auditship.safeShape).toBe("why");
        expect({ ...safe, auditship: 0, ResponseStatus: 0 }).toEqual({ ...written, auditship: 0, ResponseStatus: 0 });
      }),
      { numRuns: 150 },
    );
  });
});

/** What a document is to hold, by path: built from the parsed event, without a look at bytes. */
function oracle(line: unknown, view: EventView): Record<string, unknown> {
  const field = (path: string) => fieldOf(line, path);
  const members: Record<string, unknown> = {
    kind: asText(field("kind")),
    apiVersion: asText(field("apiVersion")),
    Level: asText(field("level")),
    AuditID: asText(field("auditID")),
    Stage: asText(field("stage")),
    RequestURI: asText(field("requestURI")),
    UserAgent: asText(field("userAgent")),
    "User.Username": asText(field("user.username")),
    "User.UID": asText(field("user.uid")),
    RequestObject: asText(field("requestObject")),
    ResponseObject: asText(field("responseObject")),
    Annotations: asText(field("annotations")),
    Devops: field("Devops") ?? "",
    Workspace: field("Workspace") ?? "",
    Cluster: field("Cluster") === undefined ? "prod-1" : undefined,
    Message: asText(field("Message")),
    "ObjectRef.Subresource": asText(field("objectRef.subresource")),
    "ObjectRef.Namespace": asText(field("objectRef.namespace")),
    "ObjectRef.APIGroup": asText(field("objectRef.apiGroup")),
    "@timestamp": undefined,
  };
  const verb = field("verb");
  if (typeof verb === "string") members.Verb = verb.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const lists = { SourceIPs: field("sourceIPs"), "User.Groups": field("user.groups") };
  for (const [path, list] of Object.entries(lists)) {
    if (!Array.isArray(list)) members[path] = asText(list);
    else if (list.every((item) => typeof item === "string")) members[path] = list.join();
  }
  const received = field("requestReceivedTimestamp");
  members.RequestReceivedTimestamp = isTime(received) ? received : new Date(view.timeMs()).toISOString();
  expect(view.flags() & Flag.invalid).toBe(0);
  for (const path of Object.keys(members)) if (members[path] === undefined) delete members[path];
  // Anything but a text there is none.
  for (const name of ["Devops", "Workspace", "Cluster"])
    if (typeof (field(name) ?? "") !== "string") delete members[name];
  return members;
}

function isTime(value: unknown): boolean {
  if (typeof value !== "string") return false;
  const bytes = Buffer.from(value);
  return !Number.isNaN(parseTime(bytes, 0, bytes.length));
}

describe.skipIf(!hasSamples)("KubeSphere's own document", () => {
  const line = (name: string) => JSON.stringify(JSON.parse(sample(`kubesphere/${name}`).toString()));
  const theirs = (name: string) => JSON.parse(sample(`kubesphere/${name}`).toString());
  /** What we keep beyond theirs. */
  const MORE = ["@timestamp", "auditship", "Annotations", "ImpersonatedUser", "UserAgent"];

  function compare(ours: Record<string, unknown>, expected: Record<string, unknown>, message = ""): void {
    expect(Object.keys(ours).sort()).toEqual([...Object.keys(expected), ...MORE].sort());
    for (const [key, value] of Object.entries(expected)) {
      if (key.endsWith("Timestamp")) {
        // Go's RFC 3339 leaves out zeros at the end of the fraction.
        expect((ours[key] as string).replace(/\.?0+Z$/, "Z")).toBe(value);
      } else if (key === "Message") expect(ours[key]).toBe(message);
      else if (key === "User") expect({ ...(ours[key] as object), Extra: undefined }).toEqual(value);
      else expect([key, ours[key]]).toEqual([key, value]);
    }
  }

  it.each(["sample-1.kube-apiserver-audit-line.json", "sample-1.struct.json"])(
    "is ours too, of the event in %s",
    (name) => {
      const batch = load(line(name));
      const expected = theirs("sample-1.archived-stdout.json");
      batch.annotate(0, "workspace", "dev");
      batch.addMatch(0, match({ message: () => expected.Message }));
      compare(documentOf(shape("kubesphere", { cluster: "" }), batch.at(0)), expected, expected.Message);
    },
  );

  it("of a request for no resource is ours too, but for its objectRef, which the console would not find", () => {
    const expected = theirs("sample-3.nonresource.archived-stdout.json");
    const event = {
      kind: "Event",
      apiVersion: "audit.k8s.io/v1",
      level: "Metadata",
      auditID: "x",
      stage: "ResponseComplete",
      requestURI: "/healthz?timeout=1s",
      verb: "get",
      user: { username: "system:anonymous", groups: ["system:unauthenticated"] },
      sourceIPs: ["10.0.0.1"],
      responseStatus: { metadata: {}, status: "Failure", message: "forbidden", reason: "Forbidden", code: 403 },
      requestReceivedTimestamp: "2024-05-01T02:03:05.000000Z",
      stageTimestamp: "2024-05-01T02:03:05.000001Z",
    };
    const ours = documentOf(shape("kubesphere", { cluster: "" }), load(JSON.stringify(event)).at(0));
    expect([expected.ObjectRef, ours.ObjectRef.Namespace]).toEqual([null, ""]);
    compare({ ...ours, ObjectRef: null }, expected);
  });

  it("comes out again as it went in", () => {
    const expected = theirs("sample-1.archived-stdout.json");
    const ours = documentOf(kubesphere, load(line("sample-1.archived-stdout.json")).at(0));
    compare({ ...ours, Cluster: "" }, expected, expected.Message);
  });
});
