import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, visit } from "yaml";
import { AuditshipError, type Place } from "../plugin/error.js";

/** Keys and indices from the top of a document to one of its values. */
export type Path = readonly PropertyKey[];

/** Environment variables, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

interface Found {
  key?: Node;
  value?: Node;
  /** Steps of the path that were there. */
  depth: number;
}

/** A YAML document that knows the place of each of its keys and values. */
export class PlacedDocument {
  /** What is wrong with the text itself and with its variables. */
  readonly errors: AuditshipError[] = [];
  readonly #document: Document;
  readonly #lines = new LineCounter();
  readonly #file: string;
  readonly #substituted = new Set<Node>();

  /** Parses `text` and replaces `${NAME}` in its string values. `file` is only a name for {@link Place}. */
  constructor(
    readonly text: string,
    file: string,
    env: Environment,
  ) {
    this.#file = file;
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
    for (const error of this.#document.errors) {
      this.errors.push(new AuditshipError("AUDITSHIP_CONFIG_SYNTAX", `${error.message}.`, this.#at(error.pos[0])));
    }
    if (this.errors.length === 0) this.#substitute(env);
  }

  /** The values as plain data. */
  data(): unknown {
    try {
      return this.#document.toJS() ?? {};
    } catch (error) {
      // Aliases that expand without end ("billion laughs"), or name no anchor.
      this.errors.push(
        new AuditshipError("AUDITSHIP_CONFIG_SYNTAX", `${(error as Error).message}.`, { file: this.#file }),
      );
      return {};
    }
  }

  /** True if there is a value at `path`. */
  has(path: Path): boolean {
    return this.#find(path).depth === path.length;
  }

  /** The place of the value at `path`; of the nearest value above it if it is absent. */
  place(path: Path): Place {
    return this.#at(this.#find(path).value?.range?.[0]);
  }

  /** The place of the key at the end of `path`. */
  keyPlace(path: Path): Place {
    const { key, value } = this.#find(path);
    return this.#at((key ?? value)?.range?.[0]);
  }

  /**
   * The value at `path` read as a YAML scalar, if it came from an environment variable: `${COUNT}` is text until a key
   * turns out to take a number or a yes or no. False if it did not, or is text as YAML too.
   */
  retype(path: Path): boolean {
    const node = this.#find(path).value;
    if (!isScalar(node) || !this.#substituted.delete(node)) return false;
    const typed = parseDocument(String(node.value)).contents;
    if (!isScalar(typed) || typeof typed.value === "string") return false;
    node.value = typed.value;
    return true;
  }

  /** The key and value at `path`, or the last ones on the way to it that exist. */
  #find(path: Path): Found {
    let found: Found = { value: this.#document.contents ?? undefined, depth: 0 };
    for (const [index, step] of path.entries()) {
      const parent = this.#resolved(found.value);
      if (isSeq(parent)) {
        const value = parent.items[step as number] as Node | undefined;
        if (!value) break;
        found = { value, depth: index + 1 };
      } else if (isMap(parent)) {
        const pair = parent.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step));
        if (!pair) break;
        found = { key: pair.key as Node, value: (pair.value ?? pair.key) as Node, depth: index + 1 };
      } else break;
    }
    return found;
  }

  #resolved(node: Node | undefined): Node | undefined {
    return isAlias(node) ? node.resolve(this.#document) : node;
  }

  #at(offset: number | undefined): Place {
    if (offset === undefined) return { file: this.#file };
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.#file, line: Math.max(line, 1), column: Math.max(col, 1) };
  }

  /** After parsing, so that what a variable holds stays one value and can add no key. */
  #substitute(env: Environment): void {
    visit(this.#document, {
      Scalar: (key, node) => {
        if (key === "key" || typeof node.value !== "string" || !node.value.includes("${")) return;
        node.value = this.#expand(node.value, env, node);
        this.#substituted.add(node);
      },
    });
  }

  #expand(text: string, env: Environment, node: Node): string {
    const place = () => this.#at(node.range?.[0]);
    return text.replace(
      /\$\$\{|\$\{(?:([A-Za-z_]\w*)(?::-([^}]*))?\})?/g,
      (match, name?: string, fallback?: string) => {
        if (match === "$${") return "${";
        if (name === undefined) {
          const message = "${ begins a variable, ${NAME} or ${NAME:-default}; write $${ for the text itself.";
          this.errors.push(new AuditshipError("AUDITSHIP_CONFIG_ENV", message, place()));
          return match;
        }
        const value = env[name];
        if (fallback !== undefined) return value || fallback;
        if (value !== undefined) return value;
        const message = `the environment variable ${name} is not set; set it, or give a default: \${${name}:-…}.`;
        this.errors.push(new AuditshipError("AUDITSHIP_CONFIG_ENV", message, place()));
        return "";
      },
    );
  }
}
