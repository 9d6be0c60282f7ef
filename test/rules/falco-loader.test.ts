import { describe, expect, it } from "vitest";
import { FalcoReader } from "../../src/rules/dialects/falco/reader.js";
import { show } from "../../src/rules/dialects/falco/syntax.js";
import { parseDocuments } from "../../src/rules/documents.js";
import { definitionsOnly, type ReaderContext } from "../../src/rules/reader.js";
import { falcoJson, hasFalcoData } from "./falco.js";

/** A case of Falco's unit tests, with what Falco says of its first document. */
interface Case {
  name: string;
  rules: string[];
  asserts: string[];
  falco_0_44_1_first_doc: { ok: boolean; errors: string[]; warnings: string[] };
}

/** Rules of the source syscall are left out here, so that nothing is said of what they ask and show. */
const ABOUT_SYSCALLS = [
  /^LOAD_NO_EVTTYPE/,
  /^LOAD_DEPRECATED_ITEM: (usage of deprecated field|due to the drop|%container)/,
];
/** And that is said, once. */
const OURS = "LOAD_UNKNOWN_SOURCE";
/** Plugins that Falco looks for after loading; the check of their versions is ours to do at once. */
const PLUGINS = new Set(["check_plugin_requirements_reject"]);

const kindOf = (message: string): string => /\b(LOAD_[A-Z_]+)/.exec(message)?.[1] ?? message;

/** Loads a document; what is told up to the first error is what Falco tells, which stops there. */
function load(text: string) {
  const warnings: string[] = [];
  const errors: string[] = [];
  const context: ReaderContext = {
    ...definitionsOnly(),
    refuse: (error) => errors.push(kindOf(error.message)),
    warn: (message) => {
      if (errors.length === 0) warnings.push(kindOf(message));
    },
  };
  const reader = new FalcoReader(context);
  const { documents } = parseDocuments("rules.yaml", text);
  for (const document of documents) if (reader.accepts(document)) reader.read(document);
  reader.rules();
  return { reader, errors, warnings: warnings.filter((kind) => kind !== OURS) };
}

describe.skipIf(!hasFalcoData)("rules files are loaded as Falco's own loader does", () => {
  const cases = falcoJson<Case[]>("golden/rule_loader_cases.json", []);
  it("has 94 cases", () => expect(cases).toHaveLength(94));

  for (const { name, rules, asserts, falco_0_44_1_first_doc: golden } of cases) {
    it(name, () => {
      const { reader, errors, warnings } = load(rules[0]);
      expect(errors.slice(0, 1)).toEqual(golden.errors.slice(0, 1).map(kindOf));
      const expected = golden.warnings.filter((warning) => !ABOUT_SYSCALLS.some((pattern) => pattern.test(warning)));
      expect(warnings.sort()).toEqual(expected.map(kindOf).sort());
      for (const [rule, condition] of compiledConditions(asserts)) {
        const syntax = reader.conditionOfRule(rule);
        expect(syntax && show(syntax)).toBe(condition);
      }
      const [rule] = reader.collector.rules.values();
      for (const [key, value] of describedRule(asserts))
        expect({ ...rule, condition: rule.condition.text, output: rule.output.text }).toHaveProperty(key, value);
    });
  }

  it("checks conditions in the cases", () => {
    expect(cases.flatMap(({ asserts }) => compiledConditions(asserts))).toHaveLength(23);
    expect(cases.flatMap(({ asserts }) => describedRule(asserts))).toHaveLength(10);
  });

  it("reports about plugins at once what Falco reports after loading", () => {
    const rejected = cases.filter(({ name }) => PLUGINS.has(name)).flatMap(({ rules }) => rules);
    expect(rejected.map((text) => load(text).errors).filter((errors) => errors.length > 0)).toEqual([
      ["LOAD_ERR_VALIDATE"],
      ["LOAD_ERR_VALIDATE"],
      ["LOAD_ERR_VALIDATE"],
    ]);
  });
});

/** `get_compiled_rule_condition("rule"), "…" "…"`: C++ text. */
function compiledConditions(asserts: readonly string[]): [rule: string, condition: string][] {
  return asserts.flatMap((assert): [string, string][] => {
    const found = /get_compiled_rule_condition\("([^"]+)"\), ((?:"(?:[^"\\]|\\.)*"\s*)+)\)/.exec(assert);
    return found ? [[found[1], text(found[2])]] : [];
  });
}

/** `rule_description["rules"][0]["info"]["key"]…, "value"`. */
function describedRule(asserts: readonly string[]): [key: string, value: string][] {
  return asserts.flatMap((assert): [string, string][] => {
    const found = /\["rules"\]\[0\]\["info"\]\["(\w+)"\].*?, ((?:"(?:[^"\\]|\\.)*"\s*)+)\)/.exec(assert);
    return found ? [[found[1], text(found[2])]] : [];
  });
}

function text(literals: string): string {
  return [...literals.matchAll(/"(?:[^"\\]|\\.)*"/g)].map(([literal]) => JSON.parse(literal)).join("");
}
