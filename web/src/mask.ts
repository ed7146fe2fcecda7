// The tumour mask at a threshold, decided in the page as the server decides it.

export interface Size {
  x: number;
  y: number;
  z: number;
}

/**
 * Voxels at or above the threshold, without parts smaller than `smallest` ml (26-connected).
 * The threshold is rounded to float32, as the probabilities are.
 */
export function maskAt(
  probability: ArrayLike<number>,
  breast: ArrayLike<number>,
  size: Size,
  threshold: number,
  smallest: number,
  voxel: number,
): { mask: Uint8Array; voxels: number } {
  const limit = Math.fround(threshold);
  const mask = new Uint8Array(probability.length);
  let voxels = 0;
  for (let i = 0; i < mask.length; i++) {
    if ((probability[i] ?? 0) >= limit && (breast[i] ?? 0) > 0) {
      mask[i] = 1;
      voxels++;
    }
  }
  if (smallest > voxel) voxels = removeSmall(mask, size, smallest, voxel);
  return { mask, voxels };
}

/** Clear parts below `smallest` ml in place; returns how many voxels are left. */
function removeSmall(mask: Uint8Array, size: Size, smallest: number, voxel: number): number {
  const seen = new Uint8Array(mask.length);
  let left = 0;
  for (let start = 0; start < mask.length; start++) {
    if (!mask[start] || seen[start]) continue;
    const part = flood(mask, seen, size, start);
    if (part.length * voxel >= smallest) left += part.length;
    else for (const i of part) mask[i] = 0;
  }
  return left;
}

function flood(mask: Uint8Array, seen: Uint8Array, size: Size, start: number): number[] {
  const part = [start];
  seen[start] = 1;
  const layer = size.x * size.y;
  for (let at = 0; at < part.length; at++) {
    const i = part[at] ?? 0;
    const z = Math.floor(i / layer);
    const y = Math.floor((i - z * layer) / size.x);
    const x = i - z * layer - y * size.x;
    for (let nz = Math.max(z - 1, 0); nz <= Math.min(z + 1, size.z - 1); nz++) {
      for (let ny = Math.max(y - 1, 0); ny <= Math.min(y + 1, size.y - 1); ny++) {
        for (let nx = Math.max(x - 1, 0); nx <= Math.min(x + 1, size.x - 1); nx++) {
          const n = nz * layer + ny * size.x + nx;
          if (mask[n] && !seen[n]) {
            seen[n] = 1;
            part.push(n);
          }
        }
      }
    }
  }
  return part;
}

/** Only the voxels of a mask that touch its outside by a face; the image's edge is no outside. */
export function shell(mask: Uint8Array, size: Size): Uint8Array {
  const layer = size.x * size.y;
  const out = new Uint8Array(mask.length);
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i]) continue;
    const z = Math.floor(i / layer);
    const y = Math.floor((i - z * layer) / size.x);
    const x = i - z * layer - y * size.x;
    const inner =
      (x === 0 || mask[i - 1]) && (x === size.x - 1 || mask[i + 1]) &&
      (y === 0 || mask[i - size.x]) && (y === size.y - 1 || mask[i + size.x]) &&
      (z === 0 || mask[i - layer]) && (z === size.z - 1 || mask[i + layer]);
    if (!inner) out[i] = 1;
  }
  return out;
}
