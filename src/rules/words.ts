let last: Uint8Array = new Uint8Array(0);
let words: DataView = new DataView(last.buffer);

/** The same bytes, to be read four at a time. One view for as long as the bytes are the same: there is nothing to allocate per event. */
export function wordsOf(bytes: Uint8Array): DataView {
  if (bytes !== last) {
    words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    last = bytes;
  }
  return words;
}
