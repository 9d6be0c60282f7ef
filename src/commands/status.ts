import { z } from "zod";
import { loadConfig } from "../config/load.js";
import { askStatus } from "../observe/control.js";

/** Of what an agent says (`Agent.status`, over the control socket), what is shown; one that starts says less. */
const STATUS = z.object({
  pid: z.number(),
  since: z.string(),
  version: z.string(),
  config: z.string(),
  rules: z.string().optional(),
  sinks: z.array(
    z.object({
      name: z.string(),
      state: z.string(),
      failing: z.string().optional(),
      lag: z.record(z.string(), z.object({ bytes: z.number(), seconds: z.number() })),
    }),
  ),
});
type Sink = z.infer<typeof STATUS>["sinks"][number];

/** Prints what the agent of a configuration says of itself; false if there is none, or a sink of it gets nothing delivered. */
export async function showStatus(file: string, print: (line: string) => void): Promise<boolean> {
  const { config } = await loadConfig(file);
  const answer = await askStatus(config.state);
  if (answer === undefined) {
    print(`no agent runs on ${config.state}`);
    return false;
  }
  const { pid, since, version, config: path, rules, sinks } = STATUS.parse(answer);
  print(`agent          auditship ${version}, process ${pid}, since ${since}`);
  print(`configuration  ${path}`);
  print(`rules          ${rules ?? "not loaded yet"}`);
  for (const sink of sinks) for (const line of describe(sink)) print(line);
  return sinks.every(isWell);
}

const isWell = ({ state, failing }: Sink): boolean =>
  (state === "live" || state === "catching-up") && failing === undefined;

function* describe({ name, state, failing, lag }: Sink): Generator<string> {
  // A far end's own words may be among it.
  const reason = failing === undefined ? "" : `: ${failing.replace(/[\s\p{Cc}]+/gu, " ")}`;
  yield `sink           ${name}  ${state}${reason}`;
  for (const [source, { bytes, seconds }] of Object.entries(lag)) {
    yield `                 ${bytes} bytes, ${seconds.toFixed(1)} s behind in ${source}`;
  }
}
