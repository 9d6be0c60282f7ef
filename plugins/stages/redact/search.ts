import {
  BACKSLASH,
  type Batch,
  FindList,
  type Finds,
  findNeedles,
  type Needle,
  Needles,
  valueEnd,
} from "../../../src/plugin/index.js";
import { openingEnd, opensJson, opensString } from "./escapes.js";
import { HARMLESS_CODES, HARMLESS_EXTRA, HARMLESS_PARAMETERS } from "./kept.js";
import { listAfter, Passwords, type Spot, stringStart } from "./spots.js";
import { BASE64_FORMS, MANIFEST_MARKS } from "./text.js";
import { TOKEN_MARKS } from "./tokens.js";

/**
 * The search before the walk: tells from a body's bytes, without parsing it, that a walk would find nothing in it. It may only err
 * in the other direction.
 */

/** Bits that say what {@link Search.look} found. */
export enum Found {
  nothing = 0,
  /** The body has to be walked. */
  walk = 1,
  /** Strings may hold secrets recognisable by their shape: {@link scrub} each. */
  text = 2,
  /** Only some spots have to be walked. */
  spots = 4,
}

/** What was found in a text. */
export interface Finding {
  /** Bits of {@link Found}. */
  readonly found: number;
  /** Where to walk, in rising order, if `found` has {@link Found.spots}; undefined if the spots cannot be told for sure. */
  readonly spots?: readonly Spot[];
}

const NOTHING: Finding = { found: Found.nothing };
const WALK: Finding = { found: Found.walk };
const WALK_TEXT: Finding = { found: Found.walk | Found.text };

/** What an occurrence of a needle may be. */
export enum Trace {
  /** A secret recognisable by its shape. */
  shape,
  /** The same in base64. */
  base64,
  /** The key of a list of variables. */
  env,
  /** The key of a command line, or of its arguments. */
  command,
  args,
  /** The kind of an object, the copy of an applied one, or a key on which the walk acts wherever it is. */
  kind,
  /** A user's `extra` with other keys than those that are kept. */
  extra,
  /** A URL, perhaps with a password. */
  url,
  /** An escape that Go does not write, and that may hide a needle. */
  escape,
  /** JSON in a string: the last bracket before its first string, or before white space. */
  json,
  /** A query with parameters that are not known to be harmless. */
  query,
  /** A request through the API server's proxy to a pod or service. */
  proxy,
}

const SPOT_KINDS = { [Trace.env]: "env", [Trace.command]: "command", [Trace.args]: "args" } as const;

/** How Go's encoder escapes `&`, `<`, `>`, U+2028, U+2029 and control characters. These escapes hide nothing. */
const GO_ESCAPES = ["0026", "000", "001", "003c", "003C", "003e", "003E", "2028", "2029"];

interface TraceNeedle extends Needle {
  readonly trace: Trace;
}

const needlesOf = (trace: Trace, texts: readonly string[]): TraceNeedle[] => texts.map((text) => ({ text, trace }));

export const NEEDLES: readonly TraceNeedle[] = [
  ...needlesOf(Trace.shape, ["eyJ", "PRIVATE KEY", ...MANIFEST_MARKS, ...TOKEN_MARKS]),
  ...needlesOf(Trace.base64, BASE64_FORMS),
  ...needlesOf(Trace.env, ['"env"', '"httpHeaders"']),
  { text: '"command"', trace: Trace.command },
  { text: '"args"', trace: Trace.args },
  ...needlesOf(Trace.kind, [
    '"Secret',
    '"TokenRe',
    '"CertificateSigningRequest',
    '"Status"',
    '"clientConfig"',
    '"auths"',
  ]),
  ...needlesOf(Trace.kind, ['"kubectl.kubernetes.io/last-applied-configuration"']),
  { text: '"extra"', trace: Trace.extra, unless: { kind: "members", names: HARMLESS_EXTRA } },
  ...needlesOf(Trace.url, ["://"]),
  ...needlesOf(Trace.escape, ["\\/"]),
  { text: "\\u", trace: Trace.escape, unless: { kind: "texts", texts: GO_ESCAPES } },
  ...needlesOf(Trace.json, ["{\\", "{ ", "[\\", "[ "]),
  { text: "?", trace: Trace.query, unless: { kind: "query", names: HARMLESS_PARAMETERS, codes: HARMLESS_CODES } },
  ...needlesOf(Trace.proxy, ["/proxy"]),
];
export const CONFIG_MAP: TraceNeedle = { text: '"ConfigMap', trace: Trace.kind };

/**
 * Anchors of the needles (see {@link Needles}): the pairs and groups that occur least often in audit logs, each two to nine times
 * in 1,000 bytes. Found by simulated annealing over the byte pairs in logs of real and simulated API servers. A run of `x`, as in
 * padding, must not match.
 */
export const ANCHORS: readonly (readonly string[])[] = [
  [" S", "5S", "BS", "zS", '"S', "'S", "wY"],
  ["xt", "He", "J0", "xp", "H4", "Xl", "xy", "xb"],
  ["gs", "gn", "hc", "gl", "ks", "hv", "hs", "gh"],
  ["nv", "mm", "nf", "mV"],
  ["yJ", "y-", "IE", "Iz", "//", "\\/", "\\u"],
  ["eU", "LR", "nQ", "MU", "nR", "lY", "iY", "mQ", "nY", "EY", "dX"],
  ["ZW", "{ ", "_p", "[ ", "{\\", "[\\", "zI"],
  ["?"],
];

/** Sorts the spots: a URL is found only after the start of its string; all else is in order. */
function inOrder(spots: Spot[]): Spot[] {
  for (let i = 1; i < spots.length; i++) if (spots[i - 1].at > spots[i].at) return spots.sort((a, b) => a.at - b.at);
  return spots;
}

/** Indexed by needle. */
interface Meanings {
  readonly traces: Uint8Array;
  /** In bytes. */
  readonly lengths: Uint8Array;
}

/** The occurrences of needles in some bytes. */
export class Traces {
  readonly #passwords: Passwords;

  constructor(
    readonly bytes: Buffer,
    private readonly finds: Finds,
    private readonly meanings: Meanings,
    private readonly valueEnd: (at: number) => number,
  ) {
    this.#passwords = new Passwords(bytes);
  }

  get count(): number {
    return this.finds.count;
  }

  /** Whether a quoted word occurs inside a string, such as the kind in a manifest. */
  isInString(index: number): boolean {
    return this.bytes[this.at(index) - 1] === BACKSLASH;
  }

  /** First byte of an occurrence. */
  at(index: number): number {
    return this.finds.starts[index];
  }

  trace(index: number): Trace {
    return this.meanings.traces[this.finds.needles[index]];
  }

  /** Whether the URL at an occurrence has a password. Must be asked in rising order of occurrences. */
  hasPassword(index: number): boolean {
    return this.#passwords.isAt(this.at(index));
  }

  /** The first occurrence at or after `offset`. */
  from(offset: number): number {
    const { starts } = this.finds;
    let [low, high] = [0, this.finds.count];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (starts[middle] < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** What a walk of the JSON text [start, end) would have to look for. */
  look(start: number, end: number): Finding {
    const { starts, needles, count } = this.finds;
    const { traces, lengths } = this.meanings;
    const first = this.from(start);
    if (first === count || starts[first] >= end) return NOTHING;
    let walk = false;
    let spots: Spot[] | undefined = [];
    let stringEnd = 0;
    let listEnd = 0;
    let runEnd = 0;
    let texts = false;
    for (let i = first; i < count && starts[i] < end; i++) {
      const at = starts[i];
      const trace: Trace = traces[needles[i]];
      switch (trace) {
        case Trace.shape:
        case Trace.base64:
          return WALK_TEXT;
        case Trace.kind:
          texts ||= this.isInString(i);
          walk = true;
          break;
        case Trace.extra:
        case Trace.escape:
          walk = true;
          break;
        case Trace.json:
          // Within the run of brackets that was just looked at.
          if (at < runEnd) break;
          runEnd = openingEnd(this.bytes, at, end);
          walk ||= opensJson(this.bytes, runEnd) && opensString(this.bytes, at);
          break;
        case Trace.env:
        case Trace.command:
        case Trace.args: {
          const list = listAfter(this.bytes, at, at + lengths[needles[i]]);
          if (list === undefined) spots = undefined;
          if (list === undefined || list < 0 || list < listEnd) break;
          listEnd = this.valueEnd(list);
          spots?.push({ at: list, end: listEnd, kind: SPOT_KINDS[trace] });
          break;
        }
        case Trace.url: {
          // The walk of the list around it looks at it.
          if (at < listEnd) texts = true;
          if (at < listEnd || !this.hasPassword(i)) break;
          texts = true;
          // In the same string as the spot before.
          if (at < stringEnd) break;
          const string = stringStart(this.bytes, at, start);
          stringEnd = this.#passwords.stringEnd;
          if (string < 0) spots = undefined;
          else spots?.push({ at: string, kind: "text" });
        }
      }
    }
    if (walk) return texts ? WALK_TEXT : WALK;
    if (spots?.length === 0) return NOTHING;
    return { found: Found.spots | Found.text, spots: spots && inOrder(spots) };
  }
}

export class Search {
  readonly #needles: Needles;
  readonly #meanings: Meanings;
  readonly #found = new FindList();

  /** @param isOn if false, everything has to be walked: tests compare the search with that */
  constructor(
    configMaps: boolean,
    private readonly isOn = true,
  ) {
    const needles = configMaps ? [...NEEDLES, CONFIG_MAP] : NEEDLES;
    this.#needles = new Needles(needles, ANCHORS);
    this.#meanings = {
      traces: Uint8Array.from(needles, ({ trace }) => trace),
      lengths: Uint8Array.from(needles, ({ text }) => text.length),
    };
  }

  /** The occurrences in a whole batch. */
  traces(batch: Batch): Traces {
    return this.#tracesOf(batch, batch.find(this.#needles));
  }

  /** No occurrences: for a policy that looks for nothing. */
  noTraces(batch: Batch): Traces {
    this.#found.clear();
    return this.#tracesOf(batch, this.#found);
  }

  #tracesOf(batch: Batch, finds: Finds): Traces {
    const bytes = Buffer.from(batch.bytes.buffer, batch.bytes.byteOffset, batch.length);
    return new Traces(bytes, finds, this.#meanings, (at) => batch.valueEnd(at));
  }

  /** What a walk of the JSON text [start, end) of a batch would have to look for. */
  look(traces: Traces, start: number, end: number): Finding {
    return this.isOn ? traces.look(start, end) : WALK_TEXT;
  }

  /** The same for any text. */
  lookAt(text: Buffer): Finding {
    return this.isOn ? this.trace(text) : WALK_TEXT;
  }

  /** The traces of secrets in any text. */
  trace(text: Buffer): Finding {
    this.#found.clear();
    findNeedles(this.#needles, text, this.#found);
    return new Traces(text, this.#found, this.#meanings, (at) => valueEnd(text, at)).look(0, text.length);
  }
}
