import { isCredentialFlag, isCredentialName } from "./credentials.js";
import { type Replace, scrubShort } from "./text.js";

/** Programs whose `-p` takes its value without a space. */
const ATTACHED_PASSWORD = /(?:^|[/\s])(?:mysql|mariadb|mongo|sshpass|7z|zip)[\w-]*(?:\s|$)/;
/** Other words that begin with `-p`: a longer flag with a value (`-port=80`), or a path or number as in `-p8080`. */
const OTHER_P_FLAG = /^-p(?:[a-z][a-z-]*(?:=|$)|[\d:./]+$)/;
/** Flags whose value is a credential, or a user with one, unless another flag follows. */
const GIVEN_A_SECRET = new Set(["-p", "-u", "--user", "--proxy-user"]);
/** One-letter flags that take a credential, attached or not, in these programs only. docs/redaction.md lists them. */
export const PROGRAM_FLAGS: ReadonlyMap<string, string> = new Map([
  ["redis-cli", "-a"],
  ["valkey-cli", "-a"],
  ["curl", "-U"],
  ["smbclient", "-U"],
  ["rpcclient", "-U"],
  ["ldapadd", "-w"],
  ["ldapcompare", "-w"],
  ["ldapdelete", "-w"],
  ["ldapmodify", "-w"],
  ["ldapmodrdn", "-w"],
  ["ldappasswd", "-w"],
  ["ldapsearch", "-w"],
  ["ldapwhoami", "-w"],
  ["bcp", "-P"],
  ["ipmitool", "-P"],
  ["mosquitto_pub", "-P"],
  ["mosquitto_sub", "-P"],
  ["sqlcmd", "-P"],
  ["unzip", "-P"],
  ["zip", "-P"],
]);

/**
 * Hashes the credentials in a command line, word by word: the values of credential flags (`--password x`, `--password=x`, `-p x`,
 * `-u x`, `redis-cli -a x`), of variables (`NAME=x`) and of headers (`-H Name:x`), what follows `Bearer` and `Basic`, and what
 * {@link scrubShort} recognises by its shape. Words that only a shell understands (`a; b`, anything with white space or quotes in
 * it) are hashed whole, because a secret can be anywhere in them. Program, flags and names stay.
 */
export class CommandLine {
  /** What the previous word says about the next one. */
  #expect: "nothing" | "secret" | "secret-if-no-flag" | "scheme" | "header" = "nothing";
  /** Whether a program of {@link ATTACHED_PASSWORD} has been named. */
  #attachedPassword = false;
  /** The flag in {@link PROGRAM_FLAGS} of the first such program that was named. */
  #programFlag: string | undefined;

  constructor(private readonly replace: Replace) {}

  /** Whether the words so far affect how the next ones are read. */
  get isOpen(): boolean {
    return this.#expect !== "nothing" || this.#attachedPassword || this.#programFlag !== undefined;
  }

  /** The next word without its credentials; the same string if it contains none. */
  next(word: string): string {
    const expect = this.#expect;
    this.#expect = "nothing";
    this.#attachedPassword ||= ATTACHED_PASSWORD.test(word);
    this.#programFlag ??= PROGRAM_FLAGS.get(nameOf(word));
    switch (expect) {
      case "secret":
        return this.#hashed(word, 0);
      case "secret-if-no-flag":
        if (!word.startsWith("-")) return this.#hashed(word, 0);
        break;
      case "scheme":
        if (!SCHEME.test(word)) return this.#hashed(word, 0);
        break;
      case "header": {
        const name = HEADER_NAME.exec(word);
        if (name !== null) return HARMLESS_HEADER.test(word) ? word : this.#hashed(word, name[0].length);
      }
    }
    return word.startsWith("-") ? this.#flag(word) : this.#plain(word);
  }

  #flag(word: string): string {
    const equals = word.indexOf("=");
    const flag = word.slice(0, equals < 0 ? undefined : equals);
    if (GIVEN_A_SECRET.has(flag) || flag === this.#programFlag) {
      if (equals >= 0) return this.#hashed(word, equals + 1);
      this.#expect = "secret-if-no-flag";
      return word;
    }
    if (flag === "-H" || flag === "--header") {
      this.#expect = "header";
      return equals < 0 ? word : word.slice(0, equals + 1) + this.next(word.slice(equals + 1));
    }
    if (this.#programFlag && word.startsWith(this.#programFlag)) return this.#hashed(word, 2);
    if (/^-u[^=:]+:/.test(word)) return this.#hashed(word, 2);
    if (/^-p[^=]/.test(word) && (this.#attachedPassword || !OTHER_P_FLAG.test(word))) return this.#hashed(word, 2);
    if (NOT_A_NAME.test(flag)) return this.#hashed(word, 0);
    if (isCredentialFlag(flag.replace(/^-+/, "")) || ATTACHED_VARIABLE.test(flag)) {
      if (equals >= 0) return BOOLEAN.test(word.slice(equals + 1)) ? word : this.#hashed(word, equals + 1);
      if (!ATTACHED_VARIABLE.test(flag)) this.#expect = "secret";
    }
    return equals < 0
      ? scrubShort(word, this.replace)
      : word.slice(0, equals + 1) + this.#plain(word.slice(equals + 1));
  }

  /** Handles a word that is not a flag, or the value of a flag that takes no credential. */
  #plain(word: string): string {
    if (SCHEME.test(word)) this.#expect = "secret";
    else if (word.endsWith(":") && isCredentialName(word)) this.#expect = "scheme";
    else if (URL.test(word)) return scrubAddress(word, this.replace);
    else if (isShellText(word)) return this.#hashed(word, 0);
    const name = VARIABLE.exec(word);
    if (name !== null && !SWITCHES.test(word)) return this.#hashed(word, name[0].length);
    return scrubShort(word, this.replace);
  }

  /** The word with everything from `from` on hashed. */
  #hashed(word: string, from: number): string {
    return from >= word.length ? word : word.slice(0, from) + this.replace(word.slice(from), "argument");
  }
}

/** A program without its path. */
const nameOf = (word: string): string => word.slice(word.lastIndexOf("/") + 1);

/** Authentication schemes, with which the value of an Authorization header begins. */
const SCHEME = /^(?:bearer|basic|token|apikey)$/i;
const BOOLEAN = /^(?:true|false)$/;
const NOT_A_NAME = /[^\w.-]/;
const HEADER_NAME = /^[\w-]+:\s*/;
const HARMLESS_HEADER = /^(?:accept|accept-encoding|content-type|host|user-agent):/i;
/** `NAME=` as in a shell and `env`, and `a.b[0]=` as in helm's `--set`. */
const VARIABLE = /^[A-Za-z_][\w.[\]-]{0,255}=/;
/** `-eNAME=`, `-DNAME=`. */
const ATTACHED_VARIABLE = /^-[a-zA-Z][A-Z_][A-Z0-9_]*$/;
/** `A=true,B=false`: feature gates. */
const SWITCHES = /^[\w.-]+=(?:true|false)(?:,[\w.-]+=(?:true|false))*$/;
const URL = /^[a-z][a-z0-9+.-]*:\/\/[^\s"'`<>|;]+$/i;
const SHELL = /[\s"'`<>|;&]|\$\(|\$\{|^\{/;
/** `$(NAME)`, which Kubernetes replaces. */
const REFERENCES = /\$\([A-Za-z_]\w*\)/g;

/** Whether a word needs a shell (or something like it) to be understood. */
function isShellText(word: string): boolean {
  return SHELL.test(word) && SHELL.test(word.replace(REFERENCES, ""));
}

/** A URL without its credentials and without the values in its query. */
export function scrubAddress(url: string, replace: Replace): string {
  const question = url.indexOf("?");
  if (question < 0) return scrubShort(url, replace);
  const query = url.slice(question).replace(/=([^&;]+)/g, (_, value: string) => `=${replace(value, "query")}`);
  return (
    scrubShort(url.slice(0, question), replace) + (query.includes("=") ? query : `?${replace(query.slice(1), "query")}`)
  );
}
