// The page: what is open, and asking the server what has changed.

import { get } from "./api";
import { byId, el, tell, trying } from "./dom";
import { CurvePanel } from "./curve";
import { examTools } from "./exam";
import { Lists } from "./lists";
import { openResult } from "./result";
import { sendZone } from "./send";
import { Stage } from "./stage";
import type { About, Exam, Job, ResultListed } from "./types";

const BUSY_MS = 400;
const IDLE_MS = 4000;

class Page {
  private readonly tools = byId("tools");
  private readonly lists: Lists;
  private readonly awaited = new Set<string>();
  private timer = 0;
  private examState = "";
  private opening: Promise<void> = Promise.resolve();

  constructor(
    private readonly about: About,
    private readonly stage: Stage,
  ) {
    const side = byId("side");
    side.append(
      sendZone(about, (exam) => {
        this.openExam(exam.id);
        void this.refresh();
      }),
    );
    this.lists = new Lists(side, {
      openExam: (id) => this.openExam(id),
      openResult: (id) => this.openResult(id),
      changed: () => void this.refresh(),
    });
    window.addEventListener("hashchange", () => this.follow());
  }

  async start(): Promise<void> {
    await this.refresh();
    if (location.hash) {
      this.follow();
      return;
    }
    const [result, other] = await get<ResultListed[]>("/results");
    if (result && !other) this.openResult(result.id);
    else this.welcome();
  }

  private welcome(): void {
    document.body.classList.add("empty");
    this.tools.replaceChildren(
      el("section", {}, el("h2", {}, "Nothing is open"), el("p", {}, "Send an exam, or open one from the lists.")),
    );
  }

  private follow(): void {
    const [, kind, id] = /^#(exam|result)\/([0-9a-f]{16})$/.exec(location.hash) ?? [];
    if (!id) return;
    if (kind === "exam") this.openExam(id);
    else this.openResult(id);
  }

  private openExam(id: string): void {
    this.open("exam", id);
    this.examState = "";
    this.afterwards(id, () => this.showExam(id));
  }

  private async showExam(id: string): Promise<void> {
    const exam = await get<Exam>(`/exams/${id}`);
    if (this.lists.current !== id || exam.state === this.examState) return;
    this.examState = exam.state;
    const parts = examTools(exam, this.about, (job) => {
      this.awaited.add(job.id);
      void this.refresh();
    });
    if (exam.state !== "ready") {
      this.stage.clear();
      this.tools.replaceChildren(...parts);
      if (exam.state === "reading") this.soon(BUSY_MS);
      return;
    }
    const curve = new CurvePanel(id);
    this.stage.onplace = (place) => curve.at(place);
    await this.stage.show(`/api/exams/${id}/pre.nii.gz`);
    if (this.lists.current === id) this.tools.replaceChildren(...parts, curve.element);
  }

  private openResult(id: string): void {
    this.open("result", id);
    this.tools.replaceChildren(el("section", {}, el("p", {}, "Reading the images"), el("progress", { "aria-label": "Reading" })));
    const wanted = (): boolean => this.lists.current === id;
    this.afterwards(id, () =>
      openResult(id, this.about, this.stage, this.tools, wanted, () => this.openResult(id)),
    );
  }

  /** Open one thing after the other; what nobody wants any more is left out. */
  private afterwards(id: string, work: () => Promise<void>): void {
    const before = this.opening;
    this.opening = before.then(async () => {
      if (this.lists.current !== id) return;
      await work().catch((error: unknown) => tell(error instanceof Error ? error.message : String(error), "bad"));
    });
  }

  private open(kind: string, id: string): void {
    this.lists.current = id;
    document.body.classList.remove("empty");
    byId("stage").scrollIntoView({ block: "start" });
    history.replaceState(null, "", `#${kind}/${id}`);
    void this.refresh();
  }

  /** Ask for the lists, often while something is under way. */
  private async refresh(): Promise<void> {
    try {
      const [jobs, results, exams] = await Promise.all([
        get<Job[]>("/jobs"),
        get<ResultListed[]>("/results"),
        get<Exam[]>("/exams"),
      ]);
      this.lists.update(jobs, results, exams);
      const open = exams.find((exam) => exam.id === this.lists.current);
      if (open && open.state !== this.examState && this.examState === "reading") {
        this.afterwards(open.id, () => this.showExam(open.id));
      }
      for (const job of jobs) {
        if (job.state === "done" && this.awaited.delete(job.id)) this.openResult(job.id);
      }
      const busy = jobs.some((job) => job.state === "queued" || job.state === "running");
      this.soon(busy || this.examState === "reading" ? BUSY_MS : IDLE_MS);
    } catch {
      this.soon(IDLE_MS); // the server may be starting again
    }
  }

  private soon(pause: number): void {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.refresh(), pause);
  }
}

trying(async () => {
  const about = await get<About>("/about");
  byId("notice").textContent = about.notice;
  const stage = new Stage(byId("stage"));
  await stage.start();
  await new Page(about, stage).start();
});
