import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";

const ROOT = resolve(import.meta.dirname, "../../..");
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

describe("the project's own files", () => {
  it("let the forge run the same gate as everybody", () => {
    const { jobs } = parse(read(".github/workflows/ci.yml")) as {
      jobs: Record<string, { container: string; steps: { run?: string }[] }>;
    };
    expect(jobs["gate"]?.steps.map(({ run }) => run)).toContain("bash .ci/run");
    // The floor of package.json.
    expect(jobs["gate"]?.container).toMatch(/^node:20-/);
  });

  it("have issue forms that ask for what helps", () => {
    const folder = ".github/ISSUE_TEMPLATE";
    const forms = readdirSync(join(ROOT, folder)).filter((name) => name !== "config.yml");
    expect(forms.length).toBeGreaterThan(1);
    for (const name of forms) {
      const form = parse(read(join(folder, name))) as {
        name: string;
        description: string;
        body: { id?: string }[];
      };
      expect(form.name).toBeTruthy();
      expect(form.description).toBeTruthy();
      expect(form.body.map(({ id }) => id)).toContain("check");
    }
  });

  it("have a hook that can be run, and only commands that there are", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    expect(scripts["hooks"]).toContain("scripts/hooks");
    expect(statSync(join(ROOT, "scripts/hooks/pre-push")).mode & 0o111).not.toBe(0);
    const container = JSON.parse(read(".devcontainer/devcontainer.json")) as { postCreateCommand: string };
    const text = `${read("scripts/hooks/pre-push")}\n${container.postCreateCommand}`;
    const commands = [...text.matchAll(/npm run (?:--silent )?([\w:]+)/g)].map((match) => match[1] as string);
    expect(commands.length).toBeGreaterThan(3);
    for (const command of commands) expect(Object.keys(scripts)).toContain(command);
  });
});
