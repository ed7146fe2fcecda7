// Bundles the page into the Python package; nothing of it is fetched from a network at run time.
import { build } from "esbuild";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.join(here, "../src/hcnet/server/static");

const result = await build({
  absWorkingDir: here,
  entryPoints: { viewer: "src/main.ts" },
  outdir: out,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  metafile: true,
  legalComments: "eof",
});

// The licences of all that was bundled travel with it.
const packages = new Set();
for (const input of Object.keys(result.metafile.inputs)) {
  const found = input.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)\//);
  if (found) packages.add(found[1]);
}
const licences = [];
for (const name of [...packages].sort()) {
  const folder = path.join(here, "node_modules", name);
  const facts = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8"));
  let text = "";
  for (const file of ["LICENSE", "LICENSE.md", "LICENSE.txt", "license"]) {
    text ||= await readFile(path.join(folder, file), "utf8").catch(() => "");
  }
  licences.push(`${name} ${facts.version} (${facts.license})\n\n${text.trim()}\n`);
}
await mkdir(out, { recursive: true });
await writeFile(path.join(out, "LICENSES.txt"), licences.join("\n----\n\n"));
await copyFile(path.join(here, "src/style.css"), path.join(out, "viewer.css"));
await copyFile(path.join(here, "src/index.html"), path.join(out, "index.html"));
