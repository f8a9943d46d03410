import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { execute, ROOT, read } from "./files.ts";

interface Locked {
  readonly version: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
}

interface Packed {
  readonly files: readonly { readonly path: string; readonly mode: number }[];
}

/** Licences under which something may be shipped beside Apache-2.0. */
const ALLOWED = ["Apache-2.0", "MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "Unlicense"];

const { packages } = JSON.parse(read("package-lock.json")) as { packages: Record<string, Locked> };
const shipped = Object.entries(packages)
  .filter(([path, { dev }]) => path !== "" && dev !== true)
  .map(([path, locked]) => ({ name: path.replace(/^.*node_modules\//, ""), ...locked }))
  .sort((a, b) => (a.name < b.name ? -1 : 1));

describe("what is shipped", () => {
  it("has licences that allow it", () => {
    expect(shipped.length).toBeGreaterThan(10);
    expect(shipped.filter(({ license = "none" }) => !ALLOWED.includes(license))).toEqual([]);
  });

  /** After a change of dependencies: `npx vitest run --project unit test/unit/deploy/package.test.ts -u`. */
  it("is listed with its licences", async () => {
    const rows = shipped.map(
      ({ name, version, license, optional }) =>
        `| ${name} | ${version} | ${license}${optional === true ? " | optional" : " |"} |`,
    );
    const text = [
      "# Licences",
      "",
      "smb2nats is under [Apache-2.0](../LICENSE). These npm packages are installed with it, and listed from",
      "`package-lock.json` by a test, which also refuses any licence that is not permissive.",
      "",
      "| package | version | licence | |",
      "|---|---|---|---|",
      ...rows,
      "",
    ].join("\n");
    await expect(text).toMatchFileSnapshot(join(ROOT, "docs/licences.md"));
  });
});

describe.skipIf(!existsSync(join(ROOT, "dist")))("the npm package (npm run build)", () => {
  it("holds the compiled code, its types, the page and the docs, and nothing else", {
    timeout: 120_000,
  }, async () => {
    const { code, stdout, out } = await execute("npm", [
      "pack",
      "--dry-run",
      "--json",
      "--ignore-scripts",
      "--loglevel=error",
    ]);
    expect(code, out).toBe(0);
    // npm's notices of newer versions go to the other stream, whatever the level of its log. Up to npm 11 this is a
    // list, from 12 on a map from names.
    const [packed] = Object.values(JSON.parse(stdout) as Record<string, Packed>);
    const { files } = packed as Packed;
    const paths = files.map(({ path }) => path);
    const known = /^(dist\/.*\.(js|d\.ts|html|css|svg)|dist\/build-info\.json|docs\/.*\.(md|yaml|png|svg))$/;
    const top = ["CHANGELOG.md", "LICENSE", "README.md", "package.json"];
    expect(paths.filter((path) => !known.test(path) && !top.includes(path))).toEqual([]);
    expect(paths).toEqual(expect.arrayContaining(top));
    const { bin, exports } = JSON.parse(read("package.json")) as {
      bin: Record<string, string>;
      exports: Record<string, string | Record<string, string>>;
    };
    const named = [
      ...Object.values(bin),
      ...Object.values(exports).flatMap((one) => (typeof one === "string" ? [one] : Object.values(one))),
    ];
    for (const path of named) expect(paths).toContain(path.replace("./", ""));
    expect(paths.filter((path) => path.startsWith("dist/gateway/page/")).length).toBeGreaterThan(0);
    // Runs where npm links it to.
    expect(files.find(({ path }) => path === "dist/cli/main.js")!.mode & 0o111).not.toBe(0);
  });
});
