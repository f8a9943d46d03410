import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Stack, startStack } from "../../../scripts/lab/stack.ts";
import { ROOT } from "../../support/oracles/code-blocks.ts";
import { until } from "../../support/until.ts";

const EXAMPLES = join(ROOT, "examples/work-queue");
// Building it may download its modules: GO_EXAMPLES=1. nats-py is no package of Debian 12: NATS_PY=/a/venv/bin/python.
const python = process.env["NATS_PY"] ?? "python3";
const here = {
  TypeScript: true,
  "Python (with nats-py, see NATS_PY)": spawnSync(python, ["-c", "import nats"]).status === 0,
  "Go (with GO_EXAMPLES=1)": process.env["GO_EXAMPLES"] === "1",
};

let stack: Stack;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "smb2nats-takers-"));
  stack = await startStack({
    gateways: 0,
    // Files are put on the server itself: the default cover would hear of them later.
    connection: { cover: "directory", ready: { quietMs: 300 } },
    config: { watches: [{ connection: "lab", path: "/", recursive: true }] },
  });
  // The first try of some is in vain. What it is given lands in one file, a line each.
  writeFileSync(
    join(folder, "program.sh"),
    `line=$(cat); case $line in *again*) [ -e "$1.tried" ] || { : > "$1.tried"; exit 1; } ;; esac; echo "$line" >> "$1"\n`,
  );
});
afterAll(async () => {
  await stack?.close();
  rmSync(folder, { recursive: true, force: true });
});

function commandOf(language: string): readonly string[] {
  if (language.startsWith("TypeScript"))
    return [process.execPath, "--import", "tsx", join(EXAMPLES, "taker.ts")];
  if (language.startsWith("Python")) return [python, join(EXAMPLES, "taker.py")];
  const binary = join(folder, "taker");
  for (const args of [
    ["vet", "."],
    ["build", "-o", binary, "."],
  ])
    execFileSync("go", args, { cwd: join(EXAMPLES, "go"), stdio: "pipe" });
  return [binary];
}

describe("examples/work-queue", () => {
  for (const [language, present] of Object.entries(here))
    it.skipIf(!present)(
      `shares the work between takers, and forgets nothing: ${language}`,
      async () => {
        const name = language.replace(/\W.*/, "").toLowerCase();
        const [file = "", ...args] = commandOf(language);
        const given = join(folder, name);
        mkdirSync(join(stack.samba.path(), name), { recursive: true });
        const children = new Set<ChildProcess>();
        let log = "";
        let taking = 0;
        const start = (): void => {
          const env = { ...process.env, NATS_URL: stack.nats.url, NATS_DURABLE: name };
          const program = [...args, `smbin.lab.${name}`, "sh", join(folder, "program.sh"), given];
          const child = spawn(file, program, { stdio: "pipe", env, cwd: ROOT });
          children.add(child);
          for (const stream of [child.stdout, child.stderr])
            stream.on("data", (chunk: Buffer) => {
              log += chunk.toString();
              if (chunk.includes("taking ")) taking++;
            });
        };
        const stop = async (): Promise<void> => {
          for (const child of children) {
            const gone = new Promise((resolve) => child.once("close", resolve));
            child.kill("SIGTERM");
            await gone;
            expect(`${child.exitCode} ${log}`).toMatch(/^0 /);
            children.delete(child);
          }
        };
        const paths = (): string[] => {
          try {
            return readFileSync(given, "utf8")
              .trim()
              .split("\n")
              .map((line) => {
                const { share, path, size, closed } = JSON.parse(line) as Record<string, unknown>;
                return `${share} ${path} ${size} ${closed}`;
              })
              .sort();
          } catch {
            return [];
          }
        };
        const put = (each: string): void => writeFileSync(join(stack.samba.path(), name, each), each);
        const line = (each: string): string =>
          `//127.0.0.1:${stack.samba.port}/share /${name}/${each} ${each.length} true`;
        try {
          start();
          start();
          await until("two takers", () => taking === 2 || children.size < 2);
          const names = ["a.pdf", "again.pdf", "b.pdf", "c.pdf"];
          for (const each of names) put(each);
          await until("all are taken", () => paths().length >= names.length);
          await stop();
          put("while away.pdf");
          start();
          await until("what came meanwhile", () => paths().length > names.length);
          await stop();
          expect(paths()).toEqual([...names, "while away.pdf"].map(line).sort());
        } finally {
          for (const child of children) child.kill("SIGKILL");
        }
      },
      120_000,
    );
});
