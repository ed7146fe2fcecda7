// Correcting the mask by hand.

import { put } from "./api";
import { button, byId, el, section, tell, trying } from "./dom";
import { rgb, type Stage } from "./stage";
import type { Correction, Result } from "./types";

const PEN = "#e69f00"; // orange of Okabe and Ito: what is drawn is not what was found
const LAYERS = ["tumour", "heterogeneity"] as const; // out of the way of the pen

export function brushPanel(
  result: Result,
  stage: Stage,
  current: () => Uint8Array,
  query: () => string,
  saved: () => void,
): HTMLElement {
  const body = el("div", {});
  const size = el("input", { type: "range", min: 1, max: 15, step: 1, value: 3, id: "pen-size" });
  const filled = el("input", { type: "checkbox", id: "pen-filled" });
  let value: 0 | 1 = 1;
  const tools: [0 | 1, HTMLButtonElement][] = [];
  const choose = (next: 0 | 1): void => {
    value = next;
    stage.pen(value, size.valueAsNumber, filled.checked);
    for (const [kind, tool] of tools) tool.setAttribute("aria-pressed", String(kind === next));
  };
  tools.push(
    [1, button("Add", () => choose(1), { "aria-pressed": "true" })],
    [0, button("Erase", () => choose(0), { "aria-pressed": "false" })],
  );
  size.oninput = filled.onchange = () => choose(value);

  const stop = (): void => {
    stage.stopDrawing();
    for (const layer of LAYERS) stage.fade(layer, slider(`${layer}-opacity`).valueAsNumber);
    body.replaceChildren(begin);
  };
  const save = button("Save", () =>
    trying(async () => {
      const told = await put<Correction>(`/results/${result.id}/correction${query()}`, await stage.drawn());
      tell(`Saved: ${told.tumour_ml.toFixed(2)} ml, ${told.added_ml.toFixed(2)} ml added, ${told.removed_ml.toFixed(2)} ml removed.`);
      stop();
      saved();
    }), { class: "main" });
  const begin = button("Correct the mask", () => {
    for (const layer of LAYERS) stage.fade(layer, 0);
    stage.startDrawing(current(), rgb(PEN));
    choose(1);
    body.replaceChildren(
      el("p", { class: "row", role: "group", "aria-label": "Brush" }, ...tools.map(([, tool]) => tool), button("Undo", () => stage.undo())),
      el("p", { class: "row" }, el("label", { for: "pen-size" }, "Size"), size),
      el("p", {}, filled, el("label", { for: "pen-filled" }, " Fill what I circle")),
      el("p", { class: "row" }, save, button("Discard", stop)),
      el("p", { class: "small" }, "Draw on a slice; the wheel changes the slice."),
    );
  });
  body.append(begin);
  return section(
    "Correct",
    { id: "brush" },
    body,
    el("p", { class: "small" }, "Saved as tumour_corrected.nii.gz beside the mask, which stays as it is."),
  );
}

function slider(id: string): HTMLInputElement {
  return byId(id) as HTMLInputElement;
}
