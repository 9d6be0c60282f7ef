import type { At, Text } from "./syntax.js";
import { SyntaxProblem } from "./syntax-problem.js";

const BLANK = /[ \t\b\r\n]+/y;

/** Reads words from a text, starting at its beginning. A method that finds no match returns false and leaves the position as it was. */
export class Scanner {
  protected offset = 0;
  /** The last word that was read. */
  protected token = "";
  protected readonly input: string;

  constructor(private readonly text: Text) {
    this.input = text.text;
  }

  protected blank(): boolean {
    BLANK.lastIndex = this.offset;
    if (!BLANK.test(this.input)) return false;
    this.offset = BLANK.lastIndex;
    return true;
  }

  /** @param pattern with the flag `y` */
  protected match(pattern: RegExp): boolean {
    pattern.lastIndex = this.offset;
    const found = pattern.exec(this.input);
    if (!found) return false;
    this.token = found[0];
    this.offset = pattern.lastIndex;
    return true;
  }

  protected word(word: string): boolean {
    if (!this.input.startsWith(word, this.offset)) return false;
    this.token = word;
    this.offset += word.length;
    return true;
  }

  /** Reads one of these words. A word that ends in a space must be followed by white space, which is read too. */
  protected oneOf(words: readonly string[]): boolean {
    const { offset, token } = this;
    for (const word of words) {
      if (!word.endsWith(" ")) {
        if (this.word(word)) return true;
      } else if (this.word(word.trim())) {
        if (this.blank()) return true;
        this.offset = offset;
        this.token = token;
      }
    }
    return false;
  }

  /**
   * Reads a text in single or double quotes, and unescapes it. As in upstream, it ends at the first quote without a backslash
   * before it, even if that backslash is itself escaped.
   */
  protected quoted(): boolean {
    const delimiter = this.input[this.offset];
    if (delimiter !== "'" && delimiter !== '"') return false;
    let end = this.offset + 1;
    while (end < this.input.length && this.input[end] !== "\0") {
      if (this.input[end] === delimiter && this.input[end - 1] !== "\\") {
        const content = this.input.slice(this.offset + 1, end);
        this.offset = end + 1;
        this.token = this.unescape(content, delimiter);
        return true;
      }
      end++;
    }
    return false;
  }

  private unescape(content: string, delimiter: string): string {
    return content.replace(/\\(.?)/gs, (_, char: string) => {
      // A backslash at the very end stands for nothing.
      if (char === "") return "";
      const plain = UNESCAPES.get(char);
      if (plain !== undefined) return plain;
      if (char === delimiter) return char;
      return this.fail(
        char === "'" || char === '"'
          ? `\\${char} has no place between ${delimiter}…${delimiter}`
          : `there is no escape \\${char}`,
      );
    });
  }

  /** The next characters, without reading them. */
  protected rest(length: number): string {
    return this.input.slice(this.offset, this.offset + length);
  }

  protected here(): At {
    return { text: this.text, offset: this.offset };
  }

  protected fail(message: string): never {
    throw new SyntaxProblem(message, this.here());
  }
}

const UNESCAPES = new Map([
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  // Upstream accepts "\ " as a backslash, for the sake of old rules.
  [" ", "\\"],
  ["\\", "\\"],
  ["/", "/"],
]);
