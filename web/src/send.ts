// An exam from the user's disk to the server: one file, several, or a folder.

import { post, put } from "./api";
import { button, el, tell } from "./dom";
import type { About, Exam } from "./types";

const AT_ONCE = 4;
const LONGEST_PATH = 1000; // as the server takes it

interface Sent {
  file: File;
  /** What the user calls it: its path below the folder that was given. */
  path: string;
}

/** The zone to drop an exam on; the whole page takes drops too. */
export function sendZone(about: About, sent: (exam: Exam) => void): HTMLElement {
  const bar = el("progress", { max: 1, value: 0, hidden: true, "aria-label": "Sending" });
  const files = el("input", { type: "file", multiple: true, class: "unseen", tabindex: -1, "aria-label": "Files of an exam" });
  const folder = el("input", { type: "file", webkitdirectory: true, class: "unseen", tabindex: -1, "aria-label": "Folder of an exam" });
  const zone = el(
    "section",
    { id: "drop", "aria-label": "Send an exam" },
    el("p", {}, "Drop an exam here: NIfTI, a zip of DICOM, or a folder."),
    el(
      "p",
      { class: "row" },
      button("Choose files", () => files.click()),
      button("Choose a folder", () => folder.click()),
    ),
    files,
    folder,
    bar,
  );

  let busy = false;
  const take = async (asked: Promise<Sent[]>, name: string): Promise<void> => {
    if (busy) return;
    busy = true;
    bar.hidden = false;
    try {
      const given = await asked;
      if (given.length === 0) throw new Error(`${name}: holds no file.`);
      const size = given.reduce((sum, { file }) => sum + file.size, 0);
      if (size > about.largest_upload) {
        throw new Error(`${name}: is larger than this server takes (${Math.round(about.largest_upload / 1e6)} MB).`);
      }
      sent(await send(given, name, (share) => (bar.value = share)));
    } catch (error) {
      tell(error instanceof Error ? error.message : String(error), "bad");
    } finally {
      busy = false;
      bar.hidden = true;
      files.value = folder.value = "";
    }
  };
  files.onchange = () => {
    const chosen = [...(files.files ?? [])];
    const [first] = chosen;
    if (first) void take(Promise.resolve(chosen.map((file) => ({ file, path: file.name }))), first.name);
  };
  folder.onchange = () => {
    const chosen = [...(folder.files ?? [])].map((file) => ({ file, path: below(file.webkitRelativePath) }));
    const [first] = chosen;
    if (first) void take(Promise.resolve(chosen), first.file.webkitRelativePath.split("/")[0] ?? "exam");
  };
  window.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  window.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) zone.classList.remove("over");
  });
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    // All must be asked for now: the list is empty once this listener is left.
    const given = [...(event.dataTransfer?.items ?? [])].map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }));
    const [first] = given;
    if (!first) return;
    const found = given.map(({ entry, file }) => (entry ? filesOf(entry) : file ? [{ file, path: file.name }] : []));
    const all = Promise.all(found).then((lists) => lists.flat());
    // A folder's own name tells its files apart only where it does not come alone.
    const alone = given.length === 1 && first.entry?.isDirectory;
    const sent = alone ? all.then((list) => list.map(({ file, path }) => ({ file, path: below(path) }))) : all;
    void take(sent, first.entry?.name ?? first.file?.name ?? "exam");
  });
  return zone;
}

async function send(given: Sent[], name: string, progress: (share: number) => void): Promise<Exam> {
  const [only] = given;
  if (only && given.length === 1) {
    return put<Exam>(`/upload?name=${encodeURIComponent(only.file.name)}`, only.file, progress);
  }
  const { id } = await post<{ id: string }>("/uploads");
  let next = 0;
  let done = 0;
  const worker = async (): Promise<void> => {
    for (let number = next++; number < given.length; number = next++) {
      const one = given[number];
      if (!one) return;
      const path = one.path.length > LONGEST_PATH ? one.file.name : one.path;
      await put(`/uploads/${id}/files/${number}?name=${encodeURIComponent(path)}`, one.file);
      progress(++done / given.length);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return post<Exam>(`/uploads/${id}/complete?name=${encodeURIComponent(name)}`);
}

/** A path without its first folder. */
function below(path: string): string {
  return path.slice(path.indexOf("/") + 1);
}

async function filesOf(entry: FileSystemEntry): Promise<Sent[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ file, path: entry.fullPath.slice(1) }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: Sent[] = [];
  for (;;) {
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (batch.length === 0) return found;
    for (const inner of batch) found.push(...(await filesOf(inner)));
  }
}
