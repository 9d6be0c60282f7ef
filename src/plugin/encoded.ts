/** Most texts that are kept. */
const MAX_TEXTS = 1024;

/** Texts as JSON bytes, so that a recurring one (a workspace, a rule) is encoded once. */
export class EncodedTexts {
  private readonly texts = new Map<string, Buffer>();

  /** The text as a JSON string, quotes included. */
  get(text: string): Buffer {
    let bytes = this.texts.get(text);
    if (bytes === undefined) {
      bytes = Buffer.from(JSON.stringify(text));
      if (this.texts.size === MAX_TEXTS) this.texts.clear();
      this.texts.set(text, bytes);
    }
    return bytes;
  }
}
