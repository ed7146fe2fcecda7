// The time-intensity curve under the cursor.

import { get } from "./api";
import { el, section } from "./dom";
import { plot } from "./plot";
import type { Place } from "./stage";
import type { Curve } from "./types";

const PAUSE_MS = 60;

export class CurvePanel {
  readonly element: HTMLElement;
  private readonly body = el("div", { id: "curve", class: "small" }, "Click into the image.");
  private timer = 0;
  private asked = 0;

  constructor(private readonly exam: string) {
    this.element = section("Curve under the cursor", {}, this.body);
  }

  at(place: Place): void {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.load(place), PAUSE_MS);
  }

  private async load(place: Place): Promise<void> {
    const asked = ++this.asked;
    const [i, j, k] = place.voxel;
    if (Math.min(i, j, k) < 0) return;
    try {
      const curve = await get<Curve>(`/exams/${this.exam}/curve?i=${i}&j=${j}&k=${k}`);
      if (asked === this.asked) this.show(curve);
    } catch {
      if (asked === this.asked) this.body.replaceChildren("No curve here.");
    }
  }

  private show(curve: Curve): void {
    if (curve.signal.length < 2) {
      this.body.replaceChildren(`Signal ${curve.signal[0]?.toFixed(0) ?? ""}; the exam has one phase.`);
      return;
    }
    const percent = curve.enhancement?.map((value) => 100 * value);
    this.body.replaceChildren(
      plot(curve.times_s, percent ?? curve.signal, percent ? "enhancement (%)" : "signal"),
      el("p", { class: "small" }, curve.times_s ? `Times from ${curve.times_from === "pre" ? "the pre-contrast phase" : curve.times_from === "injection" ? "the injection" : "an unknown moment"}.` : "The exam tells no times."),
    );
  }
}
