// The images: a thin layer over NiiVue.

import { cmapper, NVImage, Niivue, SHOW_RENDER, SLICE_TYPE } from "@niivue/niivue";
import { button, el } from "./dom";
import type { Size } from "./mask";

export type Layer = "tumour" | "heterogeneity" | "reference" | "uncertainty";
export type Place = { voxel: [number, number, number]; mm: [number, number, number] };
type Colour = [number, number, number];

const VIEWS: [string, number][] = [
  ["All", SLICE_TYPE.MULTIPLANAR],
  ["Axial", SLICE_TYPE.AXIAL],
  ["Coronal", SLICE_TYPE.CORONAL],
  ["Sagittal", SLICE_TYPE.SAGITTAL],
  ["3-D", SLICE_TYPE.RENDER],
];

export class Stage {
  private readonly nv: Niivue;
  private readonly canvas: HTMLCanvasElement;
  private readonly where: HTMLElement;
  private readonly layers = new Map<Layer, NVImage>();
  onplace: (place: Place) => void = () => undefined;

  constructor(parent: HTMLElement) {
    this.canvas = el("canvas", {
      id: "canvas",
      tabindex: 0,
      "aria-label": "Images. Arrow keys and Page Up, Page Down move the cursor.",
    });
    this.where = el("p", { id: "where" });
    const views = el("div", { class: "views", role: "group", "aria-label": "View" });
    for (const [name, type] of VIEWS) {
      const choice = button(name, () => {
        this.nv.setSliceType(type);
        for (const other of views.children) other.setAttribute("aria-pressed", String(other === choice));
      }, { "aria-pressed": String(type === SLICE_TYPE.MULTIPLANAR) });
      views.append(choice);
    }
    parent.append(el("div", { class: "bar" }, views, this.where), el("div", { id: "frame" }, this.canvas));
    this.nv = new Niivue({
      backColor: [0, 0, 0, 1],
      crosshairColor: [1, 1, 1, 0.6],
      crosshairWidth: 0.5,
      crosshairWidthUnit: "mm",
      show3Dcrosshair: true,
      dragAndDropEnabled: false,
      isRadiologicalConvention: true,
      multiplanarShowRender: SHOW_RENDER.ALWAYS,
      multiplanarForceRender: true,
      loadingText: "",
      logLevel: "error",
      maxDrawUndoBitmaps: 24,
    });
    this.nv.onLocationChange = (location: unknown) => this.moved(location as { mm: ArrayLike<number> });
    this.canvas.addEventListener("keydown", (event) => this.key(event));
  }

  async start(): Promise<void> {
    await this.nv.attachToCanvas(this.canvas);
    this.nv.setInterpolation(false);
  }

  get size(): Size {
    const dims = this.background.hdr?.dims ?? [3, 1, 1, 1];
    return { x: dims[1] ?? 1, y: dims[2] ?? 1, z: dims[3] ?? 1 };
  }

  /** Show an image alone. */
  async show(url: string): Promise<void> {
    this.clear();
    this.nv.addVolume(await read(await fetched(url), "image", 1, "gray"));
    this.where.textContent = "";
    this.canvas.dataset["shown"] = url;
  }

  clear(): void {
    this.stopDrawing();
    this.layers.clear();
    for (const volume of [...this.nv.volumes].reverse()) this.nv.removeVolume(volume);
    delete this.canvas.dataset["shown"];
    this.nv.drawScene();
  }

  /** Lay labels of one byte over the image; colour k is that of label k + 1. */
  async add(layer: Layer, source: string | File, colours: Colour[], opacity: number): Promise<void> {
    const old = this.layers.get(layer);
    if (old) this.nv.removeVolume(old);
    const image = await read(typeof source === "string" ? await fetched(source) : source, layer, opacity);
    this.layers.set(layer, image);
    label(image, colours, new Set());
    this.nv.addVolume(image);
  }

  /** Lay values between 0 and 1 over the image; what is near 0 stays clear. */
  async addValues(layer: Layer, url: string, colormap: string, opacity: number): Promise<void> {
    const image = await read(await fetched(url), layer, opacity, colormap);
    image.cal_min = 0.1;
    image.cal_max = 1;
    this.layers.set(layer, image);
    this.nv.addVolume(image);
  }

  remove(layer: Layer): void {
    const image = this.layers.get(layer);
    if (image) this.nv.removeVolume(image);
    this.layers.delete(layer);
  }

  /** Colours of a layer, without the labels that are hidden. */
  paint(layer: Layer, colours: Colour[], hidden: Set<number>): void {
    const image = this.layers.get(layer);
    if (!image) return;
    label(image, colours, hidden);
    this.nv.updateGLVolume();
  }

  fade(layer: Layer, opacity: number): void {
    const image = this.layers.get(layer);
    if (image) this.nv.setOpacity(this.nv.volumes.indexOf(image), opacity);
  }

  voxels(layer: Layer): ArrayLike<number> {
    return this.layers.get(layer)?.img ?? new Uint8Array();
  }

  replace(layer: Layer, labels: Uint8Array): void {
    const image = this.layers.get(layer);
    if (!image) return;
    image.img = labels;
    this.nv.updateGLVolume();
  }

  /** Values of another file on the same grid, not shown. */
  async values(url: string): Promise<ArrayLike<number>> {
    return (await read(await fetched(url), "values", 1)).img ?? new Uint8Array();
  }

  goTo(mm: [number, number, number]): void {
    this.nv.scene.crosshairPos = this.nv.mm2frac(mm);
    this.nv.createOnLocationChange();
    this.nv.drawScene();
  }

  startDrawing(mask: Uint8Array, colour: Colour): void {
    const image = this.layers.get("tumour")?.clone();
    if (!image) return;
    image.img = mask.slice();
    this.nv.loadDrawing(image);
    this.nv.drawLut = cmapper.makeDrawLut({
      R: [0, colour[0]], G: [0, colour[1]], B: [0, colour[2]], A: [0, 255], I: [0, 1],
      labels: ["", "tumour"],
    });
    this.nv.updateGLVolume();
    this.nv.setDrawOpacity(0.6);
  }

  pen(value: 0 | 1, size: number, filled: boolean): void {
    this.nv.opts.penSize = size;
    this.nv.setDrawingEnabled(true);
    this.nv.setPenValue(value, filled);
  }

  undo(): void {
    this.nv.drawUndo();
  }

  async drawn(): Promise<Blob> {
    const bytes = await this.nv.saveImage({ filename: "", isSaveDrawing: true, volumeByIndex: 0 });
    if (!(bytes instanceof Uint8Array)) throw new Error("There is no drawing to save.");
    return new Blob([bytes.slice()]);
  }

  stopDrawing(): void {
    this.nv.setDrawingEnabled(false);
    if (this.nv.drawBitmap) this.nv.closeDrawing();
  }

  private get background(): NVImage {
    const [image] = this.nv.volumes;
    if (!image) throw new Error("no image is shown");
    return image;
  }

  private moved(location: { mm: ArrayLike<number> }): void {
    const mm: [number, number, number] = [location.mm[0] ?? 0, location.mm[1] ?? 0, location.mm[2] ?? 0];
    const voxel = voxelAt(this.background.hdr?.affine ?? [], mm);
    this.where.textContent =
      `R ${mm[0].toFixed(1)}  A ${mm[1].toFixed(1)}  S ${mm[2].toFixed(1)} mm   voxel ${voxel.join(", ")}`;
    this.onplace({ voxel, mm });
  }

  private key(event: KeyboardEvent): void {
    const step: Record<string, [number, number, number]> = {
      ArrowLeft: [-1, 0, 0], ArrowRight: [1, 0, 0], ArrowDown: [0, -1, 0], ArrowUp: [0, 1, 0],
      PageDown: [0, 0, -1], PageUp: [0, 0, 1],
    };
    const by = step[event.key];
    if (!by || this.nv.volumes.length === 0) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.nv.moveCrosshairInVox(...by);
  }
}

function label(image: NVImage, colours: Colour[], hidden: Set<number>): void {
  image.setColormapLabel({
    R: [0, ...colours.map((c) => c[0])],
    G: [0, ...colours.map((c) => c[1])],
    B: [0, ...colours.map((c) => c[2])],
    A: [0, ...colours.map((_, k) => (hidden.has(k + 1) ? 0 : 255))],
    I: [0, ...colours.map((_, k) => k + 1)],
    labels: ["", ...colours.map((_, k) => String(k + 1))],
  });
}

async function fetched(url: string): Promise<Blob> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`The server does not give ${url.split("/").pop() ?? url}.`);
  return response.blob();
}

/** A NIfTI file, gzipped or not; its name tells NiiVue which. */
async function read(content: Blob, name: string, opacity: number, colormap = "gray"): Promise<NVImage> {
  const start = new Uint8Array(await content.slice(0, 2).arrayBuffer());
  const suffix = start[0] === 0x1f && start[1] === 0x8b ? ".nii.gz" : ".nii";
  const file = new File([content], `${name}${suffix}`);
  return NVImage.loadFromFile({ file, name: file.name, opacity, colormap });
}

/** The voxel that a point lies in, along the file's own axes. */
export function voxelAt(affine: number[][], mm: [number, number, number]): [number, number, number] {
  const at = (row: number, column: number): number => affine[row]?.[column] ?? 0;
  const m = [0, 1, 2].map((row) => [0, 1, 2].map((column) => at(row, column)));
  const d = mm.map((value, row) => value - at(row, 3));
  const det = (a: number[][]): number => {
    const [p, q, r] = a as [number[], number[], number[]];
    const c = (i: number, j: number): number => (q[i] ?? 0) * (r[j] ?? 0) - (q[j] ?? 0) * (r[i] ?? 0);
    return (p[0] ?? 0) * c(1, 2) - (p[1] ?? 0) * c(0, 2) + (p[2] ?? 0) * c(0, 1);
  };
  const whole = det(m);
  const solved = [0, 1, 2].map((column) =>
    Math.round(det(m.map((row, i) => row.map((value, j) => (j === column ? (d[i] ?? 0) : value)))) / whole),
  );
  return [solved[0] ?? 0, solved[1] ?? 0, solved[2] ?? 0];
}

export function rgb(colour: string): Colour {
  const value = Number.parseInt(colour.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}
