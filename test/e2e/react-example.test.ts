import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Stack, startStack } from "../../scripts/lab/stack.ts";
import { launchBrowser } from "../support/page/browser.ts";
import { until } from "../support/until.ts";

const ROOT = join(import.meta.dirname, "../..");
const EXAMPLE = join(ROOT, "examples/react-listing");

/** Compiled and served as its package.json says, against the React and the client that are installed and built here. */
describe("the React example", () => {
  const out = mkdtempSync(join(tmpdir(), "smb2nats-example-"));
  let stack: Stack;
  let browser: Awaited<ReturnType<typeof launchBrowser>>;
  let site: { readonly url: string; close(): Promise<void> };

  beforeAll(async () => {
    // Changes say how large a file is, and what is done on the server itself is told at once: a mirror lists nothing.
    stack = await startStack({ connection: { cover: "directory", stat: true } });
    browser = await launchBrowser();
    site = await serve(stack.gateways[0]?.url ?? "", out);
  });
  afterAll(async () => {
    await site?.close();
    await browser?.close();
    await stack?.close();
    rmSync(out, { recursive: true, force: true });
  });

  it("compiles, renders, and keeps a directory fresh through a gateway that dies", async () => {
    const share = (...names: string[]): string => join(stack.samba.path(), ...names);
    mkdirSync(share("Docs", "Old"), { recursive: true });
    writeFileSync(share("Docs", "10.txt"), "ten");
    writeFileSync(share("Docs", "9.txt"), "nine!");
    const page = await browser.context.newPage();
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(String(error)));
    await page.goto(`${site.url}?connection=lab&path=/Docs`);
    const rows = async (): Promise<string[][]> =>
      Promise.all(
        (await page.locator("tbody tr").all()).map(async (row) =>
          (await row.locator("td").allTextContents()).slice(0, 2),
        ),
      );
    const shows = (what: string, wanted: string[][]): Promise<boolean> =>
      until(what, async () => JSON.stringify(await rows()) === JSON.stringify(wanted), { timeoutMs: 40_000 });
    await shows("the first picture", [
      ["Old/", ""],
      ["9.txt", "5"],
      ["10.txt", "3"],
    ]);
    expect(await page.getByRole("status").textContent()).toBe("live");

    writeFileSync(share("Docs", "new.txt"), "x");
    renameSync(share("Docs", "10.txt"), share("Docs", "11.txt"));
    await shows("the changes", [
      ["Old/", ""],
      ["9.txt", "5"],
      ["11.txt", "3"],
      ["new.txt", "1"],
    ]);

    const [gateway] = stack.gateways;
    await gateway?.process.stop("SIGKILL");
    rmSync(share("Docs", "new.txt"));
    await gateway?.process.start(Number(new URL(gateway.ops).port));
    await shows("what happened meanwhile", [
      ["Old/", ""],
      ["9.txt", "5"],
      ["11.txt", "3"],
    ]);

    writeFileSync(share("Docs", "Old", "inside.txt"), "x");
    await page.getByRole("button", { name: "Old" }).click();
    await shows("a sub-directory", [["inside.txt", "1"]]);
    await page.getByRole("button", { name: "Up" }).click();
    await page.getByText("9.txt").waitFor();
    expect(problems).toEqual([]);
  });
});

async function serve(gateway: string, outDir: string): Promise<{ url: string; close(): Promise<void> }> {
  process.env["GATEWAY"] = gateway;
  const { build, preview } = await import("vite");
  const shared = {
    root: EXAMPLE,
    logLevel: "warn",
    // What `npm install` in the example would link.
    resolve: { alias: { "smb2nats/client": join(ROOT, "dist/client/browser/client.js") } },
    build: { outDir, emptyOutDir: true },
  } as const;
  await build(shared);
  // Silent: its proxy tells of the gateway that is killed.
  const server = await preview({ ...shared, logLevel: "silent", preview: { host: "127.0.0.1", port: 0 } });
  return { url: server.resolvedUrls?.local[0] ?? "", close: () => server.close() };
}
