// A reference mask beside the tumour mask.

import { get, put } from "./api";
import { button, el, section, trying } from "./dom";
import { rgb, type Stage } from "./stage";
import { shell } from "./mask";
import type { Comparison, Exam, Result } from "./types";

const REFERENCE = "#56b4e9"; // sky blue of Okabe and Ito

export class ComparePanel {
  readonly element: HTMLElement;
  private readonly table = el("div", { id: "comparison" });
  private ask: ((query: string) => Promise<Comparison>) | null = null;
  private shown = "";

  constructor(
    private readonly result: Result,
    private readonly stage: Stage,
    exam: Exam | null,
    private readonly query: () => string,
    private readonly outlines: (wanted: boolean) => void,
  ) {
    const file = el("input", { type: "file", accept: ".nii,.nii.gz,.gz", class: "unseen", tabindex: -1, id: "reference-file", "aria-label": "Reference mask" });
    file.onchange = () => {
      const chosen = file.files?.[0];
      if (chosen) this.begin(chosen, (query) => put<Comparison>(`/results/${result.id}/comparison${query}`, chosen));
      file.value = "";
    };
    this.element = section(
      "Compare with a reference",
      { id: "compare" },
      el(
        "p",
        { class: "row" },
        exam?.has_reference
          ? button("The cohort's mask", () =>
              this.begin(`/api/exams/${exam.id}/reference.nii.gz`, (query) =>
                get<Comparison>(`/results/${result.id}/comparison${query}`)))
          : null,
        button("Choose a mask", () => file.click()),
      ),
      file,
      this.table,
    );
  }

  /** Compare again, as after the threshold has changed. */
  refresh(): void {
    const { ask } = this;
    const query = this.query();
    if (!ask || query === this.shown) return;
    trying(async () => {
      const told = await ask(query);
      this.shown = query;
      this.show(told);
    });
  }

  private begin(source: string | File, ask: (query: string) => Promise<Comparison>): void {
    trying(async () => {
      const query = this.query();
      const told = await ask(query);
      await this.stage.add("reference", source, [rgb(REFERENCE)], 1);
      const mask = Uint8Array.from(this.stage.voxels("reference"), (value) => (value > 0 ? 1 : 0));
      this.stage.replace("reference", shell(mask, this.stage.size));
      this.ask = ask;
      this.shown = query;
      this.outlines(true);
      this.show(told);
    });
  }

  private show(told: Comparison): void {
    const row = (name: string, value: number | null, unit: string, digits = 2): HTMLElement =>
      el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value === null ? "undefined" : `${value.toFixed(digits)}${unit}`));
    const swatch = el("span", { class: "swatch" });
    swatch.style.background = REFERENCE;
    this.table.replaceChildren(
      el(
        "table",
        {},
        row("DSC", told.dsc, "", 3),
        row("Sensitivity", told.sen, "", 3),
        row("PPV", told.ppv, "", 3),
        row("ASD", told.asd_mm, " mm"),
        row("HD95", told.hd95_mm, " mm"),
        row("Mask", told.mask_ml, " ml"),
        row("Reference", told.reference_ml, " ml"),
      ),
      el("p", { class: "small" }, swatch, `Outline of the reference. Compared: ${this.result.name} as shown.`),
    );
  }
}
