// Copyright: (c) 2026, the monitml.stack founders
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// Figures as a person reads them, and the round steps of an axis.

const NONE = "–";
const grouped = (value, digits) =>
  value.toLocaleString("en-US", { maximumFractionDigits: digits, minimumFractionDigits: 0 });
const significant = (value, digits) =>
  value.toLocaleString("en-US", { maximumSignificantDigits: digits });

// A value with its unit: 484,714; 25 %; 12.5 ms; 3.2/s; 190 MiB.
export function format(value, unit) {
  if (value === null || value === undefined || Number.isNaN(value)) return NONE;
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  switch (unit) {
    case "ratio":
      return `${significant(value * 100, 3)} %`;
    case "seconds":
      return Math.abs(value) < 1 ? `${significant(value * 1000, 3)} ms` : `${significant(value, 3)} s`;
    case "per_second":
      return `${significant(value, 3)}/s`;
    case "bytes":
      return bytes(value);
    case "cores":
      return significant(value, 2);
    case "count":
      return grouped(value, 0);
    default:
      return Math.abs(value) < 1000 ? significant(value, 4) : grouped(value, 0);
  }
}

function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(Math.max(Math.floor(Math.log2(Math.abs(value) || 1) / 10), 0), 4);
  return `${significant(value / 1024 ** power, 3)} ${units[power]}`;
}

// The same, shorter, for an axis: 500k.
export function formatTick(value, unit) {
  if (unit !== "value" && unit !== "count") return format(value, unit);
  return value.toLocaleString("en-US", { notation: "compact", maximumSignificantDigits: 3 });
}

// Round values from at or below low to at or above high, about as many as wanted.
export function ticks(low, high, wanted, unit) {
  const span = high - low || 1;
  const base = unit === "bytes" ? 1024 ** Math.floor(Math.log(span) / Math.log(1024)) : 1;
  const raw = span / base / wanted;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = base * size * [1, 2, 5, 10].find((factor) => raw <= factor * size * 1.0001);
  const found = [];
  for (let index = Math.floor(low / step); index <= Math.ceil(high / step - 1e-9); index += 1) {
    found.push(index * step);
  }
  return found;
}

export function clock(seconds, withSeconds = true) {
  const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  if (withSeconds) options.second = "2-digit";
  return new Date(seconds * 1000).toLocaleTimeString("en-GB", options);
}

export function ago(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
