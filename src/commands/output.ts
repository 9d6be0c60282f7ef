/** Where a command's results and complaints go. */
export interface CommandOutput {
  /** Text as it stands. */
  print(text: string): void;
  /** Resolves when what was printed has been taken. */
  drained(): Promise<void>;
  /** How far it is: the last such line is replaced by the next, and by whatever else is shown. Only people see it. */
  progress(text: string): void;
  /** A line for people. */
  complain(line: string): void;
}
