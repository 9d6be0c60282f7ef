import { type CloudEvent, HTTP } from "cloudevents";
import { expect, test } from "vitest";
import { event, receiver, request, signal, sink } from "./webhook-receiver.js";

/** What the CloudEvents SDK makes of what a receiver got. */
async function parsed(options: object): Promise<{ events: CloudEvent<unknown>[][]; ids: string[] }> {
  const { url, received } = await receiver();
  const hook = await sink({ url, format: "cloudevents", ...options });
  const sent = request(hook, [event("a"), event("b")]);
  await hook.send(sent, signal);
  const events = received.map(({ headers, body }) => [HTTP.toEvent({ headers, body: body.toString() })].flat());
  return { events: events as CloudEvent<unknown>[][], ids: sent.ids };
}

test.each([
  [true, [2]],
  [false, [1, 1]],
])("the CloudEvents SDK takes what is posted in batches (%s), and finds it valid", async (batch, counts) => {
  const { events, ids } = await parsed({ batch });
  expect(events.map((each) => each.length)).toEqual(counts);
  const all = events.flat();
  expect(all.map((each) => each.validate())).toEqual([true, true]);
  expect(all.map(({ id }) => id)).toEqual(ids);
  expect(all).toMatchObject(
    ["a", "b"].map((auditID) => ({
      specversion: "1.0",
      type: "io.k8s.audit.event",
      source: "/auditship/prod%201/cp-1/apiserver",
      datacontenttype: "application/json",
      data: event(auditID),
    })),
  );
  expect(all.map(({ time }) => Date.parse(time!))).toEqual([1795219200000, 1795219200000]);
});
