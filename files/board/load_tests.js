// Copyright: (c) 2026, the monitml.stack founders
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// Load tests, out of series that each show the newest one.

import { format } from "./format.js";

// found: what range() gives for board.json's load_tests. Returns [{start, end, text}] of those that touch
// the time shown, in order; one that still runs ends with it.
export function loadTests(found, names, from, to) {
  const groups = new Map();
  for (const { labels: { __name__: name, ...labels }, points } of found) {
    const key = JSON.stringify(Object.entries(labels).sort());
    if (!groups.has(key)) groups.set(key, {});
    groups.get(key)[name] = new Map(points);
  }
  const tests = [...groups.values()].flatMap((series) => ofSeries(series, names, to));
  return tests.filter(({ start, end }) => end >= from && start <= to).sort((one, other) => one.start - other.start);
}

function ofSeries(series, names, to) {
  // What is scraped at once belongs together; the last that was seen of a test is how it went.
  const newest = new Map([...(series[names.start] ?? [])].map(([time, start]) => [start, time]));
  const starts = [...newest.keys()].sort((one, other) => one - other);
  return starts.map((start, index) => {
    const value = (name) => series[names[name]]?.get(newest.get(start));
    const next = starts[index + 1];
    return { start, end: value("end") ?? next ?? to, text: words(value, next === undefined) };
  });
}

function words(value, last) {
  if (value("end") === undefined) return last ? "running" : "its end was not seen";
  if (value("requests") === undefined) return "broken off";
  return [
    `${format(value("requests"), "count")} requests`,
    `${format(value("errors"), "count")} errors`,
    `p95 ${format(value("latency_p95"), "seconds")}`,
    value("passed") ? "passed" : "not passed",
  ].join(", ");
}
