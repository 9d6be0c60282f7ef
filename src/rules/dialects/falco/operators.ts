/** Following upstream's convention, a word that must be followed by white space ends in a space. */
export const UNARY = ["exists"];
export const NUMERIC = ["<=", "<", ">=", ">"];
export const STRING = [
  "==",
  "=",
  "!=",
  "glob ",
  "iglob ",
  "contains ",
  "icontains ",
  "bcontains ",
  "startswith ",
  "bstartswith ",
  "endswith ",
  "regex ",
];
export const MODIFIERS = ["oneof ", "anyof ", "allof "];
export const LIST = ["intersects", "in", "pmatch"];
export const TRANSFORMERS = ["tolower(", "toupper(", "b64(", "basename(", "len(", "join(", "concat(", "getopt("];

/** Every operator, without modifiers. */
export const OPERATORS: readonly string[] = [...UNARY, ...NUMERIC, ...STRING, ...LIST].map((word) => word.trim());
export const LIST_OPERATORS: readonly string[] = LIST;
/** Operators that may be followed by `oneof`, `anyof` or `allof`. */
export const MODIFIABLE: readonly string[] = STRING.map((word) => word.trim());
export const TRANSFORMER_NAMES: readonly string[] = ["val(", ...TRANSFORMERS].map((word) => word.slice(0, -1));
