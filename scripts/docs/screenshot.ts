/**
 * npx tsx scripts/docs/screenshot.ts: the pictures of the README, taken from a real run. Needs `npm run build` and Chromium.
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { launchBrowser } from "../../test/support/page/browser.ts";
import { startStack } from "../lab/stack.ts";

const IMAGES = join(import.meta.dirname, "../../docs/images");
const stack = await startStack({ workers: 2, connection: { cover: "directory" } });
try {
  for (const [colorScheme, first] of [
    ["light", 4200],
    ["dark", 4300],
  ] as const) {
    const share = stack.samba.path();
    for (const dir of ["Photos", "Incoming", "Projects"]) {
      mkdirSync(join(share, dir, ...(dir === "Projects" ? ["bridge", "drawings"] : [])), { recursive: true });
    }
    const browser = await launchBrowser({ colorScheme });
    const page = await browser.context.newPage();
    await page.setViewportSize({ width: 1280, height: 760 });
    await page.goto(`${stack.gateways[0]?.url}/#watch=lab:/Photos&watch=lab:/Incoming&tree=lab:/Projects`);
    await page.locator(".state[data-state=live]").nth(2).waitFor();
    for (let i = 1; i <= 12; i++) {
      writeFileSync(join(share, "Photos", `IMG_${first + i}.jpg`), "x");
      if (i % 3 === 0)
        renameSync(
          join(share, "Photos", `IMG_${first + i}.jpg`),
          join(share, "Photos", `Übung ${first + i} 😀.jpg`),
        );
      if (i % 2 === 0) await stack.samba.smbclient(`mkdir Incoming/scan-${i}`);
      if (i % 4 === 0) rmSync(join(share, "Incoming", `scan-${i}`), { recursive: true });
      writeFileSync(join(share, "Projects", "bridge", "drawings", `pier-${1 + (i % 4)}.dwg`), String(i));
      await delay(350 + 120 * (i % 5));
    }
    await page.locator("#connection").selectOption("lab");
    await page.locator("#browse").click();
    await page.locator("#entries button").first().waitFor();
    // The workers are asked every five seconds.
    await page
      .locator(".worker")
      .filter({ hasText: /[1-9] watch/ })
      .first()
      .waitFor();
    await delay(800);
    await page.screenshot({ path: join(IMAGES, `live-page-${colorScheme}.png`) });
    await browser.close();
  }
} finally {
  await stack.close();
}
