let last: Uint8Array = new Uint8Array(0);
let words: DataView = new DataView(last.buffer);

/**
 * The same bytes, for reading four at a time. The view is reused as long as the bytes are the same, so nothing is allocated per
 * event.
 */
export function wordsOf(bytes: Uint8Array): DataView {
  if (bytes !== last) {
    words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    last = bytes;
  }
  return words;
}
