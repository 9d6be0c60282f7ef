import { createHash } from "node:crypto";

/** Most bytes of a file's first line that identify it. */
const FINGERPRINT_BYTES = 64 * 1024 * 1024;

/** One event as it was written. */
export interface Written {
  file: WrittenFile;
  /** Of its first byte in the decompressed file; of its line's, if the event is a list's item. */
  offset: number;
  /** Of its line, with the newline; 0 for all but the first item of a list. */
  bytes: number;
  /** `auditID/stage`. */
  identity: string;
}

/** A file from its creation to its end, whatever its name is at the moment. */
export class WrittenFile {
  /** Its first line, or the first bytes of it. */
  head: Buffer | undefined;
  /** Name of its backup, once it is one. */
  backup = "";
  size = 0;
  readonly events: Written[] = [];
  #id: string | undefined;

  /** What stands in documents for it: 96 bits of the SHA-256 of its first line, base64url. */
  get id(): string {
    if (!this.head) throw new Error("this file has no line yet");
    this.#id ??= createHash("sha256").update(this.head).digest().subarray(0, 12).toString("base64url");
    return this.#id;
  }
}

/** What stands for one event at its place. */
export const placeOf = (file: string, offset: number, identity: string): string => `${file} ${offset} ${identity}`;

/** The truth: every event that was written, where it stands, and whether it can still be had. */
export class Ledger {
  readonly files: WrittenFile[] = [];
  /** Events that must arrive and have not, by identity. */
  readonly pending = new Map<string, Written>();
  /** Events that have not arrived, and whose bytes are nowhere any more, by identity. */
  readonly gone = new Map<string, Written>();
  events = 0;
  bytes = 0;
  /** Lines, or parts of lines, that are no event and must be told as invalid. */
  readonly invalid: { file: WrittenFile; offset: number; length: number }[] = [];

  begin(): WrittenFile {
    const file = new WrittenFile();
    this.files.push(file);
    return file;
  }

  /** @param line bytes of the event's line, at `offset` of the file */
  add(file: WrittenFile, offset: number, line: Buffer, identity: string, bytes = line.length): Written {
    file.head ??= Buffer.from(line.subarray(0, Math.min(FINGERPRINT_BYTES, line.length - 1)));
    const event = { file, offset, bytes, identity };
    file.events.push(event);
    this.pending.set(identity, event);
    this.events++;
    this.bytes += bytes;
    return event;
  }

  /** The event with this identity has arrived. */
  arrived(identity: string): void {
    this.pending.delete(identity);
    this.gone.delete(identity);
  }

  /** These files are deleted: what has not arrived of them need not. @returns the files */
  lose<Files extends Iterable<WrittenFile>>(files: Files): Files {
    for (const file of files) for (const event of file.events) this.loseEvent(event);
    return files;
  }

  /** The far end refuses these events for good: they need not arrive. */
  refuse(identity: string): void {
    this.pending.delete(identity);
  }

  /** The bytes of this event are nowhere any more, or so many of them. */
  loseEvent(event: Written, bytes = event.bytes): void {
    if (this.pending.delete(event.identity)) this.gone.set(event.identity, { ...event, bytes });
  }

  /** Bytes that are gone, of these files or of all. */
  goneBytes(files: readonly WrittenFile[] = this.files): number {
    let bytes = 0;
    for (const event of this.gone.values()) if (files.includes(event.file)) bytes += event.bytes;
    return bytes;
  }
}
