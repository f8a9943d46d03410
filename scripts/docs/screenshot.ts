/**
 * npx tsx scripts/docs/screenshot.ts: the pictures of the README, taken from a real run. Needs `npm run build` and Chromium.
 */
import { mkdirSync, readdirSync, renameSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { launchBrowser } from "../../test/support/page/browser.ts";
import { until } from "../../test/support/until.ts";
import { startStack } from "../lab/stack.ts";

const IMAGES = join(import.meta.dirname, "../../docs/images");
const stack = await startStack({ workers: 2, connection: { cover: "directory" } });
try {
  const share = (...names: string[]): string => join(stack.samba.path(), ...names);
  const put = (size: number, day: number, ...names: string[]): void => {
    writeFileSync(share(...names), "");
    truncateSync(share(...names), size);
    utimesSync(share(...names), new Date(2026, 9, day, 9, day), new Date(2026, 9, day, 9, day));
  };
  for (const dir of ["Drawings", "Photos", "Scans"])
    mkdirSync(share("Projects", "Bridge", dir), { recursive: true });
  put(18_734_112, 3, "Projects", "Bridge", "Survey north bank.mp4");
  put(4_812_000, 7, "Projects", "Bridge", "Offer 2026-10.pdf");
  put(88_120, 12, "Projects", "Bridge", "Costs.xlsx");
  put(2_412_300, 14, "Projects", "Bridge", "Übersicht 😀.jpg");
  put(912, 15, "Projects", "Bridge", "invoice\u202Efdp.exe");
  put(310_400_000, 16, "Projects", "Bridge", "Point cloud.zip");
  for (let i = 1; i < 5; i++)
    put(3_100_000 + i * 41_234, 17 + i, "Projects", "Bridge", `IMG_42${10 + i}.jpg`);
  for (const [colorScheme, first] of [
    ["light", 4300],
    ["dark", 4400],
  ] as const) {
    const browser = await launchBrowser({ colorScheme });
    const page = await browser.context.newPage();
    await page.setViewportSize({ width: 1280, height: 760 });
    await page.goto(`${stack.gateways[0]?.url}/#watch=lab:/Projects/Bridge`);
    await page.locator(".state[data-state=live]").waitFor();
    await page.locator(".file-row").nth(9).waitFor();
    for (let i = 1; i <= 6; i++) {
      writeFileSync(share("Projects", "Bridge", `IMG_${first + i}.jpg`), "x".repeat(2_000_000 + i * 77_777));
      await delay(900 + 200 * (i % 3));
    }
    // The workers are asked every five seconds.
    await page
      .locator(".worker")
      .filter({ hasText: /[1-9] watch/ })
      .first()
      .waitFor();
    const sizes = (): Promise<boolean> =>
      until("all sizes", async () =>
        (await page.locator('.file-row:not([data-kind="folder"]) .file-size').allTextContents()).every(
          (text) => text !== "",
        ),
      );
    await sizes();
    await stack.samba.smbclient(`mkdir Projects/Bridge/Minutes-${first}`);
    writeFileSync(share("Projects", "Bridge", "Costs.xlsx"), "x".repeat(91_300));
    const renamed = share("Projects", "Bridge", `Pier ${first}.jpg`);
    renameSync(share("Projects", "Bridge", `IMG_${first + 2}.jpg`), renamed);
    rmSync(share("Projects", "Bridge", `IMG_${first + 6}.jpg`));
    for (const [kind, name] of [
      ["added", "Minutes"],
      ["modified", "Costs"],
      ["renamed", "Pier"],
    ]) {
      await page
        .locator(`.file-row[data-lit="${kind}"]`)
        .filter({ hasText: name ?? "" })
        .waitFor();
    }
    await sizes();
    await page.screenshot({ path: join(IMAGES, `live-page-${colorScheme}.png`) });
    await browser.close();
    for (const name of readdirSync(share("Projects", "Bridge"))) {
      if (name.includes(`_${first / 100}`) || name.includes(String(first))) {
        rmSync(share("Projects", "Bridge", name), { recursive: true });
      }
    }
  }
} finally {
  await stack.close();
}
