import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const ROOT: string = join(import.meta.dirname, "../../..");

/** A project of somebody else's that has installed the package as npm would ship it. */
export class Project {
  readonly dir: string = mkdtempSync(join(tmpdir(), "smb2nats-project-"));

  constructor() {
    const options = { cwd: ROOT, encoding: "utf8" } as const;
    const args = ["pack", "--json", "--ignore-scripts", "--loglevel=error", "--pack-destination", this.dir];
    // npm mixes notices of itself into what it tells, before or behind.
    const said = execFileSync("npm", args, { ...options, stdio: ["ignore", "pipe", "ignore"] });
    const file = /"filename": "([^"]+)"/.exec(said)?.[1] ?? "";
    const modules = join(this.dir, "node_modules");
    mkdirSync(join(modules, "smb2nats"), { recursive: true });
    const unpack = ["-xzf", join(this.dir, file), "--strip-components=1", "-C", join(modules, "smb2nats")];
    execFileSync("tar", unpack, options);
    // What it depends on, without asking a registry.
    for (const name of readdirSync(join(ROOT, "node_modules"))) {
      if (name !== "smb2nats") symlinkSync(join(ROOT, "node_modules", name), join(modules, name));
    }
    this.write("package.json", JSON.stringify({ type: "module" }));
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.dir, name), text);
  }

  /** Compiles everything here into `out/`. Returns what the compiler has to say. */
  compile(): string {
    const compilerOptions = {
      target: "ES2023",
      lib: ["ES2023", "ESNext.Disposable", "DOM"],
      module: "NodeNext",
      types: ["node"],
      strict: true,
      noPropertyAccessFromIndexSignature: true,
      verbatimModuleSyntax: true,
      allowJs: true,
      checkJs: true,
      jsx: "preserve",
      outDir: "out",
      rootDir: ".",
    };
    this.write("tsconfig.json", JSON.stringify({ compilerOptions, exclude: ["node_modules", "out"] }));
    try {
      const tsc = join(ROOT, "node_modules/.bin/tsc");
      return execFileSync(tsc, ["-p", this.dir], { cwd: this.dir, encoding: "utf8" });
    } catch (error) {
      return String((error as { stdout?: unknown }).stdout);
    }
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
