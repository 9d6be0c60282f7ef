import { dirname, resolve } from "node:path";
import { z } from "zod";
import { rulesSchema } from "../config/schema.js";
import { AuditshipError, type Place } from "../plugin/index.js";
import { parseDocuments, type RuleDocument, readRuleFile } from "../rules/index.js";

/** A match that a test expects: what it says of one must be so, of the rest anything may. */
export interface ExpectedMatch {
  readonly rule: string;
  /** Number of the event in the test, from 1. */
  readonly n?: number;
  /** Members as `match` prints them. */
  readonly [member: string]: unknown;
}

export interface RuleTest {
  readonly name: string;
  readonly place: Place;
  /** Audit files. */
  readonly files: readonly string[];
  /** JSON texts, after those in files. */
  readonly events: readonly string[];
  /** Matches of other rules do not count. */
  readonly only?: readonly string[];
  /** All matches, in the order of events. */
  readonly expect: readonly ExpectedMatch[];
}

/** The tests of one document, and the rules that they are of. */
export interface TestSuite {
  readonly file: string;
  readonly rules: z.infer<typeof rulesSchema> | undefined;
  readonly tests: readonly RuleTest[];
}

const list = <Item extends z.ZodType>(item: Item) => z.union([z.array(item), item.transform((one) => [one])]);

/** Members of a line of `match`'s output. */
const expectedSchema = z.union([
  z.string().transform((rule) => ({ rule })),
  z.strictObject({
    rule: z.string(),
    n: z.number().int().positive().optional(),
    auditID: z.string().nullable().optional(),
    stage: z.string().nullable().optional(),
    resource: z.string().optional(),
    dialect: z.string().optional(),
    priority: z.string().optional(),
    actions: z.array(z.string()).optional(),
    message: z.string().optional(),
    time: z.string().optional(),
    fields: z.record(z.string(), z.unknown()).optional(),
    tags: z.array(z.string()).optional(),
  }),
]);

const testSchema = z.strictObject({
  name: z.string(),
  files: list(z.string()).default([]),
  events: list(z.union([z.string(), z.record(z.string(), z.unknown())])).default([]),
  only: list(z.string()).optional(),
  expect: list(expectedSchema),
});

/** Rules as paths alone, or as the configuration has them. */
const ruleSectionSchema = z.union([rulesSchema, list(z.string()).transform((paths) => rulesSchema.parse({ paths }))]);

const suiteSchema = z.strictObject({
  rules: ruleSectionSchema.optional(),
  tests: z.array(testSchema).min(1),
});

/**
 * Reads a file of tests (docs/rules.md, "Testing rules"). Paths are relative to it.
 * @throws AuditshipError AUDITSHIP_INPUT with the place of what is wrong
 */
export async function readTestFile(file: string): Promise<TestSuite[]> {
  const { documents, errors } = parseDocuments(
    file,
    await readRuleFile(file).catch(({ cause }) => fail(`the tests cannot be read: ${cause.message}.`, { file })),
  );
  for (const { message, place } of errors) fail(message, place);
  if (documents.length === 0) fail("there are no tests in it.", { file });
  return documents.map((document) => readSuite(file, document));
}

function readSuite(file: string, document: RuleDocument): TestSuite {
  const parsed = suiteSchema.safeParse(document.value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const path = issue.path.filter((key) => typeof key !== "symbol");
    return fail(`${path.join(".") || "this"} is not as a test's file has it (${issue.message}).`, document.place(path));
  }
  const { rules, tests } = parsed.data;
  const absolute = (path: string) => resolve(dirname(file), path);
  return {
    file,
    rules: rules && { ...rules, paths: rules.paths.map(absolute) },
    tests: tests.map((test, index) => ({
      ...test,
      files: test.files.map(absolute),
      events: test.events.map((event) =>
        typeof event === "string" ? event.replace(/\n+/g, " ") : JSON.stringify(event),
      ),
      place: document.place(["tests", index, "name"]),
    })),
  };
}

function fail(message: string, place: Place): never {
  throw new AuditshipError("AUDITSHIP_INPUT", message, place);
}
