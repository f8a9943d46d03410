import { mkdirSync, renameSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Stack, startStack } from "../../scripts/lab/stack.ts";
import { axeViolations } from "../support/page/axe.ts";
import { launchBrowser } from "../support/page/browser.ts";
import { quantile, scrollThrough } from "../support/page/scroll.ts";
import { until } from "../support/until.ts";

/** The live page as a file browser, in Chromium, on real servers. */
describe("the files of the live page", () => {
  let stack: Stack;
  let browser: Awaited<ReturnType<typeof launchBrowser>>;
  let problems: string[];

  beforeAll(async () => {
    // By default Samba makes up short names for some of these.
    stack = await startStack({
      connection: { cover: "directory" },
      samba: { shares: { share: { "mangled names": "no" } } },
    });
  });
  afterAll(() => stack?.close());
  beforeEach(async () => {
    browser = await launchBrowser();
    problems = [];
  });
  afterEach(async () => {
    await browser.close();
    expect(problems).toEqual([]);
  });

  const share = (...names: string[]): string => join(stack.samba.path(), ...names);
  const visit = async (hash: string): Promise<Page> => {
    const page = await browser.context.newPage();
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    await page.goto(`${stack.gateways[0]?.url}/${hash}`);
    await page.locator('.panel .state[data-state="live"]').first().waitFor();
    return page;
  };
  const row = (page: Page, name: string): Locator =>
    page.locator(".file-row").filter({ has: page.getByText(name, { exact: true }) });
  const names = (page: Page): Promise<string[]> => page.locator(".file-row .file-name").allTextContents();
  const shows = (page: Page, wanted: readonly string[]): Promise<boolean> =>
    until(`the rows ${wanted.join(", ")}`, async () => (await names(page)).join() === wanted.join());
  /** The name the keyboard is at, as the grid tells it. */
  const at = (page: Page): Promise<unknown> =>
    page.evaluate(
      `document.getElementById(document.activeElement.getAttribute("aria-activedescendant"))?.querySelector(".file-name").textContent`,
    );

  it("shows entries with size and time, sorted, and lights what changes", async () => {
    mkdirSync(share("Sorted", "Zoo"), { recursive: true });
    for (const [name, size, day] of [
      ["10.txt", 5, 3],
      ["9.txt", 1_500, 1],
      ["a.jpg", 20, 2],
    ] as const) {
      writeFileSync(share("Sorted", name), "x".repeat(size));
      utimesSync(share("Sorted", name), new Date(2020, 0, day), new Date(2020, 0, day));
    }
    const page = await visit("#watch=lab:/Sorted");
    await shows(page, ["Zoo", "9.txt", "10.txt", "a.jpg"]);
    // Nothing has changed for having been read.
    expect(await page.locator("[data-lit]").count()).toBe(0);
    expect(await row(page, "9.txt").locator(".file-size").textContent()).toBe("1.5 kB");
    expect(await row(page, "9.txt").locator(".file-time").textContent()).toContain("2020");
    const head = (column: string): Locator => page.locator(`[role=columnheader][data-column=${column}]`);
    expect(await head("name").getAttribute("aria-sort")).toBe("ascending");
    await head("size").getByRole("button").click();
    await shows(page, ["Zoo", "9.txt", "a.jpg", "10.txt"]);
    expect(await head("name").getAttribute("aria-sort")).toBeNull();
    await head("modified").getByRole("button").click();
    await shows(page, ["Zoo", "10.txt", "a.jpg", "9.txt"]);
    await head("modified").getByRole("button").click();
    await shows(page, ["Zoo", "9.txt", "a.jpg", "10.txt"]);
    expect(await page.locator('.panel [role="status"]').textContent()).toBe("Sorted by time, oldest first");
    await head("name").getByRole("button").click();

    writeFileSync(share("Sorted", "a.jpg"), "x".repeat(2_000_000));
    await page.locator('.file-row[data-lit="modified"]').filter({ hasText: "a.jpg" }).waitFor();
    renameSync(share("Sorted", "9.txt"), share("Sorted", "11.txt"));
    await page.locator('.file-row[data-lit="renamed"]').filter({ hasText: "11.txt" }).waitFor();
    writeFileSync(share("Sorted", "new.txt"), "x");
    await page.locator('.file-row[data-lit="added"]').filter({ hasText: "new.txt" }).waitFor();
    rmSync(share("Sorted", "10.txt"));
    await shows(page, ["Zoo", "11.txt", "a.jpg", "new.txt"]);
    // What is not told with the change is found out.
    await row(page, "a.jpg").locator(".file-size", { hasText: "2 MB" }).waitFor();
    await row(page, "new.txt").locator(".file-size", { hasText: "1 B" }).waitFor();
    await until("the light to go out", async () => (await page.locator("[data-lit]").count()) === 0);
    // Beside it everything is told as ever.
    await page.locator('.log .row[data-action="removed"]').filter({ hasText: "10.txt" }).waitFor();
  });

  it("opens folders, goes back by path, address and browser, and stays in what a tree watches", async () => {
    mkdirSync(share("Top", "Mid", "Low"), { recursive: true });
    writeFileSync(share("Top", "Mid", "Low", "deep.txt"), "x");
    // The server does not tell case apart.
    const page = await visit("#watch=lab:/top");
    await row(page, "Mid").waitFor();
    writeFileSync(share("Top", "cased.txt"), "x");
    await row(page, "cased.txt").waitFor();
    rmSync(share("Top", "cased.txt"));
    await shows(page, ["Mid"]);
    await page.goto(`${stack.gateways[0]?.url}/#watch=lab:/Top`);
    await row(page, "Mid").click();
    await row(page, "Low").click();
    await row(page, "deep.txt").waitFor();
    expect(new URLSearchParams(new URL(page.url()).hash.slice(1)).get("watch")).toBe("lab:/Top/Mid/Low");
    writeFileSync(share("Top", "Mid", "Low", "more.txt"), "x");
    await row(page, "more.txt").waitFor();
    const crumbs = page.getByRole("navigation", { name: "Path to" });
    expect(await crumbs.locator("li").allTextContents()).toEqual(["lab", "Top", "Mid", "Low"]);
    await crumbs.getByRole("button", { name: "Top" }).click();
    await shows(page, ["Mid"]);
    await page.goBack();
    await row(page, "deep.txt").waitFor();
    await page.goBack();
    await shows(page, ["Low"]);
    await page.goForward();
    await row(page, "deep.txt").waitFor();
    await page.reload();
    await row(page, "deep.txt").waitFor();
    await crumbs.getByRole("button", { name: "lab" }).click();
    await row(page, "Top").waitFor();
    writeFileSync(share("root.txt"), "x");
    await page.locator('.file-row[data-lit="added"]').filter({ hasText: "root.txt" }).waitFor();
    await row(page, "root.txt").locator(".file-size", { hasText: "1 B" }).waitFor();
    await page.locator(".files").press("Backspace");
    await page.goBack();
    await row(page, "deep.txt").waitFor();
    rmSync(share("Top", "Mid", "Low"), { recursive: true });
    await page.locator(".files-note", { hasText: "The directory is gone" }).waitFor();
    mkdirSync(share("Top", "Mid", "Low"));
    writeFileSync(share("Top", "Mid", "Low", "again.txt"), "x");
    await row(page, "again.txt").waitFor({ timeout: 40_000 });

    await page.goto("about:blank");
    await page.goto(`${stack.gateways[0]?.url}/#tree=lab:/Top`);
    await page.locator('.panel .state[data-state="live"]').waitFor();
    await row(page, "Mid").click();
    await row(page, "Low").waitFor();
    expect(await crumbs.getByRole("button").allTextContents()).toEqual(["Top"]);
    // What is watched is all of it still.
    writeFileSync(share("Top", "beside.txt"), "x");
    await page.locator('.log .row[data-action="added"]').filter({ hasText: "beside.txt" }).waitFor();
    await page.locator(".files").press("Backspace");
    await shows(page, ["Mid", "beside.txt"]);
    await page.locator(".files").press("Backspace");
    await page.goBack();
    await row(page, "Low").waitFor();
  });

  it("is used by the keyboard: letters, arrows, in and out", async () => {
    for (const name of ["Alps", "Bern", "Bonn"]) mkdirSync(share("Typed", name), { recursive: true });
    for (let i = 0; i < 200; i++) writeFileSync(share("Typed", `photo-${i}.jpg`), "x");
    const page = await visit("#watch=lab:/Typed");
    await row(page, "Alps").waitFor();
    const { keyboard } = page;
    await page.locator(".files").focus();
    expect(await at(page)).toBe("Alps");
    await keyboard.press("ArrowDown");
    expect(await at(page)).toBe("Bern");
    await keyboard.type("bo");
    expect(await at(page)).toBe("Bonn");
    await keyboard.press("End");
    expect(await at(page)).toBe("photo-199.jpg");
    await page.locator('.file-row[aria-selected="true"]').waitFor();
    expect(await page.locator('.file-row[aria-selected="true"]').isVisible()).toBe(true);
    await keyboard.press("PageUp");
    expect(await at(page)).toMatch(/^photo-1[789]\d.jpg$/);
    // What comes in above leaves the keyboard, and the eye, where they are.
    const before = await page.locator('.file-row[aria-selected="true"]').boundingBox();
    const selected = await at(page);
    for (let i = 0; i < 30; i++) writeFileSync(share("Typed", `aa-${i}`), "x");
    await until(
      "rows above",
      async () => (await page.locator(".files").getAttribute("aria-rowcount")) === "234",
    );
    await until("it to be drawn", async () => (await at(page)) === selected);
    const after = await page.locator('.file-row[aria-selected="true"]').boundingBox();
    expect(Math.abs((after?.y ?? 0) - (before?.y ?? 0))).toBeLessThan(2);
    await keyboard.press("Home");
    await keyboard.press("Enter");
    await page.getByText("The directory is empty").waitFor();
    expect(await page.evaluate("document.activeElement.className")).toBe("files");
    await keyboard.press("Alt+ArrowUp");
    await row(page, "Bern").waitFor();
    await until("the folder one comes from", async () => (await at(page)) === "Alps");
    await until(
      "what one hears of it",
      async () => (await page.locator('.panel [role="status"]').textContent()) === "Typed, 233 entries",
    );
    await keyboard.press("Shift+Tab");
    expect(await page.evaluate("document.activeElement.textContent")).toBe("Close");
  });

  it("spells out what names hide, and takes none of them for markup", async () => {
    const hostile = [
      "<img src=x onerror=alert(1)>.png",
      "invoice\u202Efdp.exe",
      "zero\u200Bwidth",
      "line\nbreak",
      "\u2066isolate\u2069",
      "&lt;b&gt;",
      "x".repeat(240),
    ];
    mkdirSync(share("Hostile"));
    for (const name of hostile) writeFileSync(share("Hostile", name), "x");
    mkdirSync(share("Hostile", "folder\u202Egpj"));
    const page = await visit("#watch=lab:/Hostile");
    await until("all of them", async () => (await names(page)).length === hostile.length + 1);
    const told = await names(page);
    expect(told).toContain("<img src=x onerror=alert(1)>.png");
    expect(told).toContain("invoiceU+202Efdp.exe");
    expect(told).toContain("zeroU+200Bwidth");
    expect(told).toContain("lineU+000Abreak");
    expect(told).toContain("U+2066isolateU+2069");
    expect(told).toContain("&lt;b&gt;");
    expect(await page.locator("img, .file-row b").count()).toBe(0);
    expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
    await page.locator(".files").focus();
    await page.keyboard.press("Home");
    await page.keyboard.press("Enter");
    await page.getByText("The directory is empty").waitFor();
    const crumbs = page.getByRole("navigation", { name: "Path to" });
    expect(await crumbs.locator("li").last().textContent()).toBe("folderU+202Egpj");
  });

  it("has a directory of 20,000 entries scroll with a screenful of elements", {
    timeout: 180_000,
  }, async () => {
    mkdirSync(share("Large"));
    for (let i = 0; i < 20_000; i++) writeFileSync(share("Large", `file-${i}.dat`), "");
    truncateSync(share("Large", "file-10000.dat"), 123_456);
    const page = await visit("#watch=lab:/Large");
    await page.locator('.files[aria-rowcount="20001"]').waitFor({ timeout: 60_000 });
    expect(await row(page, "file-0.dat").getAttribute("aria-rowindex")).toBe("2");
    const { rows, frames, idle, work, blank } = await scrollThrough(page);
    const ms = (sorted: readonly number[], part: number): string => quantile(sorted, part).toFixed(1);
    console.info(
      `20,000 entries: at most ${rows} rows in the DOM; ${work.toFixed(1)} ms of the main thread a frame; ` +
        `frames median ${ms(frames, 0.5)} ms, p95 ${ms(frames, 0.95)} ms, longest ${ms(frames, 1)} ms ` +
        `(with nothing to do ${ms(idle, 0.5)}, ${ms(idle, 0.95)} and ${ms(idle, 1)} ms)`,
    );
    expect(rows).toBeGreaterThan(10);
    expect(rows).toBeLessThan(60);
    expect(blank).toBe(0);
    // Each frame shows other rows altogether. With ten other suites beside it the same took up to 16 ms.
    expect(work).toBeLessThan(50);
    await page.locator(".files").focus();
    await page.keyboard.press("End");
    expect(await at(page)).toBe("file-19999.dat");
    // A change far out of sight costs the eye nothing, and is lit for who goes there.
    writeFileSync(share("Large", "file-10000.dat"), "x");
    await page.keyboard.type("file-10000");
    await page.locator('.file-row[data-lit="modified"]').filter({ hasText: "file-10000.dat" }).waitFor();
    expect(await page.locator(".file-row").count()).toBeLessThan(60);
  });

  it.each(["no-preference", "reduce"] as const)("fits a phone, motion: %s", async (reducedMotion) => {
    const folder = `Phone-${reducedMotion}`;
    mkdirSync(share(folder, "A folder with quite a long name, and then some", "Below"), { recursive: true });
    for (let i = 0; i < 30; i++) writeFileSync(share(folder, `IMG_2026_${i}_${"long".repeat(20)}.jpg`), "x");
    const page = await visit(`#watch=lab:/${folder}`);
    await page.emulateMedia({ reducedMotion });
    await page.setViewportSize({ width: 320, height: 640 });
    await page.locator(".file-row").first().waitFor();
    const fits = (): Promise<unknown> => page.evaluate("document.documentElement.scrollWidth <= innerWidth");
    expect(await fits()).toBe(true);
    const box = await page.locator(".file-row").nth(1).boundingBox();
    expect(box?.height).toBeGreaterThanOrEqual(44);
    writeFileSync(share(folder, "a new one.txt"), "x");
    const lit = page.locator('.file-row[data-lit="added"]').filter({ hasText: "a new one.txt" });
    await lit.waitFor();
    expect(await page.evaluate(`document.querySelector("[data-lit]").getAnimations().length`)).toBe(
      reducedMotion === "reduce" ? 0 : 1,
    );
    await page.locator(".file-row").first().click();
    await row(page, "Below").click();
    await page.getByText("The directory is empty").waitFor();
    expect(await fits()).toBe(true);
    expect(await axeViolations(page)).toEqual([]);
  });
});

/** No snapshot of so many: the page goes the old way. */
describe("the files of the live page, where there are more than are remembered", () => {
  let stack: Stack;
  let browser: Awaited<ReturnType<typeof launchBrowser>>;

  beforeAll(async () => {
    stack = await startStack({ connection: { cover: "directory", maxEntries: 1_000 } });
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await stack?.close();
  });

  it("are listed, and follow what is told", async () => {
    const share = (...names: string[]): string => join(stack.samba.path(), "Many", ...names);
    mkdirSync(share());
    for (let i = 0; i < 1_500; i++) writeFileSync(share(`file-${i}.dat`), "xyz");
    const page = await browser.context.newPage();
    const frames: string[] = [];
    page.on("websocket", (socket) =>
      socket.on("framereceived", ({ payload }) => frames.push(String(payload))),
    );
    await page.goto(`${stack.gateways[0]?.url}/#watch=lab:/Many`);
    await page.locator('.files[aria-rowcount="1501"]').waitFor();
    expect(frames.some((frame) => frame.includes('"too_large"'))).toBe(true);
    expect(await page.locator(".file-row .file-size").first().textContent()).toBe("3 B");
    writeFileSync(share("a new one"), "x");
    const row = page.locator('.file-row[data-lit="added"]').filter({ hasText: "a new one" });
    await row.waitFor();
    await row.locator(".file-size", { hasText: "1 B" }).waitFor();
    rmSync(share("a new one"));
    await page.locator('.files[aria-rowcount="1501"]').waitFor();
  });
});
