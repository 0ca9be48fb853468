// Copyright: (c) 2026, the monitml.stack founders
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// Asks the Prometheus that serves this page. Of a range only the newest part is asked for again.

const API = new URL("../api/v1/", document.baseURI);
const PATIENCE_MS = 8000;
// The newest samples may not have been scraped when they were asked for.
const REPEATED_STEPS = 3;

export class Unreachable extends Error {}

async function ask(path, parameters) {
  const body = new URLSearchParams(parameters);
  let answer;
  try {
    answer = await fetch(new URL(path, API), {
      method: parameters ? "POST" : "GET",
      body: parameters ? body : undefined,
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  } catch (error) {
    throw new Unreachable(error.message);
  }
  let content;
  try {
    content = await answer.json();
  } catch {
    throw new Unreachable(`it answered with status ${answer.status}`);
  }
  if (content.status !== "success") throw new Error(content.error ?? `status ${answer.status}`);
  return content.data;
}

// A query with the board's variables filled in.
export function fill(query, variables) {
  return query.replace(/\$(namespace|deployment|predictor|window|range)\b/g, (_all, name) => variables[name]);
}

// [{labels, value}] now.
export async function instant(query, time) {
  const data = await ask("query", { query, time });
  return data.result.map((series) => ({ labels: series.metric, value: Number(series.value[1]) }));
}

export const alerts = async () =>
  (await ask("alerts")).alerts.filter((alert) => alert.state === "firing");

const known = new Map();
export const forget = () => known.clear();

// [{labels, points: [[seconds, value]]}] from start to end.
export async function range(query, start, end, step) {
  const key = `${step} ${query}`;
  const before = known.get(key);
  const from = before ? Math.max(start, before.end - REPEATED_STEPS * step) : start;
  const data = await ask("query_range", { query, start: from, end, step });
  const series = new Map(before?.series);
  for (const [name, entry] of series) {
    const points = entry.points.filter((point) => point[0] >= start && point[0] < from);
    if (points.length) series.set(name, { ...entry, points });
    else series.delete(name);
  }
  for (const found of data.result) {
    const name = JSON.stringify(Object.entries(found.metric).sort());
    const points = found.values.map(([time, value]) => [time, Number(value)]);
    series.set(name, { labels: found.metric, points: [...(series.get(name)?.points ?? []), ...points] });
  }
  known.set(key, { end, series });
  return [...series.values()];
}
