/**
 * How long `vi.waitFor` and `vi.waitUntil` wait for what has to come, in milliseconds; they know no default of the configuration.
 * Only a test that fails waits that long: on a busy machine everything takes its time.
 */
export const patience = { timeout: 45_000, interval: 20 };
