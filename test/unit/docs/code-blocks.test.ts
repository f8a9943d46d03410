import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { parseInvocation } from "../../../src/cli/command.ts";
import { COMMANDS } from "../../../src/cli/commands.ts";
import { readTokensFile } from "../../../src/cli/compose/tokens-file.ts";
import { loadConfig } from "../../../src/ops/config/config.ts";
import { codeBlocks } from "../../support/oracles/code-blocks.ts";
import { read } from "../deploy/files.ts";

/** Who looks at a block of each language. A new one needs an answer here. */
const JUDGES: Readonly<Record<string, string>> = {
  ts: "test/integration/docs/packed-package.test.ts",
  js: "test/integration/docs/packed-package.test.ts",
  jsx: "test/integration/docs/packed-package.test.ts",
  go: "test/integration/docs/go-consumer.test.ts",
  conf: "test/integration/docs/nats-conf.test.ts",
  json: "here",
  yaml: "here",
  sh: "here",
  "": "drawings, and settings of other programs",
  console: "what a terminal showed",
  ini: "settings of other programs",
  nginx: "test/integration/docs/reverse-proxy.test.ts; Sambee's by npm run sambee",
  caddy: "test/integration/docs/reverse-proxy.test.ts",
  haproxy: "test/integration/docs/reverse-proxy.test.ts",
  sql: "test/integration/docs/recipes.test.ts",
  toml: "test/integration/docs/reverse-proxy.test.ts",
  powershell: "commands for Windows",
};

const blocks = codeBlocks();
const of = (language: string): [string, string][] =>
  blocks.filter((block) => block.language === language).map(({ where, text }) => [where, text]);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "smb2nats-docs-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
};

interface ComposeFile {
  readonly services: Readonly<
    Record<
      string,
      {
        readonly image: string;
        readonly command?: readonly string[];
        readonly environment?: Readonly<Record<string, string>>;
        readonly volumes?: readonly string[];
        readonly networks: readonly string[] | Readonly<Record<string, { readonly ipv4_address: string }>>;
        readonly depends_on?: readonly string[];
      }
    >
  >;
  readonly networks: Readonly<Record<string, unknown>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

/** As far as it can be told without Docker: every name that is used is there, and what concerns us is known to us. */
function judgeCompose({ networks, services, volumes }: ComposeFile): void {
  const names = new Set(Object.keys(services));
  for (const [name, service] of Object.entries(services)) {
    const joined = Array.isArray(service.networks) ? service.networks : Object.keys(service.networks);
    expect(Object.keys(networks), name).toEqual(expect.arrayContaining(joined));
    expect([...names], name).toEqual(expect.arrayContaining([...(service.depends_on ?? [])]));
    for (const volume of service.volumes ?? []) {
      const [source = ""] = volume.split(":");
      if (!/^[./]/.test(source)) expect(Object.keys(volumes), name).toContain(source);
    }
    if (!service.image.startsWith("smb2nats:")) continue;
    const [command = "", ...more] = service.command ?? [];
    expect(
      COMMANDS.map((one) => one.name),
      name,
    ).toContain(command);
    expect(more).toEqual([]);
    for (const variable of Object.keys(service.environment ?? {})) {
      expect(read("docs/configuration.md"), name).toContain(variable);
    }
  }
}

describe("code in the documentation", () => {
  it("is of languages that somebody looks at", () => {
    const unknown = blocks.filter(({ language }) => JUDGES[language] === undefined);
    expect(unknown.map(({ where, language }) => `${where} ${language}`)).toEqual([]);
    expect(blocks.length).toBeGreaterThan(40);
  });

  it.each(of("json"))("%s is JSON", (_, text) => {
    expect(() => JSON.parse(text)).not.toThrow();
  });

  it.each(of("yaml"))(
    "%s is a configuration, values of the chart, a tokens file, or for Compose",
    async (_, text) => {
      const parsed: unknown = parse(text);
      if (Array.isArray(parsed)) {
        await expect(readTokensFile(file("tokens.yaml", text))).resolves.not.toEqual([]);
        return;
      }
      const values = parsed as Record<string, unknown>;
      if ("services" in values) {
        judgeCompose(values as unknown as ComposeFile);
        return;
      }
      const known = Object.keys(JSON.parse(read("helm/smb2nats/values.schema.json")).properties);
      const isChart = "config" in values || "image" in values;
      if (isChart) expect(Object.keys(values).filter((key) => !known.includes(key))).toEqual([]);
      const config = file("smb2nats.json", JSON.stringify(isChart ? (values["config"] ?? {}) : values));
      expect(() => loadConfig({ file: config, env: {} })).not.toThrow();
    },
  );

  it.each(of("sh"))("%s is shell, and its commands of ours are understood", async (_, text) => {
    const { status, stderr } = spawnSync("bash", ["-n"], { input: text, encoding: "utf8" });
    expect(stderr).toBe("");
    expect(status).toBe(0);
    for (const words of commandsIn(text, "smb2nats")) {
      const [name = "", ...args] = words;
      const entry = COMMANDS.find((one) => one.name === name);
      expect(entry, words.join(" ")).toBeDefined();
      const { spec } = await entry!.load();
      expect(() => parseInvocation(spec, args), words.join(" ")).not.toThrow();
    }
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    for (const [first = "", second = ""] of commandsIn(text, "npm")) {
      if (first === "run") expect(Object.keys(scripts)).toContain(second);
    }
  });
});

/** The words behind each call of a program, up to what ends a simple command; quotes hold words together. */
function commandsIn(text: string, program: string): string[][] {
  const lines = text.replaceAll("\\\n", " ").split("\n");
  return lines.flatMap((line) => {
    const words = [...line.matchAll(/"[^"]*"|'[^']*'|\$\{[^}]*\}|[^\s"']+/g)].map(([word]) => word);
    return words.flatMap((word, index) => {
      const first = index === 0 || ["|", "&&", "||", ";", "then", "do"].includes(words[index - 1] ?? "");
      if (word !== program || !first) return [];
      const rest = words.slice(index + 1);
      const end = rest.findIndex((one) => /^([|&;<>#].*|\d>.*)$/.test(one));
      const own = end === -1 ? rest : rest.slice(0, end);
      return [own.filter((one) => !one.startsWith("${")).map((one) => one.replace(/^(["'])(.*)\1$/, "$2"))];
    });
  });
}
