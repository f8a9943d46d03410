import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { loadConfig } from "../../../src/ops/config/config.ts";
import { configJsonSchema } from "../../../src/ops/config/report.ts";
import { CHART, cases, helm, KUBERNETES, render } from "./chart.ts";
import { rules } from "./dashboard.ts";
import { execute, ROOT, read, readYaml, type Tree, yamlDocuments } from "./files.ts";

const FOR = ["--kube-version", KUBERNETES];

describe("chart", () => {
  /** After a change of src/ops/config/options: `npx vitest run --project unit test/unit/deploy/helm.test.ts -u`. */
  it("describes config as the service itself does", async () => {
    const { $schema: _, ...config } = configJsonSchema() as Record<string, unknown>;
    const schema = JSON.parse(read(`${CHART}/values.schema.json`)) as { properties: Record<string, unknown> };
    schema.properties["config"] = config;
    await expect(`${JSON.stringify(schema, undefined, 2)}\n`).toMatchFileSnapshot(
      join(ROOT, CHART, "values.schema.json"),
    );
  });

  it("refuses unknown values at every level", () => {
    const open: string[] = [];
    const walk = (node: unknown, where: string): void => {
      if (typeof node !== "object" || node === null) return;
      if ("properties" in node && (node as { additionalProperties?: unknown }).additionalProperties !== false)
        open.push(where);
      for (const [key, value] of Object.entries(node)) walk(value, `${where}/${key}`);
    };
    walk(JSON.parse(read(`${CHART}/values.schema.json`)), "");
    expect(open).toEqual([]);
  });

  it("carries the alerts and the dashboard of deploy/", () => {
    expect(read(`${CHART}/files/rules.yml`)).toBe(read("deploy/prometheus/rules.yml"));
    expect(read(`${CHART}/files/dashboard.json`)).toBe(read("deploy/grafana/dashboard.json"));
  });

  it("has the version of the package", () => {
    const { version } = JSON.parse(read("package.json")) as { version: string };
    const chart = readYaml(`${CHART}/Chart.yaml`);
    expect([chart["version"], chart["appVersion"]]).toEqual([version, version]);
  });
});

describe.skipIf(helm === undefined)("helm (npm run tools)", { timeout: 120_000 }, () => {
  const run = (...args: string[]): ReturnType<typeof execute> => execute(helm ?? "", args);
  const QUIET = ["--set", "dashboard.enabled=false,prometheusRule.enabled=false"];

  describe.each(cases)("with %s", (values) => {
    let documents: Tree[] = [];
    beforeAll(async () => {
      documents = yamlDocuments(await render(values));
    });
    const ofKind = (kind: string): Tree[] =>
      documents.filter((document) => String(document["kind"]) === kind);

    it("is free of lint", async () => {
      const { code, out } = await run(
        "lint",
        CHART,
        "--strict",
        ...FOR,
        "-f",
        `${CHART}/ci/${values}-values.yaml`,
      );
      expect(code, out).toBe(0);
    });

    it("renders what it did before", async () => {
      await expect(await render(values, ...QUIET)).toMatchFileSnapshot(
        join(ROOT, `test/fixtures/helm/${values}.yaml`),
      );
    });

    it("hardens every pod, and probes it without asking anybody remote", () => {
      const workloads = [...ofKind("Deployment"), ...ofKind("StatefulSet")];
      expect(workloads.length).toBeGreaterThan(0);
      for (const workload of workloads) {
        const pod = workload["spec"]!["template"]!["spec"]!;
        expect(pod).toMatchObject({
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 65_532,
            seccompProfile: { type: "RuntimeDefault" },
          },
        });
        for (const container of pod["containers"] as unknown as Tree[]) {
          expect(container["securityContext"]).toEqual({
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ["ALL"] },
          });
          const ours = String(container["name"]) !== "nats";
          for (const probe of ["startupProbe", "livenessProbe", "readinessProbe"]) {
            const path = String(container[probe]!["httpGet"]!["path"]);
            if (ours) expect(path).toBe(probe === "readinessProbe" ? "/readyz" : "/healthz");
            const port = container[probe]!["httpGet"]!["port"];
            expect((container["ports"] as unknown as Tree[]).map((one) => one["name"])).toContain(port);
          }
          const volumes = [
            ...((pod["volumes"] ?? []) as unknown as Tree[]).map((volume) => volume["name"]),
            ...((workload["spec"]!["volumeClaimTemplates"] ?? []) as unknown as Tree[]).map(
              (claim) => claim["metadata"]!["name"],
            ),
          ];
          for (const mount of container["volumeMounts"] as unknown as Tree[]) {
            expect(volumes).toContain(mount["name"]);
            // The one writable place is the volume of the trial's NATS.
            if (ours) expect(mount["readOnly"]).toBe(true);
          }
          expect(container["resources"]).toHaveProperty("limits.memory");
        }
      }
    });

    it("holds no secret, and makes no Secret", () => {
      expect(ofKind("Secret")).toEqual([]);
      const accounts = ofKind("ServiceAccount");
      expect(accounts.map((account) => account["automountServiceAccountToken"])).toEqual([false]);
      expect(documents.filter((document) => /Role/.test(String(document["kind"])))).toEqual([]);
    });

    it("fits together: selectors find pods, ports exist, targets exist", () => {
      const pods = [...ofKind("Deployment"), ...ofKind("StatefulSet")].map((workload) => {
        const { metadata, spec } = workload["spec"]!["template"]! as unknown as {
          metadata: Tree;
          spec: Tree;
        };
        expect(metadata["labels"]).toMatchObject(workload["spec"]!["selector"]!["matchLabels"]!);
        return { labels: metadata["labels"] as unknown as Record<string, string>, spec };
      });
      const matching = (selector: object): typeof pods =>
        pods.filter(({ labels }) => Object.entries(selector).every(([key, value]) => labels[key] === value));
      for (const service of ofKind("Service")) {
        const found = matching(service["spec"]!["selector"]!);
        expect(found).toHaveLength(1);
        const names = (found[0]!.spec["containers"]![0]!["ports"] as unknown as Tree[]).map(
          (port) => port["name"],
        );
        for (const port of service["spec"]!["ports"] as unknown as Tree[])
          expect(names).toContain(port["targetPort"]);
      }
      for (const budget of ofKind("PodDisruptionBudget"))
        expect(matching(budget["spec"]!["selector"]!["matchLabels"]!)).toHaveLength(1);
      for (const scaler of ofKind("HorizontalPodAutoscaler")) {
        const target = String(scaler["spec"]!["scaleTargetRef"]!["name"]);
        const scaled = ofKind("Deployment").find((one) => String(one["metadata"]!["name"]) === target);
        // A number of replicas in the Deployment would fight with the scaler.
        expect(scaled?.["spec"]).not.toHaveProperty("replicas");
      }
      for (const route of [...ofKind("Ingress"), ...ofKind("HTTPRoute")]) {
        const name = /"name":"(demo-smb2nats-gateway)"/.exec(JSON.stringify(route["spec"]!["rules"]))?.[1];
        expect(ofKind("Service").map((service) => service["metadata"]!["name"])).toContain(name);
      }
      const names = documents.map((one) => `${one["kind"]}/${one["metadata"]!["name"]}`);
      expect(new Set(names).size).toBe(names.length);
    });

    it("gives each role a configuration that it accepts", () => {
      const dir = mkdtempSync(join(tmpdir(), "smb2nats-helm-"));
      try {
        const config = ofKind("ConfigMap").find((map) => map["data"]?.["smb2nats.yaml"] !== undefined);
        const file = join(dir, "smb2nats.yaml");
        writeFileSync(file, String(config?.["data"]?.["smb2nats.yaml"]));
        for (const deployment of ofKind("Deployment")) {
          const container = deployment["spec"]!["template"]!["spec"]!["containers"]![0]!;
          const env = Object.fromEntries(
            (container["env"] as unknown as { name: string; value: string }[])
              .filter(({ name }) => name !== "SMB2NATS_CONFIG")
              .map(({ name, value }) => [name, value]),
          );
          const loaded = loadConfig({ file, env });
          expect(loaded.config.http).toEqual({ host: "0.0.0.0", port: 9_464 });
          expect(loaded.config.nats.servers.length).toBeGreaterThan(0);
          expect(
            Number(deployment["spec"]!["template"]!["spec"]!["terminationGracePeriodSeconds"]),
          ).toBeGreaterThan(
            Math.max(loaded.config.worker.drainSeconds, loaded.config.gateway.drainSeconds) + 10,
          );
        }
      } finally {
        rmSync(dir, { recursive: true });
      }
    });
  });

  it("refuses by default what nobody listed: each role has a policy with both directions", async () => {
    const policies = yamlDocuments(await render("external-nats")).filter(
      (document) => String(document["kind"]) === "NetworkPolicy",
    );
    expect(policies.map((policy) => policy["spec"]!["policyTypes"])).toEqual([
      ["Ingress", "Egress"],
      ["Ingress", "Egress"],
    ]);
    const egress = (component: string): string => {
      const policy = policies.find(({ metadata }) => String(metadata?.["name"]).endsWith(component));
      return JSON.stringify(policy?.["spec"]?.["egress"]);
    };
    expect(egress("worker")).toContain('"port":445');
    expect(egress("worker")).toContain("192.0.2.10/32");
    expect(egress("gateway")).not.toContain('"port":445');
  });

  it("keeps the two roles' secrets apart", async () => {
    const secrets = yamlDocuments(await render("external-nats"))
      .filter((document) => String(document["kind"]) === "Deployment")
      .map((deployment) =>
        (deployment["spec"]!["template"]!["spec"]!["volumes"] as unknown as Tree[])
          .map((volume) => volume["secret"]?.["secretName"])
          .filter((name) => name !== undefined),
      );
    expect(secrets.flat().map(String).sort()).toEqual(["smb2nats-gateway", "smb2nats-worker"]);
  });

  it("brings alerts and dashboard as they are", async () => {
    const documents = yamlDocuments(await render("external-nats"));
    const rule = documents.find((document) => String(document["kind"]) === "PrometheusRule");
    expect(rule?.["spec"]).toEqual(readYaml("deploy/prometheus/rules.yml"));
    expect(rules().length).toBeGreaterThan(0);
    const map = documents.find((document) => document["data"]?.["smb2nats.json"] !== undefined);
    expect(JSON.parse(String(map?.["data"]?.["smb2nats.json"]))).toEqual(
      JSON.parse(read("deploy/grafana/dashboard.json")),
    );
  });

  it("restarts nothing when connections change, and everything when NATS does", async () => {
    const sum = async (...more: string[]): Promise<string[]> =>
      [...(await render("trial", ...more)).matchAll(/checksum\/config: (\w+)/g)].map(([, hash = ""]) => hash);
    const before = await sum();
    expect(before).toHaveLength(2);
    expect(await sum("--set", "config.connections.media.settleMs=500")).toEqual(before);
    expect(await sum("--set", "config.nats.replicas=3")).not.toEqual(before);
  });

  it.each([
    ["an unknown value", ["--set", "worker.replica=2"], "replica"],
    ["an unknown option of the service", ["--set", "config.gateway.prot=1"], "prot"],
    ["an open gateway", ["--set", "config.gateway.auth.allowAnonymous=false"], "let in everybody"],
    ["no NATS", ["--set", "nats.enabled=false"], "Where is NATS?"],
    ["a tag for a digest", ["--set", "image.digest=latest"], "digest"],
  ])("refuses %s", async (_, more, reason) => {
    const values = `${CHART}/ci/trial-values.yaml`;
    const { code, out } = await run("template", "demo", CHART, ...FOR, "-f", values, ...more);
    expect(code).not.toBe(0);
    expect(out).toContain(reason);
  });
});
