import { readFile, stat } from "node:fs/promises";

/** A small file that is read again when it changes: a credential or certificate that is renewed at run time. */
export class FreshFile {
  #version = "";
  #content = Buffer.alloc(0);

  /** `what` names it in errors (`auth.tokenFile`). */
  constructor(
    private readonly path: string,
    private readonly what: string,
  ) {}

  /** The content as it is now; the same buffer as long as it has not changed. Throws an Error that names the file. */
  async read(): Promise<Buffer> {
    try {
      const { ino, size, mtimeMs, ctimeMs } = await stat(this.path);
      const version = `${ino}:${size}:${mtimeMs}:${ctimeMs}`;
      if (version !== this.#version) {
        const content = await readFile(this.path);
        if (!content.equals(this.#content)) this.#content = content;
        this.#version = version;
      }
      return this.#content;
    } catch (error) {
      throw new Error(`cannot read ${this.what} ${this.path}: ${(error as NodeJS.ErrnoException).code}`);
    }
  }

  /** The content as text without white space around it. Throws if there is none. */
  async text(): Promise<string> {
    const text = (await this.read()).toString("utf8").trim();
    if (text === "") throw new Error(`${this.what} ${this.path} is empty`);
    return text;
  }
}
