import type { RuleMatch } from "../plugin/index.js";

/** Most lists kept. */
const MAX_LISTS = 4096;
let lists = 0;

/**
 * The matches of an event. Events with the same matches share one list, so that a match costs no memory. A list lives as long as
 * its first rule: whoever holds a rule holds the whole set that it was loaded with.
 */
export class MatchList {
  private longer = new WeakMap<RuleMatch, MatchList>();

  private constructor(readonly matches: readonly RuleMatch[]) {}

  static readonly none = new MatchList(Object.freeze([]));

  /** The list that has one match more than this one. */
  with(match: RuleMatch): MatchList {
    let list = this.longer.get(match);
    if (list === undefined) {
      if (lists++ === MAX_LISTS) {
        MatchList.none.longer = new WeakMap();
        lists = 1;
      }
      list = new MatchList(Object.freeze([...this.matches, match]));
      this.longer.set(match, list);
    }
    return list;
  }
}
