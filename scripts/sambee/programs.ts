import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { unpackFromDebian } from "../lab/debian.ts";

const CACHE = join(import.meta.dirname, "../../.cache");
/** Sambee's backend is written for this one and newer. */
const PYTHON = "3.13";

export interface SambeePrograms {
  readonly version: string;
  /** Where its backend runs. */
  readonly backend: string;
  /** Its built page. */
  readonly page: string;
  /** How to start something with its Python. */
  python(args: readonly string[]): [file: string, args: string[]];
}

/**
 * Sambee's backend with its locked dependencies, and its built page, from a checkout of its source; into `.cache/`, once for
 * each version. Nothing of it is changed. @throws Error with the output of what failed
 */
export function buildSambee(source: string): SambeePrograms {
  const version = readFileSync(join(source, "VERSION"), "utf8").trim();
  const target = join(CACHE, `sambee-${version}`);
  const python = findPython();
  if (!existsSync(target)) {
    const work = `${target}.${process.pid}`;
    rmSync(work, { recursive: true, force: true });
    mkdirSync(work, { recursive: true });
    for (const part of ["backend", "frontend", "VERSION"]) {
      cpSync(join(source, part), join(work, part), { recursive: true });
    }
    const run = ([file, args]: [string, string[]], cwd: string): void => {
      execFileSync(file, args, { cwd, stdio: ["ignore", "ignore", "inherit"], timeout: 900_000 });
    };
    console.error(`installing what Sambee's backend needs (PyPI)`);
    run(python("python3.13", ["-m", "venv", join(work, "venv")]), work);
    const pip = ["-m", "pip", "install", "-q", "--require-hashes", "-r", "backend/requirements.lock.txt"];
    run(python(join(work, "venv/bin/python"), pip), work);
    console.error(`building Sambee's page (npm)`);
    run(["npm", ["ci", "--no-audit", "--no-fund", "--loglevel", "error"]], join(work, "frontend"));
    run(["npx", ["vite", "build", "--logLevel", "error"]], join(work, "frontend"));
    renameSync(work, target);
  }
  return {
    version,
    backend: join(target, "backend"),
    page: join(target, "frontend/dist"),
    python: (args) => python(join(target, "venv/bin/python"), args),
  };
}

type Python = (program: string, args: readonly string[]) => [file: string, args: string[]];

/** The one of this system, or that of a later Debian in a mount namespace of its own. */
function findPython(): Python {
  try {
    execFileSync(`python${PYTHON}`, ["--version"], { stdio: "ignore" });
    return (program, args) => [program, [...args]];
  } catch {
    const root = unpackFromDebian({
      suite: "trixie",
      name: "python",
      packages: [
        `python${PYTHON}`,
        `python${PYTHON}-venv`,
        "libmagic1t64",
        "libvips42t64",
        "ca-certificates",
        "coreutils",
        "dash",
      ],
      dependencies: /./,
    });
    const script = 'mount --bind "$0" /usr && exec "$@"';
    const inside = (program: string): string => (program.includes("/") ? program : `/usr/bin/${program}`);
    return (program, args) => [
      "unshare",
      ["--mount", "sh", "-c", script, join(root, "usr"), inside(program), ...args],
    ];
  }
}
