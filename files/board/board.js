// Copyright: (c) 2026, the monitml.stack founders
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// The board: reads what to show from board.json, asks Prometheus, and draws every two seconds.

import { el, distribution, lines, split } from "./charts.js";
import { ago, clock, format } from "./format.js";
import { shares, spreads } from "./shares.js";
import { loadTests } from "./load_tests.js";
import { Unreachable, alerts as askAlerts, fill, forget, instant, range } from "./prometheus.js";

const REFRESH_MS = 2000;
const STEPS = { 300: 2, 900: 5, 3600: 20 };
const WINDOW_SECONDS = 30;
// Of two load tests that end within this time, only the second may be seen.
const LOAD_TEST_STEP = 1;
const COLORS = 6;
const EVERY = ".+";
const find = (id) => document.getElementById(id);
const wanted = new URLSearchParams(location.search);
const state = {
  namespace: wanted.get("namespace"),
  deployment: wanted.get("deployment"),
  predictor: wanted.get("predictor") || EVERY,
  range: STEPS[wanted.get("range")] ? Number(wanted.get("range")) : 300,
};
let board = null;
let drawnAt = 0;
let running = false;

// -- what there is --------------------------------------------------------------------------------

const predictorsOf = (choices) => choices
  .filter(({ labels }) => labels.namespace === state.namespace && labels.deployment_name === state.deployment)
  .map(({ labels }) => ({ name: labels.predictor_name, version: labels.predictor_version, shadow: labels.shadow === "true" }))
  .sort((one, other) => one.name.localeCompare(other.name) || one.version.localeCompare(other.version));

function choose(choices) {
  const there = choices.map(({ labels }) => `${labels.namespace}/${labels.deployment_name}`);
  const deployments = [...new Set(there)].sort();
  if (deployments.length && !deployments.includes(`${state.namespace}/${state.deployment}`)) {
    [state.namespace, state.deployment] = deployments[0].split("/");
    state.predictor = EVERY;
  }
  const predictors = predictorsOf(choices);
  const names = [...new Set(predictors.map((predictor) => predictor.name))];
  if (state.predictor !== EVERY && !names.includes(state.predictor)) state.predictor = EVERY;
  options(find("deployment"), deployments.map((name) => [name, name.split("/")[1]]), `${state.namespace}/${state.deployment}`);
  options(find("predictor"), [[EVERY, "all"], ...names.map((name) => [name, name])], state.predictor);
  find("title").textContent = state.deployment ?? "";
  document.title = `${state.deployment ?? "MonitML"} – MonitML`;
  return predictors;
}

function options(select, entries, chosen) {
  const content = JSON.stringify(entries);
  if (select.dataset.content !== content) {
    select.dataset.content = content;
    select.replaceChildren(...entries.map(([value, text]) => el("option", { value, text })));
  }
  select.value = chosen;
}

// A colour belongs to a predictor for as long as the deployment has the same ones.
function palette(predictors) {
  const names = predictors.map((predictor) => `${predictor.name} ${predictor.version}`);
  return (labels) => {
    const place = names.indexOf(`${labels.predictor_name} ${labels.predictor_version}`);
    return labels.predictor_name === undefined ? "var(--accent)" : `var(--p${(place < 0 ? names.length : place) % COLORS})`;
  };
}

const who = (labels) => [labels.predictor_name, labels.predictor_version].filter(Boolean).join(" ");

// -- alerts ---------------------------------------------------------------------------------------

const WEIGHT = { critical: 0, warning: 1, info: 2 };

function drawAlerts(firing, now) {
  const ordered = [...firing].sort((one, other) => (WEIGHT[one.labels.severity] ?? 3) - (WEIGHT[other.labels.severity] ?? 3));
  const nodes = ordered.map((alert) => el("article", { class: `alert ${alert.labels.severity}` }, [
    sign(),
    el("h2", { text: `${alert.labels.alertname}${alert.labels.predictor_name ? ` · ${who(alert.labels)}` : ""}` }),
    el("time", { text: `for ${ago(now - Date.parse(alert.activeAt) / 1000)}`, datetime: alert.activeAt }),
    el("p", { text: alert.annotations.description ?? alert.annotations.summary ?? "" }),
  ]));
  find("alerts").replaceChildren(...(nodes.length ? nodes : [el("p", { class: "calm", text: "No alert is firing." })]));
}

function sign() {
  const template = document.createElement("template");
  template.innerHTML = '<svg class="sign" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="M12 3 1.8 20.5h20.4z"/><path d="M12 10v4.5M12 17.6v.1"/></svg>';
  return template.content.firstChild;
}

// -- predictors -----------------------------------------------------------------------------------

function drawFigures({ panel, means, monitors, warnings, predictors, firing, color }) {
  const shown = predictors.filter((predictor) => state.predictor === EVERY || predictor.name === state.predictor);
  find("figures").replaceChildren(...shown.map((predictor) => {
    const own = (labels) => labels.predictor_name === predictor.name && labels.predictor_version === predictor.version;
    const alarms = firing.filter((alert) => own(alert.labels) && alert.labels.severity === "critical");
    const mean = means.filter((entry) => own(entry.labels));
    const limit = brokenLimit(panel, mean, monitors);
    const text = mean.length ? mean.map((entry) => format(entry.value, panel.unit)).join(" · ") : "–";
    return el("article", {
      class: `figure${alarms.length ? " alarm" : ""}`,
      style: `--own:${color({ predictor_name: predictor.name, predictor_version: predictor.version })}`,
      "data-predictor": predictor.name,
    }, [
      el("header", {}, [
        el("h2", { text: predictor.name }),
        el("span", { class: "chip", text: predictor.version }),
        ...(predictor.shadow ? [el("span", { class: "chip", text: "shadow" })] : []),
      ]),
      // What its start warned of, until another version is deployed; each server says the same.
      ...[...new Set(warnings.filter((entry) => own(entry.labels)).map((entry) => entry.labels.warning))].sort()
        .map((text) => el("p", { class: "note", text })),
      el("p", { class: `big${limit ? " off" : ""}`, text }),
      el("p", { class: `caption${limit ? " off" : ""}`, text: caption(panel, mean, limit) }),
      monitorTable(monitors, own, firing),
    ]);
  }));
}

function brokenLimit(panel, mean, monitors) {
  return monitors.limit
    .filter((entry) => entry.labels.measure === panel.measure)
    .find(({ labels, value }) => mean.some((entry) => (labels.bound === "min" ? entry.value < value : entry.value > value)));
}

function caption(panel, mean, limit) {
  const title = panel.title.toLowerCase();
  if (!mean.length) return `${title}: none in the last ${WINDOW_SECONDS} s`;
  return `${title}, last ${WINDOW_SECONDS} s${limit ? `: ${limitText(limit, panel.unit)} is allowed` : ""}`;
}

const limitText = (limit, unit) => `${limit.labels.bound === "min" ? "at least" : "at most"} ${format(limit.value, unit)}`;

// A metric of the model's own is told by its statistic and its name.
function measureOf({ measure, metric, statistic }) {
  const { words, unit } = board.measures[measure];
  return metric ? { words: `${statistic} of the metric ${metric}`, unit: statistic === "rate" ? "per_second" : unit } : { words, unit };
}

function monitorTable(monitors, own, firing) {
  const names = [...new Set(monitors.limit.map((entry) => entry.labels.monitor))];
  const isBroken = (name) => firing.some((alert) => alert.labels.monitor === name && own(alert.labels));
  names.sort((one, other) => isBroken(other) - isBroken(one) || one.localeCompare(other));
  const rows = names.map((name) => {
    const of = (entries) => entries.find((entry) => entry.labels.monitor === name && (entry.labels.predictor_name === undefined || own(entry.labels)));
    const measure = measureOf(of(monitors.limit).labels);
    const limits = monitors.limit.filter((entry) => entry.labels.monitor === name);
    const value = of(monitors.value);
    const broken = isBroken(name);
    const kind = broken ? "broken" : value ? "fine" : "unknown";
    const mark = { broken: "✕", fine: "✓", unknown: "·" }[kind];
    return el("tr", { class: kind, title: `${measure.words}; ${Math.round(of(monitors.samples)?.value ?? 0)} samples` }, [
      el("th", { scope: "row" }, [el("span", { class: "mark", text: mark }), name]),
      el("td", { text: value ? format(value.value, measure.unit) : "no samples" }),
      el("td", { text: limits.map((limit) => limitText(limit, measure.unit)).join(", ") }),
    ]);
  });
  return el("table", { class: "monitors" }, [el("tbody", {}, rows)]);
}

// -- panels ---------------------------------------------------------------------------------------

function panelNode(panel) {
  const id = `panel-${panel.id}`;
  if (!find(id)) {
    find("panels").append(el("article", { id, class: `panel${panel.width > 12 ? " full" : ""}`, style: `--width:${panel.width}` }, [
      el("h3", { text: panel.title }),
      el("p", { class: "about", text: panel.description }),
      el("div", { class: "plot" }),
    ]));
  }
  return find(id).querySelector(".plot");
}

async function drawPanel(panel, context) {
  const plot = panelNode(panel);
  try {
    await DRAW[panel.kind](plot, panel, context);
  } catch (error) {
    if (error instanceof Unreachable) throw error;
    plot.replaceChildren(el("div", { class: "none", text: `Prometheus refuses the query: ${error.message}` }));
  }
}

const DRAW = {
  lines: async (plot, panel, { variables, from, to, step, color, limitsOf, tests }) => {
    const found = await Promise.all(panel.series.map((entry) => range(fill(entry.query, variables), from, to, step)));
    const series = panel.series.flatMap((entry, index) => found[index].map(({ labels, points }) => ({
      label: [who(labels), labels.monitml_metric ?? labels.feature ?? labels.class, entry.name].filter(Boolean).join(" ") || panel.title,
      look: entry.look,
      color: color(labels),
      points,
      last: to - points[points.length - 1][0] <= step * 2 ? points[points.length - 1][1] : null,
    })));
    series.sort((one, other) => one.label.localeCompare(other.label));
    plot.closest(".panel").hidden = panel.optional && !series.length;
    if (plot.closest(".panel").hidden) return;
    const limits = limitsOf(panel).map((limit) => ({ value: limit.value, text: limitText(limit, panel.unit) }));
    lines(plot, { series, limits, tests, unit: panel.unit, from, to, step, title: panel.title });
  },
  distribution: async (plot, panel, { variables, to, color }) => {
    const found = (await Promise.all(panel.series.map((entry) => instant(fill(entry.query, variables), to)))).flat();
    distribution(plot, { series: histograms(found, color), unit: panel.unit, title: panel.title });
  },
  shares: async (plot, panel, { variables, to, color }) => {
    const [asked, reference, drift] = await Promise.all(panel.series.map((entry) => instant(fill(entry.query, variables), to)));
    const found = spreads({ asked, reference, drift, who, color });
    plot.closest(".panel").hidden = panel.optional && !found.length;
    shares(plot, { spreads: found, names: panel.series.map((entry) => entry.name) });
  },
  split: async (plot, panel, { variables, to, color }) => {
    const found = await Promise.all(panel.series.map((entry) => instant(fill(entry.query, variables), to)));
    const rows = panel.series.map((entry, index) => ({
      label: entry.name,
      look: entry.look,
      parts: found[index]
        .map(({ labels, value }) => ({ label: who(labels), color: color(labels), value }))
        .sort((one, other) => one.label.localeCompare(other.label)),
    }));
    split(plot, { rows, title: panel.title });
  },
};

// Prometheus counts all values up to a bound; a bar shows those between two.
function histograms(found, color) {
  const groups = new Map();
  for (const { labels, value } of found) {
    const key = `${who(labels)}${labels.output && labels.output !== "prediction" ? ` ${labels.output}` : ""}`;
    if (!groups.has(key)) groups.set(key, { label: who(labels), color: color(labels), buckets: [] });
    groups.get(key).buckets.push({ high: labels.le === "+Inf" ? Infinity : Number(labels.le), upTo: value });
  }
  const bounds = [...new Set([...groups.values()].flatMap(({ buckets }) => buckets.map((bucket) => bucket.high)))].sort((one, other) => one - other);
  return [...groups.entries()].sort().map(([, { label, color: own, buckets }]) => {
    const upTo = new Map(buckets.map((bucket) => [bucket.high, bucket.upTo]));
    let before = 0;
    const bins = bounds.map((high, index) => {
      const all = upTo.get(high) ?? before;
      const count = Math.max(0, Math.round(all - before));
      before = Math.max(before, all);
      return { low: index ? bounds[index - 1] : -Infinity, high, count };
    });
    return { label, color: own, bins };
  });
}

// -- the round ------------------------------------------------------------------------------------

async function draw() {
  const now = Date.now() / 1000;
  const step = STEPS[state.range];
  const to = Math.floor(now / step) * step;
  const choices = await instant(board.choices, now);
  const predictors = choose(choices);
  const variables = {
    namespace: state.namespace,
    deployment: state.deployment,
    predictor: state.predictor,
    window: `${Math.max(WINDOW_SECONDS, step * 2)}s`,
    range: `${state.range}s`,
  };
  const ask = (query) => instant(fill(query, variables), now);
  const figures = board.panels.find((panel) => panel.kind === "figures");
  const from = to - state.range;
  const [every, value, samples, limit, means, warnings, tested] = await Promise.all([
    askAlerts(), ask(board.monitors.value), ask(board.monitors.samples), ask(board.monitors.limit), ask(figures.series[0].query), ask(board.warnings),
    range(fill(board.load_tests.query, variables), from, to, LOAD_TEST_STEP),
  ]);
  const firing = every.filter(({ labels }) => labels.scope === "stack" ||
    (labels.deployment_name === state.deployment && labels.namespace === state.namespace));
  const color = palette(predictors);
  drawAlerts(firing, now);
  drawFigures({ panel: figures, means, monitors: { value, samples, limit }, warnings, predictors, firing, color });
  const limitsOf = (panel) => (panel.limits ? limit.filter((entry) => entry.labels.measure === panel.measure) : []);
  hint(choices.length > 0, means.length > 0);
  const tests = loadTests(tested, board.load_tests, from, to);
  const context = { variables, from, to, step, color, limitsOf, tests };
  await Promise.all(board.panels.filter((panel) => DRAW[panel.kind]).map((panel) => drawPanel(panel, context)));
}

let hadData = false;
function hint(known, flowing) {
  hadData ||= flowing;
  const node = find("hint");
  node.hidden = hadData;
  if (hadData || node.dataset.known === String(known)) return;
  node.dataset.known = String(known);
  node.replaceChildren(...(known ? [
    el("strong", { text: "No data yet." }),
    el("span", { text: " Send requests, and they appear here within two seconds:" }),
    el("code", { text: "ansible-playbook playbooks/loadtest.yml -e n=60" }),
    el("code", { text: `POST ${board.gateway_url}` }),
  ] : [
    el("strong", { text: "No deployment is known here." }),
    el("span", { text: " Prometheus has read no rules that describe one, or has just started." }),
  ]));
}

async function round() {
  if (running || document.hidden) return;
  running = true;
  try {
    await draw();
    drawnAt = Date.now();
    find("trouble").hidden = true;
    document.querySelector("main").classList.remove("stale");
  } catch (error) {
    const lost = error instanceof Unreachable;
    const since = drawnAt ? ` What you see is from ${clock(drawnAt / 1000)}.` : "";
    find("trouble").textContent = lost
      ? `Prometheus at ${location.origin} does not answer.${since} Trying again…`
      : `The board cannot be drawn: ${error.message}${since}`;
    find("trouble").hidden = false;
    document.querySelector("main").classList.add("stale");
  } finally {
    running = false;
    showState();
  }
}

function showState() {
  const lost = !find("trouble").hidden;
  find("state").className = `state ${lost ? "lost" : "live"}`;
  const text = lost ? "not connected" : "live";
  if (find("state").textContent !== text) find("state").textContent = text;
}

function changed() {
  const parameters = new URLSearchParams({ namespace: state.namespace, deployment: state.deployment, range: state.range });
  if (state.predictor !== EVERY) parameters.set("predictor", state.predictor);
  history.replaceState(null, "", `?${parameters}`);
  forget();
  round();
}

function connect() {
  find("deployment").addEventListener("change", (event) => {
    [state.namespace, state.deployment] = event.target.value.split("/");
    state.predictor = EVERY;
    hadData = false;
    changed();
  });
  find("predictor").addEventListener("change", (event) => { state.predictor = event.target.value; changed(); });
  for (const input of document.querySelectorAll("input[name=range]")) {
    input.checked = Number(input.value) === state.range;
    input.addEventListener("change", () => { state.range = Number(input.value); changed(); });
  }
  const links = [["Prometheus", new URL("..", document.baseURI)], ...(board.inbox_url ? [["Inbox", board.inbox_url]] : [])];
  find("links").replaceChildren(...links.map(([text, href]) => el("a", { href, text })));
  document.addEventListener("visibilitychange", round);
  addEventListener("resize", round);
}

async function start() {
  try {
    board = await (await fetch("board.json", { cache: "no-store" })).json();
  } catch (error) {
    find("trouble").textContent = `board.json, which says what to show, cannot be read: ${error.message}`;
    find("trouble").hidden = false;
    return;
  }
  connect();
  await round();
  setInterval(round, REFRESH_MS);
}

start();
