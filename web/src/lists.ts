// The side: what can be opened, and the queue.

import { post, remove } from "./api";
import { button, el, section, trying } from "./dom";
import type { Exam, Job, ResultListed } from "./types";

const WORDS: Record<Job["state"], string> = {
  queued: "waits",
  running: "is segmented",
  done: "done",
  failed: "failed",
  cancelled: "cancelled",
  interrupted: "was interrupted",
};

export interface Acts {
  openExam: (id: string) => void;
  openResult: (id: string) => void;
  changed: () => void;
}

export class Lists {
  private readonly jobs = el("ul", { id: "jobs", class: "list" });
  private readonly results = el("ul", { id: "results", class: "list" });
  private readonly exams = el("ul", { id: "exams", class: "list" });
  private readonly filter = el("input", { type: "search", placeholder: "Find a case", "aria-label": "Find a case" });
  private readonly sections: [HTMLElement, HTMLElement][];
  private listed: Exam[] = [];
  private told = "";
  current = "";

  constructor(parent: HTMLElement, private readonly acts: Acts) {
    this.filter.oninput = () => this.showExams();
    this.sections = [
      [section("Queue", {}, this.jobs), this.jobs],
      [section("Results", {}, this.results), this.results],
      [section("Exams", {}, this.filter, this.exams), this.exams],
    ];
    parent.append(...this.sections.map(([part]) => part));
  }

  update(jobs: Job[], results: ResultListed[], exams: Exam[]): void {
    const told = JSON.stringify([jobs, results, exams, this.current]);
    if (told === this.told) return; // so that the keyboard's focus stays where it is
    this.told = told;
    this.jobs.replaceChildren(...jobs.filter((job) => job.state !== "done").map((job) => this.job(job)));
    this.results.replaceChildren(...results.map((result) => this.result(result)));
    this.listed = exams;
    this.filter.hidden = exams.length < 9;
    this.showExams();
    for (const [part, list] of this.sections) part.hidden = list.children.length === 0 && this.filter.value === "";
  }

  private showExams(): void {
    const wanted = this.filter.value.toLowerCase();
    const found = this.listed.filter((exam) => exam.name.toLowerCase().includes(wanted));
    this.exams.replaceChildren(...found.map((exam) => this.exam(exam)));
  }

  private job(job: Job): HTMLElement {
    const { progress } = job;
    const act = (path: string): void =>
      trying(async () => {
        await post(`/jobs/${job.id}/${path}`);
        this.acts.changed();
      });
    const running = job.state === "running";
    const waiting = job.state === "queued";
    const bar = progress.total
      ? el("progress", { max: progress.total, value: progress.done, "aria-label": "Progress" })
      : el("progress", { "aria-label": "Progress" });
    return el(
      "li",
      { "data-state": job.state },
      el("p", {}, el("b", {}, job.name), ` ${WORDS[job.state]}`),
      running && bar,
      running &&
        el("p", { class: "small" }, progress.total
          ? progress.done < progress.total
            ? `${progress.step || progress.description} (${progress.done + 1} of ${progress.total})`
            : "writing the results"
          : progress.description || "starting"),
      job.error ? el("p", { class: "bad" }, job.error) : null,
      el(
        "p",
        { class: "row" },
        (running || waiting) && button("Cancel", () => act("cancel")),
        !running && !waiting && button("Run again", () => act("again")),
        !running && !waiting && button("Delete", () => this.forget(`/jobs/${job.id}`, "this job")),
      ),
    );
  }

  private result(result: ResultListed): HTMLElement {
    return el(
      "li",
      {},
      this.opener(result.id, `${result.name}`, `${result.tumour_ml.toFixed(2)} ml`, () => this.acts.openResult(result.id)),
      result.origin === "job" &&
        button("✕", () => this.forget(`/jobs/${result.id}`, `the result of ${result.name}`), {
          class: "quiet",
          "aria-label": `Delete the result of ${result.name}`,
        }),
    );
  }

  private exam(exam: Exam): HTMLElement {
    const note = exam.state === "refused" ? "cannot be read" : exam.origin === "cohort" ? "" : exam.state === "reading" ? "is read" : "";
    return el(
      "li",
      {},
      this.opener(exam.id, exam.name, note, () => this.acts.openExam(exam.id)),
      exam.origin === "upload" &&
        button("✕", () => this.forget(`/exams/${exam.id}`, exam.name), { class: "quiet", "aria-label": `Delete ${exam.name}` }),
    );
  }

  private opener(id: string, name: string, note: string, open: () => void): HTMLElement {
    return el(
      "button",
      { type: "button", class: "opener", onclick: open, "aria-current": id === this.current ? "true" : false },
      el("span", {}, name),
      el("span", { class: "small" }, note),
    );
  }

  private forget(path: string, what: string): void {
    if (!window.confirm(`Delete ${what} from the workspace?`)) return;
    trying(async () => {
      await remove(path);
      this.acts.changed();
    });
  }
}
