import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { cases, helm, KUBERNETES, render } from "./chart.ts";
import { execute, program, type Tree, yamlDocuments } from "./files.ts";

const validate = program("kubernetes-validate", "KUBERNETES_VALIDATE_BIN");
/** Of others than Kubernetes: their schemas are with those who define them. */
const FOREIGN = ["monitoring.coreos.com", "gateway.networking.k8s.io"];
/** The oldest the chart is rendered for, and the newest whose schemas the tool has. */
const VERSIONS = [KUBERNETES.replace(/\.\d+$/, ""), "1.37"];

async function check(documents: readonly Tree[], version: string): ReturnType<typeof execute> {
  const dir = await mkdtemp(join(tmpdir(), "smb2nats-kubernetes-"));
  try {
    const file = join(dir, "objects.yaml");
    await writeFile(file, documents.map((document) => stringify(document)).join("---\n"));
    return await execute(validate ?? "", ["--strict", "--no-warn", "-k", version, file]);
  } finally {
    await rm(dir, { recursive: true });
  }
}

describe.skipIf(helm === undefined || validate === undefined)(
  "Kubernetes' own schemas (npm run tools)",
  { timeout: 120_000 },
  () => {
    const native = ({ apiVersion }: Tree): boolean =>
      !FOREIGN.includes(String(apiVersion).split("/")[0] ?? "");

    it.each(cases.flatMap((values) => VERSIONS.map((version) => [values, version] as const)))(
      "accept what the chart makes of %s, strictly, for %s",
      async (values, version) => {
        const documents = yamlDocuments(await render(values)).filter(native);
        expect(documents.length).toBeGreaterThan(3);
        const { code, out } = await check(documents, version);
        expect(code, out).toBe(0);
      },
    );

    it("refuse an object with a field too many: the check can fail", async () => {
      const documents = yamlDocuments(await render("trial")).filter(native);
      const deployment = documents.find(({ kind }) => String(kind) === "Deployment")!;
      const wrong = { ...deployment, spec: { ...deployment["spec"], replica: 2 } } as unknown as Tree;
      const { code, out } = await check([wrong], VERSIONS[0]!);
      expect(code).not.toBe(0);
      expect(out).toContain("replica");
    });
  },
);
