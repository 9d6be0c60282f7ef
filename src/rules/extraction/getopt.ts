/** The options in a getopt(3) option string. */
interface Options {
  readonly valid: ReadonlySet<string>;
  readonly withValue: ReadonlySet<string>;
}

/**
 * Short options in a list of arguments: each option's letter, followed by its value if it takes one; `?` for unknown ones. With
 * `selected`, the last value (or letter) of only that option; undefined if it is missing. Like the engine's `getopt()`.
 */
export function getopt(words: readonly string[], optionString: string, selected?: string): string[] | undefined {
  const options = parseOptions(optionString);
  const results: string[] = [];
  const emit = (option: string, value?: string): void => {
    if (selected === undefined) results.push(option, ...(value === undefined ? [] : [value]));
    else results.splice(0, 1, value ?? option);
  };
  for (let at = 0; at < words.length; at++) {
    const word = words[at];
    if (word === "--") break;
    if (word.length > 2 && word.startsWith("--")) continue;
    if (word.length < 2 || word[0] !== "-") break;
    for (let i = 1; i < word.length; i++) {
      const option = word[i];
      if (!options.valid.has(option)) {
        if (selected === undefined) emit("?");
        continue;
      }
      const isWanted = selected === undefined || option === selected;
      if (!options.withValue.has(option)) {
        if (isWanted) emit(option);
        continue;
      }
      const value = i + 1 < word.length ? word.slice(i + 1) : words[++at];
      if (isWanted && value === undefined) emit("");
      else if (isWanted) emit(option, value);
      break;
    }
  }
  return selected !== undefined && results.length === 0 ? undefined : results;
}

/** Letters; those that take a value are followed by a colon. */
function parseOptions(text: string): Options {
  const valid = new Set<string>();
  const withValue = new Set<string>();
  for (let i = text.startsWith(":") ? 1 : 0; i < text.length; i++) {
    if (text[i] === ":") continue;
    valid.add(text[i]);
    if (text[i + 1] === ":") withValue.add(text[i++]);
  }
  return { valid, withValue };
}
