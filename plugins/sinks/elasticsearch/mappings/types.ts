/** Which server: Elasticsearch, or OpenSearch, which has `flat_object` and ISM instead of `flattened` and ILM. */
export type Distribution = "elasticsearch" | "opensearch";

/** Lucene takes no term longer than 32,766 bytes; 8,191 characters of four bytes stay below it. */
const LONGEST_TERM = 8191;

/** A value that is found whatever its length: what is left out of an index is a way around a rule. */
export const keyword = { type: "keyword", ignore_above: LONGEST_TERM };
export const text = { type: "text" };
export const date = { type: "date", ignore_malformed: true };

/** An object of which only the named fields are searchable. */
export const envelope = (properties: object) => ({ type: "object", dynamic: false, properties });

/**
 * An object with keys that users choose: one field, however many keys. OpenSearch's knows no bound for a value: a document with
 * one of more than 32,766 bytes is refused as it is, and stored in safe shape.
 */
export const free = (distribution: Distribution): object =>
  distribution === "opensearch"
    ? { type: "flat_object" }
    : { type: "flattened", ignore_above: LONGEST_TERM, depth_limit: 200 };
