import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { expect } from "vitest";
import { execute, program, ROOT } from "./files.ts";

export const CHART = "helm/smb2nats";
export const KUBERNETES = "1.31.0";
export const helm: string | undefined = program("helm", "HELM_BIN");

/** `ci/<name>-values.yaml` */
export const cases: readonly string[] = readdirSync(join(ROOT, CHART, "ci")).map((file) =>
  basename(file, "-values.yaml"),
);

/** What `helm template` makes of a values file of the chart's `ci` folder. */
export async function render(values: string, ...more: string[]): Promise<string> {
  const file = `${CHART}/ci/${values}-values.yaml`;
  const { code, out } = await execute(helm ?? "", [
    ...["template", "demo", CHART, "-n", "files", "--kube-version", KUBERNETES, "-f", file],
    ...more,
  ]);
  expect(code, out).toBe(0);
  return out;
}
