// Copyright: (c) 2026, the monitml.stack founders
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// Small charts in SVG: lines over time, bars of a distribution, a split.
//
// Written by hand because the page must work where nothing can be fetched, and no chart library is
// packaged on every system it runs on. All text goes in as text, never as markup.

import { clock, format, formatTick, ticks } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = { top: 10, right: 12, bottom: 22, left: 52 };
const HEIGHT = 210;

// An element with attributes (text: its content) and children.
export function el(name, attributes = {}, children = []) {
  const node = document.createElement(name);
  return dress(node, attributes, children);
}

function svg(name, attributes = {}, children = []) {
  return dress(document.createElementNS(SVG, name), attributes, children);
}

function dress(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") node.textContent = value;
    else if (value !== undefined && value !== null) node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

const widthOf = (plot) => Math.max(plot.clientWidth, 240);

function frame(plot, label, height = HEIGHT) {
  const width = widthOf(plot);
  const drawing = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  return { drawing, width, height, right: width - MARGIN.right, bottom: height - MARGIN.bottom };
}

function none(plot, text) {
  plot.replaceChildren(el("div", { class: "none", text }));
}

function swatch(entry) {
  const line = svg("line", { x1: 1, x2: 21, y1: 4, y2: 4, class: `line ${entry.look}`, style: `stroke:${entry.color}` });
  return svg("svg", { viewBox: "0 0 22 8", "aria-hidden": "true" }, [line]);
}

function legend(series, unit) {
  const items = series.map((entry) =>
    el("li", {}, [swatch(entry), entry.label, el("b", { text: format(entry.last, unit) })]));
  return el("ul", { class: `legend${series.length > 4 ? " wide" : ""}` }, items);
}

// -- lines ----------------------------------------------------------------------------------------

function extent(series, limits, unit) {
  const values = series.flatMap((entry) => entry.points.map((point) => point[1])).filter(Number.isFinite);
  let high = Math.max(0, ...values);
  const low = Math.min(0, ...values);
  // A limit far above everything would flatten what there is to see.
  for (const limit of limits) if (limit.value <= high * 3) high = Math.max(high, limit.value * 1.05);
  if (unit === "ratio" && high > 0.2) high = 1;
  return [low, high > low ? high : low + (unit === "ratio" ? 0.01 : 1)];
}

function path(points, x, y, step) {
  let text = "";
  let before = null;
  for (const [time, value] of points) {
    if (!Number.isFinite(value)) { before = null; continue; }
    // A pause stays a pause: nothing is drawn across it.
    const joined = before !== null && time - before <= step * 2.5;
    text += `${joined ? "L" : "M"}${x(time).toFixed(1)},${y(value).toFixed(1)}`;
    if (!joined) text += "h0.01";
    before = time;
  }
  return text;
}

// series: {label, color, look, points: [[seconds, value]], last}; limits: {value, text}; tests: load tests,
// {start, end, text}, shaded from one to the other.
export function lines(plot, { series, limits, tests, unit, from, to, step, title }) {
  const drawn = series.filter((entry) => entry.points.length);
  if (!drawn.length) return none(plot, "no data in the time shown");
  const tested = tests.map((test) => `; load test at ${clock(test.start)}: ${test.text}`).join("");
  const label = `${title}: ${drawn.map((entry) => `${entry.label} ${format(entry.last, unit)}`).join(", ")}${tested}`;
  const { drawing, right, bottom, width } = frame(plot, label);
  const [low, high] = extent(drawn, limits, unit);
  const steps = ticks(low, high, 4, unit);
  const [floor, ceiling] = [steps[0], steps[steps.length - 1]];
  const x = (time) => MARGIN.left + ((time - from) / (to - from)) * (right - MARGIN.left);
  const spans = tests.map((test) => spanOf(test, x, right));
  const y = (value) => bottom - ((value - floor) / (ceiling - floor)) * (bottom - MARGIN.top);
  for (const { left, wide } of spans) {
    drawing.append(svg("rect", { class: "test", x: left, width: wide, y: MARGIN.top, height: bottom - MARGIN.top }));
  }
  for (const value of steps) {
    drawing.append(
      svg("line", { class: value === 0 ? "axis" : "grid", x1: MARGIN.left, x2: right, y1: y(value), y2: y(value) }),
      svg("text", { x: MARGIN.left - 7, y: y(value) + 4, "text-anchor": "end", text: formatTick(value, unit) }),
    );
  }
  timeAxis(drawing, x, from, to, bottom);
  for (const limit of limits.filter((entry) => entry.value <= ceiling && entry.value >= floor)) {
    drawing.append(
      svg("line", { class: "limit", x1: MARGIN.left, x2: right, y1: y(limit.value), y2: y(limit.value) }),
      svg("text", { class: "limit-text", x: right, y: y(limit.value) + (y(limit.value) < MARGIN.top + 14 ? 14 : -5), "text-anchor": "end", text: limit.text }),
    );
  }
  for (const entry of drawn) {
    drawing.append(svg("path", { class: `line ${entry.look}`, style: `stroke:${entry.color}`, d: path(entry.points, x, y, step) }));
  }
  const tip = el("div", { class: "tip", hidden: "" });
  const cross = svg("line", { class: "cross", y1: MARGIN.top, y2: bottom, visibility: "hidden" });
  drawing.append(cross);
  const key = legend(drawn, unit);
  if (tests.length) key.append(el("li", {}, [patch(), tests.length > 1 ? `${tests.length} load tests` : "load test"]));
  plot.replaceChildren(drawing, tip, key);
  const show = (time) => hover({ time, drawn, spans, unit, x, cross, tip, width, step });
  plot.hoverAt = show;
  show(hovered);
  drawing.addEventListener("pointermove", (event) => {
    const at = (event.clientX - drawing.getBoundingClientRect().left - MARGIN.left) / (right - MARGIN.left);
    moveTo(at < 0 || at > 1 ? null : from + at * (to - from));
  });
  drawing.addEventListener("pointerleave", () => moveTo(null));
}

// Wide enough to be seen and met by a pointer, also where a test took less time than a pixel stands for.
function spanOf(test, x, right) {
  const [begin, end] = [Math.max(x(test.start), MARGIN.left), Math.min(x(test.end), right)];
  const wide = Math.max(end - begin, 3);
  return { test, left: Math.min(begin, right - wide), wide };
}

function patch() {
  return svg("svg", { viewBox: "0 0 22 8", "aria-hidden": "true" }, [svg("rect", { class: "test", x: 7, width: 8, height: 8 })]);
}

function timeAxis(drawing, x, from, to, bottom) {
  const step = [30, 60, 120, 300, 600, 900].find((size) => (to - from) / size <= 6) ?? 1800;
  for (let time = Math.ceil(from / step) * step; time <= to; time += step) {
    drawing.append(svg("text", { x: x(time), y: bottom + 17, "text-anchor": "middle", text: clock(time, step < 60) }));
  }
}

// The moment under the pointer, shown in every chart at once.
let hovered = null;
function moveTo(time) {
  hovered = time;
  for (const plot of document.querySelectorAll(".plot")) plot.hoverAt?.(time);
}

function hover({ time, drawn, spans, unit, x, cross, tip, width, step }) {
  tip.hidden = time === null;
  cross.setAttribute("visibility", time === null ? "hidden" : "visible");
  if (time === null) return;
  const rows = drawn.map((entry) => {
    const near = nearest(entry.points, time);
    const value = near && Math.abs(near[0] - time) <= step * 1.5 ? near[1] : null;
    return el("div", {}, [
      el("span", {}, [el("i", { style: `background:${entry.color}` }), entry.label]),
      el("b", { text: format(value, unit) }),
    ]);
  });
  const at = x(time);
  const met = spans.filter(({ left, wide }) => at >= left - 3 && at <= left + wide + 3);
  const notes = met.map(({ test }) => el("div", { class: "note", text: `load test at ${clock(test.start)}: ${test.text}` }));
  tip.replaceChildren(el("div", { text: clock(time) }), ...rows, ...notes);
  cross.setAttribute("x1", at);
  cross.setAttribute("x2", at);
  const onLeft = at > width / 2;
  tip.style.left = onLeft ? "auto" : `${at + 10}px`;
  tip.style.right = onLeft ? `${width - at + 10}px` : "auto";
}

function nearest(points, time) {
  let [low, high] = [0, points.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle][0] < time) low = middle + 1;
    else high = middle;
  }
  const [before, after] = [points[Math.max(low - 1, 0)], points[low]];
  return before && after && time - before[0] < after[0] - time ? before : after;
}

// -- distribution ---------------------------------------------------------------------------------

// series: {label, color, bins: [{low, high, count}]}, all with the same bins. Each predictor's bars
// show the shares of its own predictions, so that a small one is seen as well as a large one.
export function distribution(plot, { series, unit, title }) {
  const drawn = series
    .map((entry) => ({ ...entry, total: entry.bins.reduce((sum, bin) => sum + bin.count, 0) }))
    .filter((entry) => entry.total > 0);
  if (!drawn.length) return none(plot, "no predictions in the time shown");
  const used = drawn.flatMap((entry) => entry.bins.flatMap((bin, index) => (bin.count > 0 ? [index] : [])));
  const [first, last] = [Math.min(...used), Math.max(...used)];
  const bins = drawn[0].bins.slice(first, last + 1);
  const label = `${title}: ${drawn.map((entry) => `${entry.label} ${format(entry.total, "count")} predictions`).join(", ")}`;
  const { drawing, right, bottom, width } = frame(plot, label);
  const share = (entry, index) => entry.bins[first + index].count / entry.total;
  const high = Math.max(...drawn.flatMap((entry) => bins.map((_bin, index) => share(entry, index))));
  const steps = ticks(0, high, 4, "ratio");
  const ceiling = steps[steps.length - 1];
  const y = (value) => bottom - (value / ceiling) * (bottom - MARGIN.top);
  for (const value of steps) {
    drawing.append(
      svg("line", { class: value === 0 ? "axis" : "grid", x1: MARGIN.left, x2: right, y1: y(value), y2: y(value) }),
      svg("text", { x: MARGIN.left - 7, y: y(value) + 4, "text-anchor": "end", text: format(value, "ratio") }),
    );
  }
  const slot = (right - MARGIN.left) / bins.length;
  const bar = Math.min((slot * 0.84) / drawn.length, 60);
  const tip = el("div", { class: "tip", hidden: "" });
  const every = Math.ceil((bins.length * 46) / (right - MARGIN.left));
  bins.forEach((bin, index) => {
    const left = MARGIN.left + slot * index;
    drawn.forEach((entry, number) => {
      const value = share(entry, index);
      if (!value) return;
      const start = left + (slot - bar * drawn.length) / 2 + bar * number;
      // A few predictions must not vanish below one pixel.
      const top = Math.min(y(value), bottom - 1.5);
      drawing.append(svg("rect", { x: start, y: top, width: Math.max(bar - 1, 1), height: bottom - top, rx: 1.5, style: `fill:${entry.color}` }));
    });
    if (index % every === 0 && Number.isFinite(bin.high)) {
      drawing.append(svg("text", { x: left + slot, y: bottom + 17, "text-anchor": "middle", text: formatTick(bin.high, unit) }));
    }
  });
  plot.hoverAt = undefined;
  drawing.addEventListener("pointermove", (event) => {
    const at = event.clientX - drawing.getBoundingClientRect().left;
    const index = Math.floor((at - MARGIN.left) / slot);
    tip.hidden = !bins[index];
    if (tip.hidden) return;
    tip.replaceChildren(
      el("div", { text: `${format(bins[index].low, unit)} to ${format(bins[index].high, unit)}` }),
      ...drawn.map((entry) => el("div", {}, [
        el("span", {}, [el("i", { style: `background:${entry.color}` }), entry.label]),
        el("b", { text: `${format(share(entry, index), "ratio")} (${format(entry.bins[first + index].count, "count")})` }),
      ])),
    );
    tip.style.left = at > width / 2 ? "auto" : `${at + 12}px`;
    tip.style.right = at > width / 2 ? `${width - at + 12}px` : "auto";
  });
  drawing.addEventListener("pointerleave", () => { tip.hidden = true; });
  const shown = drawn.map((entry) => ({ ...entry, look: "solid", last: entry.total }));
  plot.replaceChildren(drawing, tip, legend(shown, "count"));
}

// -- split ----------------------------------------------------------------------------------------

// rows: {label, parts: [{label, color, value}]}, values being shares of one.
export function split(plot, { rows, title }) {
  if (!rows.some((row) => row.parts.length)) return none(plot, "no requests in the time shown");
  const words = rows.map((row) => `${row.label}: ${row.parts.map((part) => `${part.label} ${format(part.value, "ratio")}`).join(", ")}`);
  const { drawing, width } = frame(plot, `${title}. ${words.join(". ")}`, 150);
  rows.forEach((row, index) => {
    const top = 8 + index * 72;
    drawing.append(svg("text", { x: 0, y: top + 11, text: row.parts.length ? row.label : `${row.label}: nothing yet` }));
    let start = 0;
    for (const part of row.parts) {
      const wide = Math.max(part.value, 0) * width;
      const dashed = row.look === "dashed";
      drawing.append(svg("rect", {
        x: start + (dashed ? 1 : 0), y: top + 19, width: Math.max(wide - 2, 0), height: 34, rx: 4,
        style: dashed ? `fill:none;stroke:${part.color};stroke-width:2` : `fill:${part.color}`,
      }));
      if (wide > 50) {
        const text = `${wide > 60 + part.label.length * 9 ? `${part.label} ` : ""}${format(part.value, "ratio")}`;
        drawing.append(svg("text", { x: start + 9, y: top + 41, style: `fill:${dashed ? "var(--ink)" : "var(--card)"};font-size:13px;font-weight:600`, text }));
      }
      start += wide;
    }
  });
  const items = rows.find((row) => row.parts.length).parts.map((part) => {
    const measured = rows.map((row) => row.parts.find((other) => other.label === part.label)?.value);
    return el("li", {}, [
      swatch({ color: part.color, look: "solid" }),
      part.label,
      el("b", { text: measured.map((value) => format(value, "ratio")).join(" of ") }),
    ]);
  });
  plot.hoverAt = undefined;
  plot.replaceChildren(drawing, el("ul", { class: "legend" }, items));
}
