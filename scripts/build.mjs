// dist/ from src/: compiled modules, the live page's files, and the version stamp. Does nothing when
// dist/ is already made from these very sources, so that runs side by side do not pull it from under each other.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { lock, root } from "./setup.mjs";

const release = lock("build");
try {
  process.exitCode = build();
} finally {
  release();
}

function build() {
  const stamp = { ...versionStamp(), sources: sourcesHash() };
  const dist = join(root, "dist");
  const info = join(dist, "build-info.json");
  if (existsSync(info) && readFileSync(info, "utf8") === `${JSON.stringify(stamp)}\n`) return 0;

  // As deep as dist/, or the source maps would point beside the sources.
  const next = join(root, ".dist-next");
  rmSync(next, { recursive: true, force: true });
  const tsc = spawnSync(
    join(root, "node_modules", ".bin", "tsc"),
    ["-p", "tsconfig.build.json", "--outDir", next],
    { cwd: root, stdio: "inherit" },
  );
  if (tsc.status !== 0) return tsc.status ?? 1;
  const page = join("gateway", "page");
  if (existsSync(join(root, "src", page)))
    cpSync(join(root, "src", page), join(next, page), {
      recursive: true,
      filter: (source) => !source.endsWith("README.md"),
    });
  chmodSync(join(next, "cli", "main.js"), 0o755);
  writeFileSync(join(next, "build-info.json"), `${JSON.stringify(stamp)}\n`);
  rmSync(dist, { recursive: true, force: true });
  renameSync(next, dist);
  return 0;
}

/** No build time in it: the same commit gives the same stamp. */
function versionStamp() {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const given = process.env.SMB2NATS_COMMIT;
  if (given) return { version, commit: given };
  const git = spawnSync("git", ["rev-parse", "HEAD"], { cwd: root, encoding: "utf8" });
  return { version, commit: git.status === 0 ? git.stdout.trim() : "unknown" };
}

function sourcesHash() {
  const hash = createHash("sha256");
  const files = readdirSync(join(root, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
  for (const file of [...files, "tsconfig.json", "tsconfig.build.json", "package.json"].map((name) =>
    name.startsWith("/") ? name : join(root, name),
  )) {
    hash.update(file.slice(root.length)).update("\0").update(readFileSync(file)).update("\0");
  }
  return hash.digest("hex").slice(0, 16);
}
