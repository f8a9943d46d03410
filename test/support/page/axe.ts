import axe from "axe-core";
import type { Page } from "playwright-core";

/** What axe-core finds wrong with the page as it is now, a line each. Rules of WCAG 2.2 AA and its own best practices. */
export async function axeViolations(page: Page): Promise<readonly string[]> {
  // Evaluated, not added as a script: the page's policy lets none in.
  await page.evaluate(axe.source);
  const run = `axe.run(document, { resultTypes: ["violations"] })`;
  const { violations } = (await page.evaluate(run)) as axe.AxeResults;
  return violations.map(
    ({ id, impact, help, nodes }) =>
      `${id} (${impact}): ${help}: ${nodes
        .slice(0, 3)
        .map(({ target }) => target.join(" "))
        .join("; ")}`,
  );
}
