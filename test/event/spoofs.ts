/** Events whose client would like to be taken for somebody else: bodies, texts and keys that look like an event's own members. */

/** What kube-apiserver would write for a client that sends `body`, with other client-made texts. */
export const eventLine = (body: string, texts: { uri?: string; agent?: string; id?: string; tail?: string } = {}) =>
  `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"${texts.id ?? "id-1"}",` +
  `"stage":"ResponseComplete","requestURI":"${texts.uri ?? "/api/v1/pods"}","verb":"create",` +
  `"user":{"username":"mallory","groups":["system:authenticated"]},"sourceIPs":["10.0.0.1"],` +
  `"userAgent":"${texts.agent ?? "curl"}","objectRef":{"resource":"pods","namespace":"default","name":"p","apiVersion":"v1"},` +
  `"responseStatus":{"metadata":{},"code":201},"requestObject":${body},"responseObject":${body},` +
  `"requestReceivedTimestamp":"2024-05-01T02:03:04.000000Z","stageTimestamp":"2024-05-01T02:03:05.000000Z",` +
  `"annotations":{"authorization.k8s.io/decision":"allow"}${texts.tail ?? ""}}`;

/** A tail of an event as a client would like it to be. */
const FAKE_TAIL =
  ',"requestReceivedTimestamp":"1999-01-01T00:00:00Z","stageTimestamp":"1999-01-01T00:00:00Z","annotations":{}}';
const quoted = (text: string) => JSON.stringify(text);

export const SPOOFS: readonly (readonly [what: string, text: string])[] = [
  ["a verb in a body", eventLine('{"verb":"get","user":{"username":"admin"},"auditID":"other","stage":"Panic"}')],
  ["a whole event in a body", eventLine(eventLine('{"verb":"get"}'))],
  ["a whole event as text in a body", eventLine(`{"data":{"x":${quoted(eventLine('{"verb":"get"}'))}}}`)],
  ["an EventList in a body", eventLine('{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{"verb":"get"}]}')],
  ["items in a body", eventLine('{"items":[{"verb":"get"}]}')],
  ["an array of events as a body (JSON patch)", eventLine('[{"verb":"get"},{"auditID":"x"}]')],
  ["the tail of an event as text", eventLine(`{"a":${quoted(FAKE_TAIL)}}`)],
  ["the tail of an event as a key", eventLine(`{${quoted(FAKE_TAIL)}:1}`)],
  ["the tail of an event as members", eventLine(`{"a":{"b":1${FAKE_TAIL}}`)],
  [
    "the tail of an event without the quote's escape's backslash",
    eventLine(`{"a":"\\\\","b":"x${FAKE_TAIL.replaceAll('"', "\\u0022")}"}`),
  ],
  ["members in the URI", eventLine("{}", { uri: '/x?\\",\\"verb\\":\\"get\\",\\"a\\":\\"' })],
  ["escaped quotes in the user agent", eventLine("{}", { agent: "\\u0022,\\u0022verb\\u0022:\\u0022get" })],
  ["backslashes at the end of the user agent", eventLine("{}", { agent: "\\\\\\\\" })],
  ["members in the Audit-ID", eventLine("{}", { id: '\\",\\"stage\\":\\"Panic' })],
  ["brackets in strings", eventLine('{"a":"}}}]]]","b":"{{{[[["}')],
  ["braces in keys", eventLine('{"}":{"{":1},"]":["["]}')],
  [
    "keys of an object's prototype",
    eventLine('{"__proto__":{"verb":"get"},"constructor":{"prototype":{}},"toString":1}'),
  ],
  ["escaped keys in a body", eventLine('{"\\u0076erb":"get","\\u0075ser":{"username":"admin"}}')],
  [
    "look-alikes of keys",
    eventLine("{}", { tail: ',"Verb ":"get"," verb":"get","verb\\u0000":"get","vеrb":"get","VERB":"get"' }),
  ],
  ["a long unknown key that ends like a known one", eventLine("{}", { tail: `,"${"x".repeat(65_536)}verb":"get"` })],
  ["nulls and numbers for a body", eventLine("null")],
  ["an empty body", eventLine('""')],
  ["raw bytes that are no text", eventLine('"\u007f\u2028\u2029"')],
];
