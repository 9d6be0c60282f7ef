import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Document, isMap, isNode, isScalar, LineCounter, type Node, parseAllDocuments, visit } from "yaml";
import { AuditshipError, type Place } from "../plugin/index.js";

/** Larger rule files are refused, in bytes. */
const MAX_FILE = 16 * 1024 * 1024;
/** A document that uses YAML anchors more often than this is refused. */
const MAX_ALIASES = 1000;
const RULE_FILE = /\.(ya?ml|json)$/i;

/** Keys and indices that lead to a value in a document. */
export type Keys = readonly (string | number)[];

/** One YAML document of a rule file. */
export interface RuleDocument {
  readonly file: string;
  /**
   * The namespace of a resource that is watched in a cluster; definitions are visible within one namespace only. Undefined for
   * files.
   */
  readonly namespace?: string;
  readonly value: unknown;
  /** The value with numbers and booleans as they are spelt; null stays null. For dialects in which every value is text. */
  readonly spelling: unknown;
  /** The place of a value; if it does not exist, that of the nearest enclosing value that does. */
  place(keys: Keys): Place;
  /** The place of a character of the last key. */
  placeOfKey(keys: Keys, offset?: number): Place;
  /** The place of a character of a string value, however the string is quoted or folded. */
  placeIn(keys: Keys, offset: number): Place;
}

/**
 * The rule files that a path names: the file itself, or all .yaml, .yml and .json files below a directory, by name, links followed.
 * A pipe and the like counts only if it is named itself, because reading it may never end.
 * @param above real paths of the directories that lead here: a link back to one of them would be a circle
 */
export async function listFiles(path: string, above: readonly string[] = []): Promise<string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path];
    const real = await realpath(path);
    if (above.includes(real)) return [];
    const names = await readdir(path);
    // A ConfigMap's volume holds links into a directory whose name begins with `..`.
    const visible = names.filter((name) => !name.startsWith(".")).sort();
    const lists = visible.map(async (name) => {
      const below = join(path, name);
      const found = await stat(below).catch(() => undefined);
      if (found?.isDirectory()) return listFiles(below, [...above, real]);
      // A broken link is kept: reading it reports what is wrong.
      return RULE_FILE.test(name) && found?.isFile() !== false ? [below] : [];
    });
    return (await Promise.all(lists)).flat();
  } catch (error) {
    throw readError(path, error, "The rules");
  }
}

/** Reads a rule file, or another file that rules depend on (`what`). Throws AUDITSHIP_RULE_READ. */
export async function readRuleFile(file: string, what = "The rules"): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size > MAX_FILE) throw new Error(`it has ${size} bytes, more than ${MAX_FILE}`);
    return await readFile(file, "utf8");
  } catch (error) {
    throw readError(file, error, what);
  }
}

/** A message that fits a path from a configuration as well as one from a command. */
function readError(file: string, cause: unknown, what: string): AuditshipError {
  if (cause instanceof AuditshipError) return cause;
  const message = `${what} cannot be read: ${(cause as Error).message}. Check the path and the rights to it.`;
  return new AuditshipError("AUDITSHIP_RULE_READ", message, { file }, { cause });
}

/** The documents in a file's text, and the errors of those that cannot be parsed. */
export function parseDocuments(file: string, text: string): { documents: RuleDocument[]; errors: AuditshipError[] } {
  const lines = new LineCounter();
  const errors: AuditshipError[] = [];
  const documents: RuleDocument[] = [];
  try {
    for (const document of parseAllDocuments(text, { lineCounter: lines, prettyErrors: false }) as Document[]) {
      const [error] = document.errors;
      if (error) errors.push(yamlError(file, error.message, placeAt(file, lines, error.pos[0])));
      else if (document.contents !== null) documents.push(new YamlDocument(file, text, document, lines));
    }
  } catch (error) {
    errors.push(yamlError(file, (error as Error).message, { file }));
  }
  return { documents, errors };
}

/** A document that was read elsewhere: everything in it has the same place. */
export function documentOf(name: string, value: unknown, namespace?: string): RuleDocument {
  const place = () => ({ file: name });
  return { file: name, namespace, value, spelling: value, place, placeOfKey: place, placeIn: place };
}

function yamlError(file: string, reason: string, place: Place): AuditshipError {
  return new AuditshipError("AUDITSHIP_RULE_SYNTAX", `This is not valid YAML: ${reason}.`.replace(/\.\.$/, "."), {
    ...place,
    file,
  });
}

function placeAt(file: string, lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { file, line, column: col };
}

class YamlDocument implements RuleDocument {
  readonly value: unknown;
  private spelt: { value: unknown } | undefined;

  constructor(
    readonly file: string,
    private readonly text: string,
    private readonly document: Document,
    private readonly lines: LineCounter,
  ) {
    this.value = document.toJS({ maxAliasCount: MAX_ALIASES });
  }

  get spelling(): unknown {
    this.spelt ??= { value: this.spell() };
    return this.spelt.value;
  }

  private spell(): unknown {
    visit(this.document, {
      Scalar: (_, node) => {
        if (node.value !== null && typeof node.value !== "string") node.value = node.source ?? String(node.value);
      },
    });
    return this.document.toJS({ maxAliasCount: MAX_ALIASES });
  }

  place(keys: Keys): Place {
    for (let count = keys.length; count >= 0; count--) {
      const node = this.node(keys.slice(0, count));
      if (node?.range) return placeAt(this.file, this.lines, node.range[0]);
    }
    return { file: this.file };
  }

  placeOfKey(keys: Keys, offset = 0): Place {
    const parent = this.node(keys.slice(0, -1));
    const last = keys[keys.length - 1];
    const key = isMap(parent)
      ? parent.items.map((pair) => pair.key).find((found) => isScalar(found) && String(found.value) === String(last))
      : undefined;
    return isScalar(key) ? this.placeInNode(key, offset, keys) : this.place(keys);
  }

  placeIn(keys: Keys, offset: number): Place {
    return this.placeInNode(this.node(keys), offset, keys);
  }

  private placeInNode(node: Node | undefined, offset: number, keys: Keys): Place {
    if (!isScalar(node) || !node.range || typeof node.value !== "string") return this.place(keys);
    const [start, end] = node.range;
    const isBlock = node.type === "BLOCK_LITERAL" || node.type === "BLOCK_FOLDED";
    const isQuoted = node.type === "QUOTE_DOUBLE" || node.type === "QUOTE_SINGLE";
    const from = isBlock ? this.text.indexOf("\n", start) + 1 : start + (isQuoted ? 1 : 0);
    return placeAt(this.file, this.lines, skipInk(this.text, from, end, ink(node.value.slice(0, offset))));
  }

  private node(keys: Keys): Node | undefined {
    const found = keys.length === 0 ? this.document.contents : this.document.getIn(keys, true);
    return isNode(found) ? found : undefined;
  }
}

/** The number of characters that are not white space, which folding and indentation leave alone. */
function ink(text: string): number {
  return text.replace(/\s/g, "").length;
}

/** The offset in [from, to) of the first visible character after `count` others. */
function skipInk(text: string, from: number, to: number, count: number): number {
  let left = count;
  for (let i = from; i < to; i++) if (!/\s/.test(text[i]) && left-- === 0) return i;
  return Math.max(from, to - 1);
}
