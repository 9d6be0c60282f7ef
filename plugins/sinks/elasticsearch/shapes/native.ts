import { writeSafeDocument } from "../safe-shape.js";
import type { Shape } from "./shape.js";

/** The line as written, and our two members at its end. */
export const native: Shape = {
  isNative: true,
  day: (event) => event.day(),
  write: (event, out) => event.writeDocument(out),
  writeSafe: writeSafeDocument,
};
