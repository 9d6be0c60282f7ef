/**
 * The known name that is most likely meant by `name`: at most a third of its letters differ, and of equally near ones it has the
 * longest common beginning. Undefined if none is near.
 */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  const [wanted, limit] = [name.toLowerCase(), Math.max(1, Math.floor(name.length / 3))];
  const near = [...known]
    .map((candidate) => {
      const other = candidate.toLowerCase();
      return { candidate, distance: editDistance(wanted, other), prefix: commonPrefix(wanted, other) };
    })
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance || b.prefix - a.prefix);
  return near[0]?.candidate;
}

function commonPrefix(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}

/** Optimal string alignment distance: insert, delete, replace, swap of neighbours. Names only; longer ones are cut. */
function editDistance(from: string, to: string): number {
  const [a, b] = [from.slice(0, 64), to.slice(0, 64)];
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      row[j] = Math.min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        row[j] = Math.min(row[j], before[j - 2] + 1);
    }
    [before, previous] = [previous, row];
  }
  return previous[b.length];
}
