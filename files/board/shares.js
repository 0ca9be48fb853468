// Copyright: (c) 2026, the monitml.stack founders
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// How the features of the rows that were asked are spread, over how those of the training data are.

import { el } from "./charts.js";
import { format } from "./format.js";

// Which place a bin takes among those of its feature: numbers ascend, then categories, then what is none.
const LAST = ["other", "unseen", "missing"];

function place(bin) {
  if (LAST.includes(bin)) return [2, LAST.indexOf(bin)];
  if (/^(below|up to) /.test(bin)) return [0, -Infinity];
  if (/^(beyond|above) /.test(bin)) return [0, Infinity];
  const low = /^(-?[0-9.e+-]+) to /.exec(bin);
  return low ? [0, Number(low[1])] : [1, 0];
}

function before(one, other) {
  const [a, b] = [place(one.bin), place(other.bin)];
  return a[0] - b[0] || (a[1] === b[1] ? one.bin.localeCompare(other.bin, "en", { numeric: true }) : a[1] - b[1]);
}

// Of three answers of Prometheus: one entry per predictor and feature, what moved most first.
export function spreads({ asked, reference, drift, who, color }) {
  const groups = new Map();
  const of = (labels) => {
    const key = `${who(labels)}\n${labels.feature}`;
    if (!groups.has(key)) groups.set(key, { who: who(labels), feature: labels.feature, color: color(labels), drift: null, bins: new Map() });
    return groups.get(key);
  };
  for (const [key, found] of [["asked", asked], ["reference", reference]]) {
    for (const { labels, value } of found) {
      const { bins } = of(labels);
      if (!bins.has(labels.bin)) bins.set(labels.bin, { bin: labels.bin, asked: 0, reference: 0 });
      bins.get(labels.bin)[key] = value;
    }
  }
  for (const { labels, value } of drift) of(labels).drift = value;
  return [...groups.values()]
    // Nothing was asked lately, or nothing is known of the training data.
    .filter(({ drift: moved }) => moved !== null)
    .map((group) => ({ ...group, bins: [...group.bins.values()].sort(before).filter((bin) => bin.asked || bin.reference) }))
    .sort((one, other) => other.drift - one.drift || one.feature.localeCompare(other.feature));
}

// Each feature with its bins side by side: filled what was asked, framed what the training data had.
export function shares(plot, { spreads: found, names }) {
  const [asked, reference] = names;
  const rows = found.map(({ who, feature, color, drift, bins }) => {
    const high = Math.max(...bins.map((bin) => Math.max(bin.asked, bin.reference)));
    const words = bins.map((bin) => `${bin.bin}: ${format(bin.asked, "ratio")} ${asked}, ${format(bin.reference, "ratio")} ${reference}`);
    const bars = bins.map((bin, index) => el("span", { class: "bin", title: words[index] }, [
      el("i", { style: `height:${(bin.asked / high) * 100}%;background:${color}` }),
      el("b", { style: `height:${(bin.reference / high) * 100}%` }),
    ]));
    return el("div", { class: "spread", "data-feature": feature }, [
      el("h4", {}, [feature, el("span", { text: who }), el("strong", { text: format(drift, "value") })]),
      el("div", { class: "bins", role: "img", "aria-label": `${feature}, ${who}: ${words.join("; ")}` }, bars),
    ]);
  });
  plot.replaceChildren(el("div", { class: "spreads" }, rows));
}
