import { RE2JS } from "re2js";

/** A pattern in RE2 syntax: it takes linear time, whatever it is. */
export interface Pattern {
  isIn(text: string): boolean;
  isWhole(text: string): boolean;
}

/** Longer patterns, in UTF-16 units, are refused: they take long to compile. */
const MAX_LENGTH = 20_000;
/** So are those of more instructions, which is about one for each letter and each repetition: most have less than 100. */
const MAX_PROGRAM = 3000;
/**
 * Where the states of a pattern get too many to be kept, as random text can make them, each instruction is tried at each character:
 * so many times at most, which takes 4 s. A pattern of 100 instructions is then looked for in texts of up to 1.3 million characters.
 */
const MAX_TRIED = 1 << 27;
/** Patterns that are kept compiled: a condition is parsed several times before it runs, and rules share patterns. */
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

/** The engine's slow way finds nothing in texts that are longer; it has no such bound of its own. */
function bound(engine: ReturnType<RE2JS["re2"]>, longest: number): void {
  const slowly = engine.doExecuteNFA.bind(engine);
  engine.doExecuteNFA = (input: { endPos(): number }, ...rest: [number, number, number]) =>
    input.endPos() > longest ? null : slowly(input, ...rest);
}
