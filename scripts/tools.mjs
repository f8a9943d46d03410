// npm run tools: what checks the chart, into .cache/bin, where the tests look for it. Neither is needed for anything
// else, and both are too slow to build to be part of every set-up: helm by Go, Kubernetes' own schemas by Python.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { find, root, run, say } from "./setup.mjs";

const HELM = "helm.sh/helm/v3/cmd/helm@v3.19.2";
const SCHEMAS = "kubernetes-validate==1.37.0";

const bin = join(root, ".cache", "bin");
mkdirSync(bin, { recursive: true });
let missing = 0;

make("kubernetes-validate", "python3", (python) => {
  const venv = join(root, ".cache", "python");
  run(python, ["-m", "venv", venv]);
  run(join(venv, "bin", "pip"), ["install", "--quiet", SCHEMAS]);
  const link = join(bin, "kubernetes-validate");
  rmSync(link, { force: true });
  symlinkSync(join(venv, "bin", "kubernetes-validate"), link);
});
make("helm", "go", (go) => {
  run(go, ["install", HELM], { env: { ...process.env, GOBIN: bin } });
});
process.exitCode = missing;

function make(tool, builder, build) {
  if (existsSync(join(bin, tool))) return say(`${tool} is there`);
  const program = find(builder);
  if (program === undefined) {
    missing = 1;
    return say(`${tool} needs ${builder}; what needs it is skipped`);
  }
  const old = builder === "go" ? oldGo(program) : undefined;
  if (old !== undefined) {
    missing = 1;
    return say(`${tool} needs Go 1.21 or newer, and ${program} is ${old}; what needs it is skipped`);
  }
  say(`building ${tool}, which takes some minutes`);
  build(program);
}

/** From 1.21 on Go fetches the release that a program asks for; Debian 12 has 1.19, which only says "invalid go version". */
function oldGo(go) {
  const { stdout } = spawnSync(go, ["env", "GOVERSION"], { encoding: "utf8" });
  const minor = /^go1\.(\d+)/.exec(stdout)?.[1];
  return minor !== undefined && Number(minor) < 21 ? stdout.trim() : undefined;
}
