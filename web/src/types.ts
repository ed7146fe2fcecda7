// What the API gives, as in src/hcnet/server/models.py.

export interface About {
  version: string;
  notice: string;
  bundle: { name: string; licence: string; threshold: number } | null;
  largest_upload: number;
  tumour_colour: string;
}

export interface Phase {
  phase: number;
  pre: boolean;
  used?: boolean;
  time_s: number | null;
  size: number[];
  spacing_mm: number[];
  orientation: string;
  series?: number | null;
  location?: string;
  why?: string;
}

export interface Series {
  number: number | null;
  description: string;
  images: number;
  role: string;
  why: string;
}

export interface Found {
  kind: "nifti" | "dicom";
  phases: Phase[];
  series?: Series[];
  dynamic_why?: string;
  pre_why?: string;
  times_why?: string;
  skipped_files?: number;
  warnings: string[];
}

export interface Exam {
  id: string;
  name: string;
  origin: "upload" | "cohort";
  state: "reading" | "ready" | "refused";
  error: string | null;
  found: Found | null;
  has_reference: boolean;
}

export type JobState = "queued" | "running" | "done" | "failed" | "cancelled" | "interrupted";

export interface Job {
  id: string;
  exam: string;
  name: string;
  threshold: number | null;
  tta: boolean;
  state: JobState;
  error: string | null;
  attempts: number;
  created: string;
  finished: string | null;
  progress: { description: string; step: string; done: number; total: number | null };
}

export interface TissueClass {
  label: number;
  colour: string;
  curve: number[];
  tumour_share: number;
  breast_share: number;
}

export interface ResultListed {
  id: string;
  name: string;
  origin: "job" | "given";
  exam: string | null;
  tumour_ml: number;
}

export interface Result extends ResultListed {
  threshold: number;
  smallest_component_ml: number;
  voxel_ml: number;
  breast_ml: number;
  largest_probability: number;
  largest_focus_mm: [number, number, number] | null;
  classes: TissueClass[];
  curve_label: string;
  warnings: string[];
  notice: string;
  files: string[];
  corrected: boolean;
}

export interface Curve {
  voxel: [number, number, number];
  times_s: number[] | null;
  times_from: "injection" | "pre" | "unknown";
  signal: number[];
  enhancement: number[] | null;
}

export interface Comparison {
  mask_ml: number;
  reference_ml: number;
  dsc: number | null;
  ppv: number | null;
  sen: number | null;
  asd_mm: number | null;
  hd95_mm: number | null;
}

export interface Correction {
  file: string;
  tumour_ml: number;
  added_ml: number;
  removed_ml: number;
}
