/** Where the bodies of requests lie: what a batch lies in, too, so that documents are written there at once (`Batch.writeFramed`). */
export interface BodyMemory {
  /** Room for so many bytes; undefined if there is none. */
  take(bytes: number): Buffer | undefined;
  /** Has it back: nobody reads or writes it any more. */
  give(body: Buffer): void;
}
