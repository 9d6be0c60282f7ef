import { describe, expect, test } from "vitest";
import { mappings } from "../../../plugins/sinks/elasticsearch/mappings.js";

interface Mapping {
  type?: string;
  dynamic?: boolean;
  properties?: Record<string, Mapping>;
  fields?: Record<string, Mapping>;
  ignore_above?: number;
}

/** All fields of a mapping with their paths, objects and `.keyword` too: as a server counts them. */
function fieldsOf({ properties = {}, fields = {} }: Mapping, prefix = ""): [path: string, mapping: Mapping][] {
  return Object.entries({ ...properties, ...fields }).flatMap(([name, mapping]) => [
    // A name with dots stands for objects in objects.
    ...name
      .split(".")
      .slice(1)
      .map((_, n): [string, Mapping] => [`${prefix}${name}#${n}`, { type: "object", dynamic: false }]),
    [prefix + name, mapping],
    ...fieldsOf(mapping, `${prefix}${name}.`),
  ]);
}

describe.each(["native", "kubesphere", "ecs"] as const)("the template of shape %s", (shape) => {
  test("has less than 200 fields on each kind of server, and takes no other", () => {
    for (const distribution of ["elasticsearch", "opensearch"] as const) {
      const mapping: Mapping = mappings(shape, distribution);
      const fields = fieldsOf(mapping);
      expect(fields.length).toBeLessThan(200);
      expect(mapping.dynamic).toBe(false);
      for (const [path, { type, dynamic, ignore_above }] of fields) {
        expect([path, type]).toEqual([path, expect.any(String)]);
        if (type === "object") expect([path, dynamic]).toEqual([path, false]);
        // A long URI or user agent would else be a way around whoever searches.
        if (type === "keyword") expect([path, ignore_above]).toEqual([path, 8191]);
      }
    }
  });
});

// The fields that KubeSphere's query builder names: pkg/simple/client/auditing/elasticsearch/elasticsearch.go, release-3.4.
test.each([
  ...["ObjectRef.Namespace", "Workspace", "ObjectRef.Name", "Verb", "Level", "SourceIPs", "User.Username"],
  ...["User.Groups", "ObjectRef.Resource", "ObjectRef.Subresource", "ResponseStatus.status", "AuditID"],
])("the template of shape kubesphere has %s as words and as a whole", (path) => {
  const fields = new Map(fieldsOf(mappings("kubesphere", "elasticsearch")));
  expect(fields.get(path)?.type).toBe("text");
  expect(fields.get(`${path}.keyword`)?.type).toBe("keyword");
});

test("the template of shape kubesphere has times and the status code as such", () => {
  const fields = new Map(fieldsOf(mappings("kubesphere", "elasticsearch")));
  expect(fields.get("RequestReceivedTimestamp")?.type).toBe("date");
  expect(fields.get("ResponseStatus.code")?.type).toBe("integer");
});
