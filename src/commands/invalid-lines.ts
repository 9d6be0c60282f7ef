import type { InvalidInput } from "./input.js";
import type { CommandOutput } from "./output.js";

/** Lines that are told one by one; of the rest only the number. */
const TOLD = 20;

/** Tells which lines of a command's input are no events, without their content. */
export class InvalidLines {
  readonly #output: CommandOutput;
  count = 0;

  constructor(output: CommandOutput) {
    this.#output = output;
  }

  readonly add = ({ file, line, reason }: InvalidInput): void => {
    if (++this.count <= TOLD) this.#output.complain(`${file}:${line}: no event (${reason})`);
  };

  end(): void {
    if (this.count > TOLD) this.#output.complain(`${this.count - TOLD} more lines are no events`);
  }
}
