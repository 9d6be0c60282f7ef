/** Where a command's results and complaints go. */
export interface CommandOutput {
  /** Text as it stands. */
  print(text: string): void;
  /** Resolves when what was printed has been taken. */
  drained(): Promise<void>;
  /** A line for people. */
  complain(line: string): void;
}
