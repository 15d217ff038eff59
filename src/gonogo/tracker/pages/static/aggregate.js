// The mean of several curves, and their standard deviation around it.

const POINTS = 500;

// Curves are [x, y] lists; a curve counts between its ends, and is straight between its points.
export function aggregate(curves) {
  const cleaned = curves.map(([x, y]) => {
    const kept = x.map((at, number) => [at, y[number]]).filter(([at, value]) => at !== null && value !== null);
    return kept.sort((one, other) => one[0] - other[0]);
  }).filter((points) => points.length);
  const all = [...new Set(cleaned.flatMap((points) => points.map(([at]) => at)))].sort((one, other) => one - other);
  const grid = all.length <= POINTS ? all : Array.from({ length: POINTS }, (_, at) => all[Math.round((at * (all.length - 1)) / (POINTS - 1))]);
  const found = { x: [], mean: [], low: [], high: [], count: [] };
  const places = cleaned.map(() => 0);
  for (const at of grid) {
    const values = cleaned.map((points, number) => {
      if (at < points[0][0] || at > points.at(-1)[0]) return null;
      while (places[number] + 1 < points.length && points[places[number] + 1][0] <= at) places[number] += 1;
      const [left, value] = points[places[number]];
      const next = points[places[number] + 1];
      return left === at || !next ? value : value + ((next[1] - value) * (at - left)) / (next[0] - left);
    }).filter((value) => value !== null);
    if (!values.length) continue;
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const spread = values.length > 1 ? Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1)) : 0;
    found.x.push(at);
    found.mean.push(mean);
    found.low.push(mean - spread);
    found.high.push(mean + spread);
    found.count.push(values.length);
  }
  return found;
}
