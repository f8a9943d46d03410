import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { SignJWT } from "jose";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type Stack, startStack } from "../../scripts/lab/stack.ts";
import { axeViolations } from "../support/page/axe.ts";
import { launchBrowser } from "../support/page/browser.ts";
import { LOW_CONTRAST } from "../support/page/contrast.ts";
import { mirrorInPage, type PageMirror } from "../support/page/page-mirror.ts";
import { TestClient } from "../support/servers/gateway.ts";
import { until } from "../support/until.ts";

const ARTIFACTS = join(import.meta.dirname, "../../artifacts");
/** What the gateway forgives between clocks; a token runs out that much later. */
const TOLERANCE_S = 5;

describe("a gateway and real browsers", () => {
  const secret = randomBytes(48).toString("base64url");
  const dir = mkdtempSync(join(tmpdir(), "smb2nats-e2e-"));
  let stack: Stack;
  let browser: Awaited<ReturnType<typeof launchBrowser>>;

  beforeAll(async () => {
    const secretFile = join(dir, "jwt-secret");
    writeFileSync(secretFile, secret, { mode: 0o600 });
    stack = await startStack({
      connection: { cover: "directory" },
      config: {
        worker: { leaseTtlMs: 3_000 },
        gateway: { host: "127.0.0.1", lingerSeconds: 0, auth: { mode: "jwt", secretFile } },
      },
    });
  });
  afterAll(async () => {
    await stack?.close();
    rmSync(dir, { recursive: true, force: true });
  });
  beforeEach(async () => {
    browser = await launchBrowser();
  });
  afterEach(() => browser.close());

  const gateway = () => {
    const [role] = stack.gateways;
    if (role === undefined) throw new Error("no gateway");
    return role;
  };
  const share = (...names: string[]): string => join(stack.samba.path(), ...names);
  const write = (...names: string[]): void => writeFileSync(share(...names), "x");
  /** Good for `seconds` more, as the gateway sees it. */
  const token = (seconds = 3_600, path = "/**"): Promise<string> =>
    new SignJWT({ smb: [{ connection: "lab", path }] })
      .setProtectedHeader({ alg: "HS256" })
      .setExpirationTime(Math.ceil(Date.now() / 1_000) + seconds - TOLERANCE_S)
      .sign(new TextEncoder().encode(secret));
  const mirror = async (path: string, tokens = () => token()): Promise<PageMirror> =>
    mirrorInPage(await browser.context.newPage(), gateway().url, { connection: "lab", path, token: tokens });
  const same = (mirror: PageMirror, path: string): Promise<boolean> =>
    until(
      `the page's picture of ${path} to be the share's`,
      async () => JSON.stringify(await mirror.names()) === JSON.stringify(readdirSync(share(path)).sort()),
      { timeoutMs: 40_000 },
    );
  const watches = async (): Promise<number> => {
    const metrics = await (await fetch(`${stack.workers[0]?.ops}/metrics`)).text();
    const rows = [...metrics.matchAll(/^smb2nats_watches\{[^}]*\} (\d+)$/gm)];
    return rows.reduce((sum, [, count]) => sum + Number(count), 0);
  };
  const restartGateway = async (
    signal: "SIGKILL" | "SIGTERM",
    meanwhile: () => void | Promise<void>,
  ): Promise<void> => {
    const { process, ops } = gateway();
    await process.stop(signal);
    await meanwhile();
    await process.start(Number(new URL(ops).port));
  };

  it("brings what happened while the gateway was dead, by replay", async () => {
    mkdirSync(share("Outage"));
    write("Outage", "old");
    write("Outage", "gone");
    const page = await mirror("/Outage");
    await same(page, "Outage");
    // However long the restart takes, somebody else still asks: the worker never stops watching.
    const other = await stack.startRole("gateway");
    try {
      const headers = { authorization: `Bearer ${await token()}` };
      const keeper = new TestClient(new WebSocket(`${other.url.replace("http", "ws")}/ws`, { headers }));
      await once(keeper.socket, "open");
      expect(await keeper.subscribe("/Outage", {}, "lab")).toMatchObject({ type: "subscribed" });
      await restartGateway("SIGKILL", () => {
        for (let i = 0; i < 20; i++) write("Outage", `meanwhile-${i}`);
        rmSync(share("Outage", "gone"));
        renameSync(share("Outage", "old"), share("Outage", "new"));
      });
      await same(page, "Outage");
    } finally {
      await other.stop();
    }
    expect((await page.statuses()).map(({ state }) => state)).toContain("waiting");
    // So each change was stored, and told by name.
    // (`silent` is the second look at a directory that changed as soon as it was watched.)
    expect((await page.resyncs()).filter((reason) => reason !== "silent")).toEqual([]);
    expect(await page.told()).toEqual(expect.arrayContaining(["meanwhile-0", "meanwhile-19", "gone", "new"]));
    write("Outage", "after");
    await same(page, "Outage");
  });

  it("announces what nobody watched while the gateway was dead for longer", async () => {
    mkdirSync(share("Long"));
    write("Long", "old");
    const page = await mirror("/Long");
    await same(page, "Long");
    await restartGateway("SIGKILL", async () => {
      // Its lease runs out, its refs are swept, the worker lets go.
      await until("the end of the watch", async () => (await watches()) === 0, { timeoutMs: 40_000 });
      write("Long", "unwatched");
      rmSync(share("Long", "old"));
    });
    await same(page, "Long");
    write("Long", "after");
    await same(page, "Long");
  });

  it("sends browsers away before it stops, and misses nothing for them when it is back", async () => {
    mkdirSync(share("Drain"));
    const page = await mirror("/Drain");
    await restartGateway("SIGTERM", () => write("Drain", "meanwhile"));
    await same(page, "Drain");
    expect(await page.statuses()).toContainEqual({ state: "waiting", code: 1001, reason: "going away" });
  });

  it("brings what happened while the broker was away", async () => {
    mkdirSync(share("Broker"));
    const page = await mirror("/Broker");
    await stack.nats.kill();
    for (let i = 0; i < 20; i++) write("Broker", `meanwhile-${i}`);
    await stack.nats.start();
    await same(page, "Broker");
    write("Broker", "after");
    await same(page, "Broker");
    expect((await page.statuses()).map(({ state }) => state)).toEqual(["connecting", "open"]);
  });

  it("serves other tabs while one is frozen, which then catches up", async () => {
    mkdirSync(share("Slow"));
    const frozen = await mirror("/Slow");
    const other = await mirror("/Slow");
    const debug = await browser.context.newCDPSession(frozen.page);
    const paused = new Promise((resolve) => debug.once("Debugger.paused", resolve));
    await debug.send("Debugger.enable");
    // Its main thread stands still from the next event on.
    await debug.send("Debugger.pause");
    const names = Array.from({ length: 1_000 }, (_, i) => `${"long ".repeat(30)}${i}`);
    for (const name of names) write("Slow", name);
    await same(other, "Slow");
    await paused;
    await debug.send("Debugger.resume");
    await same(frozen, "Slow");
    expect((await frozen.statuses()).map(({ state }) => state)).toEqual(["connecting", "open"]);
  });

  it("lets a client with a source of tokens live on when one runs out", async () => {
    mkdirSync(share("Renew"));
    let asked = 0;
    const page = await mirror("/Renew", () => token(asked++ === 0 ? 3 : 3_600));
    await until(
      "the second token",
      async () => asked > 1 && (await page.statuses()).at(-1)?.state === "open",
    );
    expect(await page.statuses()).toContainEqual({ state: "waiting", code: 4401, reason: "expired" });
    write("Renew", "after");
    await same(page, "Renew");
  });

  it("shows on the live page that a token ran out, and goes on with a new one", async () => {
    mkdirSync(share("Expiry"));
    const page = await browser.context.newPage();
    await page.goto(`${gateway().url}/#watch=lab:/Expiry`);
    await signIn(page, await token(4));
    await page.locator('.panel .state[data-state="live"]').waitFor();
    await page.locator('#status[data-state="refused"]').waitFor();
    expect(await page.locator("#status-text").textContent()).toMatch(/expired/);
    await signIn(page, await token());
    await page.locator('.panel .state[data-state="live"]').waitFor();
    // What happened in between was not told: the page says so.
    await page.locator('.row[data-action="resync"]').first().waitFor();
    write("Expiry", "after.txt");
    await page.getByText("after.txt").first().waitFor();
  });

  it("shows on the live page who watches, and when nobody does any more", async () => {
    mkdirSync(share("Fleet"));
    const page = await browser.context.newPage();
    await page.goto(`${gateway().url}/#watch=lab:/Fleet`);
    await signIn(page, await token());
    await page.locator('.panel .state[data-state="live"]').waitFor();
    const worker = page.locator(".worker");
    await worker.filter({ hasText: hostname() }).filter({ hasText: "1 watch" }).waitFor();
    expect(await worker.count()).toBe(1);
    const [role] = stack.workers;
    await role?.process.stop("SIGKILL");
    try {
      await page.locator("#fleet-note").filter({ hasText: "No worker" }).waitFor();
      expect(await worker.count()).toBe(0);
      await page.locator('.panel .state[data-state="degraded"]').waitFor();
    } finally {
      await role?.process.start(Number(new URL(role.ops).port));
    }
    await page.locator('.worker[data-state="serving"]').waitFor();
    await page.locator('.panel .state[data-state="live"]').waitFor();
  });

  it("shows on the live page only what the token may see", async () => {
    mkdirSync(share("Mine"));
    mkdirSync(share("Theirs"));
    const page = await browser.context.newPage();
    await page.goto(`${gateway().url}/#watch=lab:/Mine&watch=lab:/Theirs`);
    await signIn(page, await token(3_600, "/Mine/**"));
    await page.locator('.panel[data-path="/Mine"] .state[data-state="live"]').waitFor();
    const theirs = page.locator('.panel[data-path="/Theirs"]');
    await theirs.locator('.state[data-state="ended"]').filter({ hasText: "denied" }).waitFor();
    // Somebody serves the connection; where, and how much, is not this token's business.
    await page.locator(".worker").waitFor();
    const text = await page.locator(".worker").textContent();
    expect(text).toContain("lab");
    expect(text).not.toContain(hostname());
    expect(text).not.toMatch(/watch/);
    // Another token sees more, and the panel that was refused is there to be tried again.
    await signIn(page, await token());
    await theirs.locator('.state[data-state="live"]').waitFor();
  });

  it("does not let a page that is cut off look live", async () => {
    mkdirSync(share("Cut"));
    const page = await browser.context.newPage();
    write("Cut", "removed.txt");
    await page.goto(`${gateway().url}/#watch=lab:/Cut`);
    await signIn(page, await token());
    await page.locator(".file-row").filter({ hasText: "removed.txt" }).waitFor();
    const state = page.locator(".panel .state");
    await page.locator('.panel .state[data-state="live"]').waitFor();
    await restartGateway("SIGKILL", async () => {
      await page.locator("#banner").filter({ hasText: "Connection lost" }).waitFor();
      expect(await state.textContent()).toBe("not connected");
      write("Cut", "meanwhile.txt");
      rmSync(share("Cut", "removed.txt"));
    });
    await page.locator('.panel .state[data-state="live"]').waitFor();
    expect(await page.locator("#banner").isVisible()).toBe(false);
    await page.locator(".file-row").filter({ hasText: "meanwhile.txt" }).waitFor();
    await page.locator(".file-row").filter({ hasText: "removed.txt" }).waitFor({ state: "detached" });
  });

  it("can be used with the keyboard alone", async () => {
    mkdirSync(share("Keys", "Below"), { recursive: true });
    const page = await browser.context.newPage();
    await page.goto(gateway().url);
    const { keyboard } = page;
    const tabTo = async (selector: string): Promise<void> => {
      for (let presses = 0; presses < 20; presses++) {
        await keyboard.press("Tab");
        const focused = await page.evaluate(`document.activeElement?.matches(${JSON.stringify(selector)})`);
        if (focused === true) return;
      }
      throw new Error(`the keyboard does not reach ${selector}`);
    };
    await tabTo("#token");
    await keyboard.insertText(await token());
    await keyboard.press("Enter");
    await page.locator('#status[data-state="open"]').waitFor();
    await page.locator("#connection option").first().waitFor({ state: "attached" });
    await tabTo("#path");
    await keyboard.press("Control+A");
    await keyboard.insertText("/Keys");
    await keyboard.press("Enter");
    await page.locator('.panel .state[data-state="live"]').waitFor();
    await tabTo(".files");
    await keyboard.press("B");
    await keyboard.press("Enter");
    await page.locator('.panel[data-path="/Keys/Below"] .state[data-state="live"]').waitFor();
    await keyboard.press("Backspace");
    await page.locator('.panel[data-path="/Keys"] .state[data-state="live"]').waitFor();
    // A path that was pasted with blanks around it.
    await page.locator("#path").focus();
    await keyboard.press("Control+A");
    await keyboard.insertText(" /Keys/Below ");
    await keyboard.press("Enter");
    await page.locator('.panel[data-path="/Keys/Below"] .state[data-state="live"]').waitFor();
    // Whoever closes one goes on at the next, and after the last where another can be opened.
    const focused = (): Promise<unknown> =>
      page.evaluate(`document.activeElement.getAttribute("aria-label") ?? document.activeElement.id`);
    await tabTo('.panel button[aria-label="Close /Keys"]');
    await keyboard.press("Enter");
    await page.locator('.panel[data-path="/Keys"]').waitFor({ state: "detached" });
    expect(await focused()).toBe("Close /Keys/Below");
    await keyboard.press("Enter");
    await page.locator(".panel").waitFor({ state: "detached" });
    expect(await focused()).toBe("path");
  });

  it("is pleasant to look at by day and by night", async () => {
    const odd = [
      "Ünï 😀.txt",
      "100% *.csv",
      "<b>bold.html",
      `${"long-".repeat(40)}end.bin`,
      "cafe\u0301 menu.pdf",
    ];
    for (const folder of ["Media", "Media/Photos", "Inbox", "Quiet"]) mkdirSync(share(folder));
    await browser.close();
    for (const colorScheme of ["light", "dark"] as const) {
      browser = await launchBrowser({ colorScheme });
      const page = await browser.context.newPage();
      const problems: string[] = [];
      page.on("pageerror", (error) => problems.push(String(error)));
      page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
      await page.goto(
        `${gateway().url}/#tree=lab:/Media&watch=lab:/Inbox&watch=lab:/Quiet&watch=lab:/Nowhere`,
      );
      await signIn(page, await token());
      await expect
        .poll(() => page.locator('.panel .state[data-state="live"]').count(), { timeout: 20_000 })
        .toBe(3);
      for (const name of odd) writeFileSync(share("Inbox", name), "x");
      // What shows nothing, or turns the text around it, is spelled out.
      write("Inbox", "invoice\u202Efdp.exe");
      for (let i = 0; i < 8; i++) write("Media", "Photos", `IMG_${1000 + i}.jpg`);
      renameSync(share("Media", "Photos", "IMG_1000.jpg"), share("Media", "Photos", "sunrise.jpg"));
      rmSync(share("Media", "Photos", "IMG_1001.jpg"));
      await page.getByText("sunrise.jpg").first().waitFor();
      await page.getByText("U+202E").first().waitFor();
      await page.locator('.panel[data-path="/Inbox"] .file-row').nth(odd.length).waitFor();
      // Without the flash of rows that have just come.
      await page.emulateMedia({ reducedMotion: "reduce" });
      const { looked, found } = (await page.evaluate(LOW_CONTRAST)) as { looked: number; found: string[] };
      expect(looked).toBeGreaterThan(40);
      expect(found).toEqual([]);
      expect(await axeViolations(page)).toEqual([]);
      await page.screenshot({ path: join(ARTIFACTS, `live-page-${colorScheme}.png`) });
      await page.setViewportSize({ width: 320, height: 700 });
      expect(await axeViolations(page)).toEqual([]);
      // Smaller ones make Safari on a phone zoom in, and stay there.
      const small = `[...document.querySelectorAll("input:not([type=checkbox]), select")]
        .filter((field) => parseFloat(getComputedStyle(field).fontSize) < 16).map((field) => field.id)`;
      expect(await page.evaluate(small)).toEqual([]);
      await page.screenshot({ path: join(ARTIFACTS, `live-page-${colorScheme}-narrow.png`), fullPage: true });
      expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
      expect(problems).toEqual([]);
      for (const name of readdirSync(share("Inbox"))) rmSync(share("Inbox", name));
      for (const name of readdirSync(share("Media", "Photos"))) rmSync(share("Media", "Photos", name));
      if (colorScheme === "light") await browser.close();
    }
  });

  async function signIn(page: Page, with_: string): Promise<void> {
    await page.locator("#token").fill(with_);
    await page.locator("#connect").click();
    await page.locator('#status[data-state="open"]').waitFor();
  }
});
