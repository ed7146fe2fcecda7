// The classes of the heterogeneity map: colours, mean curves, shown or hidden.

import { el, section } from "./dom";
import { spark } from "./plot";
import { rgb, type Stage } from "./stage";
import type { Result } from "./types";

export function classPanel(result: Result, stage: Stage): HTMLElement {
  const hidden = new Set<number>();
  const colours = result.classes.map((entry) => rgb(entry.colour));
  const highest = Math.max(...result.classes.flatMap((entry) => entry.curve), 0);
  const opacity = el("input", { type: "range", min: 0, max: 1, step: 0.05, value: 0.5, id: "heterogeneity-opacity" });
  opacity.oninput = () => stage.fade("heterogeneity", opacity.valueAsNumber);
  const rows = result.classes.map((entry) => {
    const box = el("input", { type: "checkbox", checked: true, id: `class-${entry.label}` });
    box.onchange = () => {
      if (box.checked) hidden.delete(entry.label);
      else hidden.add(entry.label);
      stage.paint("heterogeneity", colours, hidden);
    };
    const swatch = el("span", { class: "swatch" });
    swatch.style.background = entry.colour;
    return el(
      "li",
      {},
      box,
      el("label", { for: `class-${entry.label}` }, swatch, `${entry.label}`),
      spark(entry.curve, highest, entry.colour),
      el("span", { class: "small" }, `${(100 * entry.tumour_share).toFixed(0)} % of tumour`),
    );
  });
  return section(
    "Heterogeneity map",
    { id: "classes" },
    el("p", { class: "row" }, el("label", { for: "heterogeneity-opacity" }, "Opacity"), opacity),
    el("ul", { class: "classes" }, ...rows),
    el("p", { class: "small" }, `From least (1) to most suspicious. Curves: ${result.curve_label}.`),
  );
}
