import { RE2JS } from "re2js";

/** A pattern in RE2 syntax, which takes linear time whatever it is. */
export interface Pattern {
  isIn(text: string): boolean;
  isWhole(text: string): boolean;
}

/** Longer patterns are refused, because they take long to compile. In UTF-16 units. */
const MAX_LENGTH = 20_000;
/** Patterns of more instructions are refused too. There is about one for each letter and each repetition; most have fewer than 100. */
const MAX_PROGRAM = 3000;
/**
 * Most instructions tried in one search, which takes 4 s. When a pattern has too many states to keep, as random text can cause, the
 * engine tries each instruction at each character. A pattern of 100 instructions is then searched in texts of up to 1.3 million
 * characters.
 */
const MAX_TRIED = 1 << 27;
/** Most compiled patterns kept: a condition is parsed several times before it runs, and rules share patterns. */
const MAX_COMPILED = 1000;
const compiled = new Map<string, Pattern>();

/** Throws an Error that says what is wrong with the pattern. */
export function compilePattern(source: string): Pattern {
  let known = compiled.get(source);
  if (known === undefined) {
    known = compile(source);
    if (compiled.size === MAX_COMPILED) compiled.clear();
    compiled.set(source, known);
  }
  return known;
}

function compile(source: string): Pattern {
  if (source.length > MAX_LENGTH) throw new Error(`it is longer than ${MAX_LENGTH} characters`);
  const pattern = RE2JS.compile(source);
  const size = pattern.programSize();
  if (size > MAX_PROGRAM)
    throw new Error(
      `it compiles to ${size} instructions, more than ${MAX_PROGRAM}: use fewer alternatives and repetitions`,
    );
  bound(pattern.re2(), Math.floor(MAX_TRIED / size));
  return { isIn: (text) => pattern.test(text), isWhole: (text) => pattern.matches(text) };
}

/** Makes the engine's slow path, which has no such limit of its own, find nothing in longer texts. */
function bound(engine: ReturnType<RE2JS["re2"]>, longest: number): void {
  const slowly = engine.doExecuteNFA.bind(engine);
  engine.doExecuteNFA = (input: { endPos(): number }, ...rest: [number, number, number]) =>
    input.endPos() > longest ? null : slowly(input, ...rest);
}
