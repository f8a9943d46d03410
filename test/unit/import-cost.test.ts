import { readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const SRC = resolve(import.meta.dirname, "../../src");

/** Everything that loading `entry` loads: files of ours, and what they name that is not. */
function graph(entry: string): { readonly files: Set<string>; readonly foreign: Set<string> } {
  const files = new Set<string>();
  const foreign = new Set<string>();
  const visit = (file: string): void => {
    if (files.has(file)) return;
    files.add(file);
    const text = readFileSync(file, "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
    // Types are erased, and what a function imports when it is called is not loaded here.
    const statements = text.matchAll(
      /^(?:import|export)\s+(?!type\b)[^;]*?from\s+"([^"]+)"|^import\s+"([^"]+)"/gm,
    );
    for (const [, from, bare] of statements) {
      const target = from ?? bare ?? "";
      if (target.startsWith(".")) visit(resolve(dirname(file), target));
      else foreign.add(target);
    }
  };
  visit(entry);
  return { files, foreign };
}

describe('import "smb2nats"', () => {
  const { files, foreign } = graph(join(SRC, "index.ts"));

  it("loads no npm package", () => {
    expect([...foreign].filter((target) => !target.startsWith("node:"))).toEqual([]);
    expect(foreign).toContain("node:net");
  });

  it("loads the engine, and nothing of the service above it", () => {
    const floors = new Set([...files].map((file) => relative(SRC, file).split("/")[0]));
    expect([...floors].sort()).toEqual([
      "auth",
      "base",
      "codec",
      "crypto",
      "index.ts",
      "share",
      "smb",
      "watch",
    ]);
  });
});

describe("what is loaded before a command is chosen", () => {
  it("is no npm package: `--help` and a mistyped command answer at once", () => {
    const { foreign } = graph(join(SRC, "cli/main.ts"));
    expect([...foreign].filter((target) => !target.startsWith("node:"))).toEqual([]);
  });
});

describe('import "smb2nats/client"', () => {
  it("loads nothing that a browser has not", () => {
    const { files, foreign } = graph(join(SRC, "client/browser/client.ts"));
    expect([...foreign]).toEqual([]);
    expect([...files].map((file) => relative(SRC, file)).sort()).toEqual(
      ["client", "link", "mirror", "tree"].map((name) => `client/browser/${name}.ts`),
    );
  });
});
