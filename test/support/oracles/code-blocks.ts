import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const ROOT: string = join(import.meta.dirname, "../../..");

export interface Block {
  /** `docs/nats.md:153` */
  readonly where: string;
  readonly language: string;
  readonly text: string;
}

/** Every fenced block of the documentation. */
export function codeBlocks(): Block[] {
  const blocks: Block[] = [];
  for (const file of documents()) {
    let open: { where: string; language: string; indent: string; lines: string[] } | undefined;
    for (const [index, line] of readFileSync(join(ROOT, file), "utf8").split("\n").entries()) {
      const fence = /^( *)```([a-z]*)/.exec(line);
      if (open === undefined) {
        if (fence === null) continue;
        const [, indent = "", language = ""] = fence;
        open = { where: `${file}:${index + 1}`, language, indent, lines: [] };
      } else if (fence !== null) {
        blocks.push({ where: open.where, language: open.language, text: `${open.lines.join("\n")}\n` });
        open = undefined;
      } else open.lines.push(line.slice(open.indent.length));
    }
  }
  return blocks;
}

function documents(): string[] {
  const all = ["docs", "examples"].flatMap((dir) =>
    readdirSync(join(ROOT, dir), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".md") && !name.includes("node_modules"))
      .map((name) => `${dir}/${name}`),
  );
  return ["README.md", "CONTRIBUTING.md", ...all.sort()];
}
