// Prints what a browser has to fetch, compressed, and fails where the scripts outgrow what was promised.
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMIT_KB = 200;
const folder = new URL(`${process.argv[2] ?? "dist"}/assets/`, import.meta.url);
const total = { js: 0, css: 0 };
for (const name of readdirSync(folder)) {
  const kind = name.split(".").at(-1);
  if (kind in total) total[kind] += gzipSync(readFileSync(new URL(name, folder)), { level: 9 }).length / 1000;
}
console.log(`dashboard: ${total.js.toFixed(1)} kB of script and ${total.css.toFixed(1)} kB of style, compressed`);
if (total.js > LIMIT_KB) {
  console.error(`dashboard: more than ${LIMIT_KB} kB of script`);
  process.exit(1);
}
