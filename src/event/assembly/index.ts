/** The functions that `../wasm-memory.ts` calls. */
export { beginDocuments, beginOutput, refused, setText, writeDocuments, written } from "./document";
export { find, foundTo } from "./find";
export { beginNumbers, full } from "./intern";
export { inner } from "./inner";
export { addKey, begin, position, scan } from "./scan";
export { findKeys } from "./keys";
export { beginKinds, kinds, kindsFull } from "./kinds";
export { valueEnd as skip } from "./skip";
export { times } from "./times";

/** The first byte that the module does not use itself. */
export const heap: usize = __heap_base;
