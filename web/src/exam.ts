// An exam: what was found in it, and the button that segments it.

import { post } from "./api";
import { button, el, section, trying } from "./dom";
import type { About, Exam, Found, Job, Phase } from "./types";

export function examTools(exam: Exam, about: About, queued: (job: Job) => void): HTMLElement[] {
  if (exam.state === "reading") {
    return [section(exam.name, {}, el("p", { class: "small" }, "The exam is read."), el("progress", { "aria-label": "Reading" }))];
  }
  if (exam.state === "refused") {
    return [section(exam.name, {}, el("p", { class: "bad" }, exam.error ?? "It cannot be read."))];
  }
  const mirrored = el("input", { type: "checkbox", id: "tta" });
  const go = button("Segment", () =>
    trying(async () => {
      go.disabled = true;
      try {
        queued(await post<Job>("/jobs", { exam: exam.id, tta: mirrored.checked }));
      } finally {
        go.disabled = false;
      }
    }), { class: "main", disabled: about.bundle === null });
  return [
    section(
      exam.name,
      { id: "exam" },
      el("p", {}, go),
      el("p", { class: "small" }, mirrored, el("label", { for: "tta" }, " Also its mirror images (four times as long)")),
      el("p", { class: "small" }, about.bundle ? `Bundle: ${about.bundle.name}.` : "Start hcnet serve without --look-only to segment."),
    ),
    ...(exam.found ? [phases(exam.found)] : []),
  ];
}

function phases(found: Found): HTMLElement {
  // Phases share a grid as a rule: said once, it leaves room for where each comes from.
  const grids = found.phases.map((phase) => `${phase.size.join(" × ")} voxels of ${phase.spacing_mm.map((mm) => mm.toPrecision(3)).join(" × ")} mm`);
  const shared = new Set(grids).size === 1;
  const rows = found.phases.map((phase, number) =>
    el(
      "tr",
      { class: phase.pre ? "pre" : "" },
      el("td", {}, `${phase.phase}${phase.pre ? " pre" : phase.used === false ? " not used" : ""}`),
      el("td", {}, phase.time_s === null ? "–" : phase.time_s.toFixed(0)),
      ...(shared ? [] : [el("td", {}, grids[number] ?? "")]),
      el("td", { class: "origin" }, origin(phase)),
    ),
  );
  const head = ["Phase", "Time (s)", ...(shared ? [] : ["Grid"]), found.kind === "dicom" ? "Series" : "File"];
  const reasons = [found.dynamic_why, found.pre_why, found.times_why].filter((why) => why);
  return section(
    "What was found",
    { id: "found" },
    el(
      "div",
      { class: "wide", tabindex: 0, role: "region", "aria-label": "Phases" },
      el("table", {}, el("thead", {}, el("tr", {}, ...head.map((text) => el("th", { scope: "col" }, text)))), el("tbody", {}, ...rows)),
    ),
    ...(shared && grids.length ? [el("p", { class: "small" }, `${grids[0]}${grids.length > 1 ? ", each" : ""}`)] : []),
    ...found.warnings.map((text) => el("p", { class: "bad" }, text)),
    ...(reasons.length || found.series
      ? [
          el(
            "details",
            {},
            el("summary", {}, "Why, and what else is there"),
            ...reasons.map((why) => el("p", { class: "small" }, `${why}.`)),
            ...(found.series ?? []).map((series) =>
              el("p", { class: "small" }, el("b", {}, `${series.number ?? "–"} ${series.description}`), `: ${series.images} images, ${series.role}. ${series.why}`),
            ),
          ),
        ]
      : []),
  );
}

function origin(phase: Phase): string {
  return phase.location ?? String(phase.series ?? "–");
}
