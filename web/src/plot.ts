// Small curves, drawn as SVG.

import { svg } from "./dom";

/** A class's mean curve, as wide as a word. */
export function spark(values: number[], highest: number, colour: string): SVGElement {
  const at = (value: number, i: number): string =>
    `${((i / Math.max(values.length - 1, 1)) * 56 + 2).toFixed(1)},${(22 - (value / (highest || 1)) * 18).toFixed(1)}`;
  return svg(
    "svg",
    { viewBox: "0 0 60 24", class: "spark", "aria-hidden": "true" },
    svg("line", { x1: 2, x2: 58, y1: 22, y2: 22, class: "axis" }),
    svg("polyline", { points: values.map(at).join(" "), fill: "none", class: "halo" }),
    svg("polyline", { points: values.map(at).join(" "), fill: "none", stroke: colour, "stroke-width": 2 }),
  );
}

/** A voxel's curve with axes: enhancement in percent, or signal where there is no baseline. */
export function plot(times: number[] | null, values: number[], unit: string): SVGElement {
  const x = times ?? values.map((_, i) => i);
  const low = Math.min(0, ...values);
  const high = Math.max(low + 1e-6, ...values);
  const first = Math.min(...x);
  const last = Math.max(...x);
  const px = (v: number): number => 44 + ((v - first) / Math.max(last - first, 1e-6)) * 206;
  const py = (v: number): number => 112 - ((v - low) / (high - low)) * 96;
  const number = (v: number): string => (Math.abs(v) >= 100 ? v.toFixed(0) : v.toPrecision(2));
  const points = values.map((v, i) => `${px(x[i] ?? 0).toFixed(1)},${py(v).toFixed(1)}`);
  return svg(
    "svg",
    { viewBox: "0 0 260 140", class: "plot", role: "img", "aria-label": `Curve: ${values.map(number).join(", ")} ${unit}` },
    svg("line", { x1: 44, x2: 250, y1: py(Math.max(low, 0)), y2: py(Math.max(low, 0)), class: "axis" }),
    svg("line", { x1: 44, x2: 44, y1: 16, y2: 112, class: "axis" }),
    svg("text", { x: 40, y: py(high) + 4, "text-anchor": "end" }, number(high)),
    svg("text", { x: 40, y: py(low) + 4, "text-anchor": "end" }, number(low)),
    svg("text", { x: 44, y: 11 }, unit),
    ...x.map((t) => svg("text", { x: px(t), y: 126, "text-anchor": "middle" }, times ? t.toFixed(0) : String(t))),
    svg("text", { x: 250, y: 139, "text-anchor": "end" }, times ? "seconds" : "phase"),
    svg("polyline", { points: points.join(" "), class: "curve" }),
    ...points.map((p) => svg("circle", { cx: p.split(",")[0], cy: p.split(",")[1], r: 3, class: "dot" })),
  );
}
