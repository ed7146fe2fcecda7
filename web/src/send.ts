// An exam from the user's disk to the server: one file, several, or a folder.

import { post, put } from "./api";
import { button, el, tell } from "./dom";
import type { About, Exam } from "./types";

const AT_ONCE = 4;

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
  const take = async (given: File[], name: string): Promise<void> => {
    if (busy || given.length === 0) return;
    busy = true;
    bar.hidden = false;
    try {
      const size = given.reduce((sum, file) => sum + file.size, 0);
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
  files.onchange = () => void take([...(files.files ?? [])], files.files?.[0]?.name ?? "exam");
  folder.onchange = () => {
    const chosen = [...(folder.files ?? [])];
    void take(chosen, chosen[0]?.webkitRelativePath.split("/")[0] ?? "exam");
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
    const found = given.map(({ entry, file }) => (entry ? filesOf(entry) : file ? [file] : []));
    const [first] = given;
    void Promise.all(found).then((files) => take(files.flat(), first?.entry?.name ?? first?.file?.name ?? "exam"));
  });
  return zone;
}

async function send(files: File[], name: string, progress: (share: number) => void): Promise<Exam> {
  const [only] = files;
  if (only && files.length === 1) {
    return put<Exam>(`/upload?name=${encodeURIComponent(only.name)}`, only, progress);
  }
  const { id } = await post<{ id: string }>("/uploads");
  let next = 0;
  let done = 0;
  const worker = async (): Promise<void> => {
    for (let number = next++; number < files.length; number = next++) {
      const file = files[number];
      if (!file) return;
      await put(`/uploads/${id}/files/${number}?name=${encodeURIComponent(file.name)}`, file);
      progress(++done / files.length);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return post<Exam>(`/uploads/${id}/complete?name=${encodeURIComponent(name)}`);
}

async function filesOf(entry: FileSystemEntry): Promise<File[]> {
  if (entry.isFile) {
    return [await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject))];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: File[] = [];
  for (;;) {
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (batch.length === 0) return found;
    for (const inner of batch) found.push(...(await filesOf(inner)));
  }
}
