/**
 * Milliseconds to wait before the try after `attempt` failed ones (0: the first retry): uniform in [0, bound), where the
 * bound doubles from `initial` to `max`. "Full jitter", so that agents that failed together do not come back together.
 */
export function backoff(
  attempt: number,
  { initial, max }: { initial: number; max: number },
  random = Math.random,
): number {
  return random() * Math.min(max, initial * 2 ** attempt);
}
