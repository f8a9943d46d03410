import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { Metrics } from "../../../src/ops/metrics.ts";

const ROOT = resolve(import.meta.dirname, "../../..");

/** Words that stand for nothing anybody could look up, or for what has another name in the table. */
const OTHERWISE: Readonly<Record<string, string>> = {
  survey: "rescan",
  recrawl: "rescan",
  relist: "rescan",
  garrison: "handle",
  herald: "announce",
  roster: "handle",
  territory: "cover",
  inquir: "look up",
  subscription_handle: "handle",
  lister: "scan",
  hold_back: "settle",
  savepoint: "checkpoint",
  ownership: "claim",
};

function sources(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name));
}

function misnamed(names: Iterable<string>): string[] {
  return [...names].flatMap((name) =>
    Object.entries(OTHERWISE).flatMap(([word, better]) =>
      name.includes(word) ? [`${name}: say ${better}`] : [],
    ),
  );
}

describe("words", () => {
  const table = readFileSync(join(ROOT, "docs/architecture.md"), "utf8").split("## Words we use")[1] ?? "";
  const words = [...table.matchAll(/^\| ([a-z, -]+) \|/gm)].flatMap((row) => row[1]?.split(", ") ?? []);

  it("are in a table, each once, and none of them is one to avoid", () => {
    expect(words.length).toBeGreaterThan(20);
    expect(new Set(words).size).toBe(words.length);
    expect(misnamed(words)).toEqual([]);
  });

  it("name metrics", () => {
    const { definitions } = new Metrics({ version: "0", commit: "none" }, { defaults: false });
    const names = definitions.map(({ name }) => name);
    expect(names.length).toBeGreaterThan(50);
    expect(misnamed(names)).toEqual([]);
  });

  it("name log events, files and folders", () => {
    const files = sources(join(ROOT, "src"));
    const events = files.flatMap((file) =>
      [...readFileSync(file, "utf8").matchAll(/\blog\.\w+\(\s*"([a-z][a-z.-]+)"/g)].map(
        (match) => match[1] ?? "",
      ),
    );
    expect(new Set(events).size).toBeGreaterThan(30);
    expect(misnamed(events)).toEqual([]);
    expect(misnamed(files.map((file) => file.slice(ROOT.length)))).toEqual([]);
  });
});
