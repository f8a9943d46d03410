import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { codeBlocks, ROOT } from "../../support/oracles/code-blocks.ts";
import { Fleet, until } from "../fleet/harness.ts";
import { Project } from "./packed.ts";

/** What the documentation's snippets take for granted. */
const PRELUDE = `
declare const token: string;
declare const password: string;
declare function fetchToken(): Promise<string>;
declare function render(change: unknown): void;
declare function apply(directory: string, changes: readonly unknown[] | undefined): void;
declare function listAgain(...scope: unknown[]): void;
declare function showStatus(state: string, retryMs?: number): void;
declare function showState(state: string, mode: string): void;
declare function giveUp(code: string): void;
declare function useDirectory(connection: string, path: string): { state: string; entries: unknown[]; error?: unknown };
declare function show(entries: readonly unknown[]): void;
declare function log(text: string): void;
declare const signal: AbortSignal;
declare const client: ReturnType<typeof import("smb2nats/client").connect>;
declare module "https://your-gateway/client.js" { export * from "smb2nats/client"; }
`;
const COMPILED = ["ts", "js", "jsx"];
const EXAMPLES = {
  "watch.ts": ["../src/index.ts", "smb2nats"],
  "watch-nats.ts": ["../src/nats.ts", "smb2nats/nats"],
};

describe.skipIf(!existsSync(join(ROOT, "dist/nats.js")))("the packed package (npm run build)", () => {
  let project: Project;
  let said: string;
  const blocks = codeBlocks().filter(({ language }) => COMPILED.includes(language));

  beforeAll(() => {
    project = new Project();
    project.write("prelude.d.ts", PRELUDE);
    for (const [index, { language, text, where }] of blocks.entries()) {
      project.write(`block-${index}.${language}`, `// ${where}\n${text}\nexport {};\n`);
    }
    for (const [name, [from = "", to = ""]] of Object.entries(EXAMPLES)) {
      project.write(name, readFileSync(join(ROOT, "examples", name), "utf8").replace(`"${from}"`, `"${to}"`));
    }
    said = project.compile();
  });
  afterAll(() => project?.remove());

  it("has types with which every snippet of the docs and every example compiles", () => {
    expect(blocks.length).toBeGreaterThan(4);
    expect(said).toBe("");
  });

  it("tells through NATS what happens, as the example shows", async () => {
    const fleet = await Fleet.start();
    let child: ChildProcess | undefined;
    try {
      fleet.share.names.set("/Photos", new Set(["old.jpg"]));
      await fleet.worker();
      child = spawn(process.execPath, ["out/watch-nats.js", "nas1", "/Photos", fleet.nats.url], {
        cwd: project.dir,
        stdio: ["ignore", "pipe", "inherit"],
      });
      let text = "";
      child.stdout?.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      const code = new Promise((resolve) => child?.once("close", resolve));
      await until("the first picture", () => text.includes("live: 1 entries in /Photos"));
      fleet.share.add("/Photos", "new.jpg");
      await until("the change", () => text.includes("added: /Photos new.jpg"));
      child.kill("SIGTERM");
      expect(await code).toBe(0);
    } finally {
      child?.kill("SIGKILL");
      await fleet.close();
    }
  });
});
