// A result: threshold, overlays, classes, curve, comparison, correction, downloads.

import { get } from "./api";
import { brushPanel } from "./brush";
import { classPanel } from "./classes";
import { ComparePanel } from "./compare";
import { CurvePanel } from "./curve";
import { el, section } from "./dom";
import { maskAt, shell } from "./mask";
import { rgb, type Stage } from "./stage";
import type { About, Exam, Result } from "./types";

const DOWNLOADS: [string, string][] = [
  ["tumour.nii.gz", "Tumour mask (NIfTI)"],
  ["tumour_corrected.nii.gz", "Corrected mask (NIfTI)"],
  ["tumour_corrected.json", "Where the correction comes from (JSON)"],
  ["tumour_probability.nii.gz", "Probability (NIfTI)"],
  ["tumour_uncertainty.nii.gz", "Uncertainty (NIfTI)"],
  ["tumour_disagreement.nii.gz", "Disagreement of the passes (NIfTI)"],
  ["heterogeneity.nii.gz", "Heterogeneity map (NIfTI)"],
  ["tumour.dcm", "Tumour mask (DICOM SEG)"],
  ["heterogeneity.dcm", "Heterogeneity map (DICOM SEG)"],
  ["probability.dcm", "Probability (DICOM parametric map)"],
  ["summary.json", "Numbers (JSON)"],
];

const UNCERTAINTY = "tumour_uncertainty.nii.gz";

/** Where the networks are undecided: hidden until its opacity is raised. */
function uncertaintyPanel(stage: Stage): HTMLElement {
  const opacity = el("input", { type: "range", min: 0, max: 1, step: 0.05, value: 0, id: "uncertainty-opacity" });
  opacity.oninput = () => stage.fade("uncertainty", opacity.valueAsNumber);
  return section(
    "Uncertainty",
    { id: "uncertainty" },
    el("p", { class: "row" }, el("label", { for: "uncertainty-opacity" }, "Opacity"), opacity),
    el("p", { class: "small" }, "Entropy of the tumour probability: dark where the networks are nearly sure, yellow where undecided (1 bit). Below 0.1 bit nothing is shown."),
  );
}

/** Show a result, unless something else is `wanted` meanwhile; `reopen` shows it anew. */
export async function openResult(
  id: string,
  about: About,
  stage: Stage,
  tools: HTMLElement,
  wanted: () => boolean,
  reopen: () => void,
): Promise<void> {
  const result = await get<Result>(`/results/${id}`);
  const exam = result.exam ? await get<Exam>(`/exams/${result.exam}`).catch(() => null) : null;
  const file = (name: string): string => `/api/results/${id}/files/${name}`;
  stage.onplace = () => undefined;
  await stage.show(file("pre.nii.gz"));
  const colour = rgb(about.tumour_colour);
  await stage.add("heterogeneity", file("heterogeneity.nii.gz"), result.classes.map((c) => rgb(c.colour)), 0.5);
  if (!wanted()) return;
  const unsure = result.files.includes(UNCERTAINTY) ? uncertaintyPanel(stage) : null;
  if (unsure) await stage.addValues("uncertainty", file(UNCERTAINTY), "viridis", 0);
  if (!wanted()) return;
  await stage.add("tumour", file("tumour.nii.gz"), [colour], 1);
  const probability = await stage.values(file("tumour_probability.nii.gz"));
  const breast = await stage.values(file("breast.nii.gz"));
  if (!wanted()) return;

  let mask = new Uint8Array();
  let voxels = 0;
  const slider = el("input", { type: "range", min: 0.01, max: 0.99, step: 0.01, value: result.threshold, id: "threshold" });
  const said = el("output", { for: "threshold", id: "threshold-value" });
  const volume = el("output", { id: "volume", for: "threshold" });
  const outline = el("input", { type: "checkbox", id: "outline", checked: true });
  const opacity = el("input", { type: "range", min: 0, max: 1, step: 0.05, value: 1, id: "tumour-opacity" });
  const download = el("a", { id: "mask-download", download: true }, "Mask at this threshold (NIfTI)");

  const threshold = (): number => (touched ? slider.valueAsNumber : result.threshold);
  const query = (): string => (touched ? `?threshold=${slider.value}` : "");
  let touched = false;
  const show = (): void => stage.replace("tumour", outline.checked ? shell(mask, stage.size) : mask);
  const decide = (): void => {
    const found = maskAt(probability, breast, stage.size, threshold(), result.smallest_component_ml, result.voxel_ml);
    mask = found.mask as Uint8Array<ArrayBuffer>;
    voxels = found.voxels;
    said.value = threshold().toFixed(2);
    volume.value = `${(voxels * result.voxel_ml).toFixed(2)} ml`;
    volume.dataset["voxels"] = String(voxels);
    download.href = `/api/results/${id}/tumour.nii.gz?threshold=${threshold()}`;
    show();
  };
  let frame = 0;
  slider.oninput = () => {
    touched = true;
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(decide);
  };
  outline.onchange = show;
  opacity.oninput = () => stage.fade("tumour", opacity.valueAsNumber);

  const compare = new ComparePanel(result, stage, exam, query, (wanted) => {
    outline.checked = wanted;
    show();
  });
  slider.onchange = () => compare.refresh();
  const curve = result.exam ? new CurvePanel(result.exam) : null;
  stage.onplace = (place) => curve?.at(place);

  const swatch = el("span", { class: "swatch" });
  swatch.style.background = about.tumour_colour;
  tools.replaceChildren(
    section(
      result.name,
      { id: "result" },
      ...result.warnings.map((text) => el("p", { class: "bad" }, text)),
      el("p", { class: "score" }, volume, el("span", { class: "small" }, " tumour")),
      el("p", { class: "row" }, el("label", { for: "threshold" }, "Threshold"), slider, said),
      el("p", { class: "row" }, el("label", { for: "tumour-opacity" }, swatch, "Opacity"), opacity),
      el("p", {}, outline, el("label", { for: "outline" }, " Outline only")),
      el("p", { class: "small" }, `Largest probability ${result.largest_probability.toFixed(2)}; breast ${result.breast_ml.toFixed(0)} ml.`),
    ),
    classPanel(result, stage),
    ...(unsure ? [unsure] : []),
    curve?.element ?? section("Curve under the cursor", {}, el("p", { class: "small" }, "Only the result is here, not the exam with its phases.")),
    compare.element,
    brushPanel(result, stage, () => mask, query, reopen),
    section(
      "Take away",
      { id: "downloads" },
      el(
        "ul",
        { class: "plain" },
        result.files.includes("report.html") &&
          el("li", {}, el("a", { href: file("report.html"), target: "_blank", rel: "noopener" }, "Report (opens a page)")),
        el("li", {}, download),
        ...DOWNLOADS.filter(([name]) => result.files.includes(name)).map(([name, text]) =>
          el("li", {}, el("a", { href: file(name), download: name }, text)),
        ),
      ),
    ),
  );
  decide();
  if (result.largest_focus_mm) stage.goTo(result.largest_focus_mm);
}
