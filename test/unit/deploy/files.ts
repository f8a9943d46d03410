import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";

export const ROOT: string = join(import.meta.dirname, "../../..");

export function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** Anything JSON can say; tests look into it by keys. */
export type Tree = { readonly [key: string]: Tree } & { readonly [index: number]: Tree };

/** With anchors and merge keys resolved, as Compose reads them. */
export function readYaml(path: string): Tree {
  return parse(read(path), { merge: true }) as Tree;
}

export function yamlDocuments(text: string): Tree[] {
  return parseAllDocuments(text).flatMap((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0];
    const value = document.toJS() as Tree | null;
    return value === null ? [] : [value];
  });
}

/** Where a program is, for tests that are skipped without it. */
export function program(name: string, variable: string): string | undefined {
  const given = process.env[variable];
  const candidates = [
    ...(given === undefined ? [] : [given]),
    join(ROOT, ".cache/bin", name),
    ...(process.env["PATH"] ?? "").split(":").map((folder) => join(folder, name)),
  ];
  return candidates.find((file) => existsSync(file));
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  /** Standard output and error in one. */
  readonly out: string;
}

/** Never rejects because of the exit status. */
export function execute(file: string, args: readonly string[], stdin = ""): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      file,
      [...args],
      { cwd: ROOT, timeout: 120_000, maxBuffer: 64 << 20 },
      (error, stdout, stderr) => {
        const code = typeof error?.code === "number" ? error.code : 0;
        if (error !== null && typeof error.code !== "number") reject(error);
        else resolve({ code, stdout, out: `${stdout}${stderr}` });
      },
    );
    // A program that ends without reading its input is no failure of ours.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(stdin);
  });
}
