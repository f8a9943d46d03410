import { availableParallelism } from "node:os";
import { join, relative, sep } from "node:path";
import { defineConfig, type ViteUserConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const LATER_SAMBA = [
  "share/{names,smb-client}",
  "smb/{first-watch,interop-matrix,samba-edges}",
  "torture/shares",
  "watch/*",
];

/** Most of the time they wait for servers: with as many workers as processors, two thirds of the processors' time was idle. */
const WAITING: { maxWorkers: number; retry: number; sequence: { groupOrder: number } } = {
  maxWorkers: availableParallelism() + 1,
  retry: 1,
  sequence: { groupOrder: 0 },
};

/** Those that took longest in one run, above 20 s: begun last, one of them would be all that runs in the end. */
const LONGEST = [
  "integration/torture/fleet",
  "e2e/gateway-browser",
  "integration/harmless/others",
  "e2e/file-browser",
  "e2e/gateway-mirror",
  "unit/watch/mirror-oracle",
  "integration/kerberos/renewal",
  "integration/fleet/take-over",
  "e2e/sigterm",
  "e2e/sambee-page",
  "integration/torture/directory",
  "integration/fleet/mirror-faults",
  "unit/worker/hand-over-oracle",
  "integration/torture/ready",
  "integration/share/leaks",
  "integration/gateway/mirror",
  "e2e/mute-peers",
  "e2e/kerberos",
  "e2e/cli-share",
  "e2e/fresh-look",
  "integration/torture/shares",
  "e2e/hostile-names",
  "integration/torture/kerberos",
  "integration/broker/storage",
  "integration/broker/events",
  "integration/watch/hidden-names",
  "e2e/cli-basics",
  "integration/torture/tree-and-poll",
  "integration/gateway/ask",
  "integration/broker/leaf",
  "integration/docs/recipes",
];

/** By itself it goes by what the last run took, of which a fresh machine knows nothing, and by projects one after the other. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const name = relative(join(this.ctx.config.root, "test"), moduleId)
        .split(sep)
        .join("/")
        .replace(/\.test\.ts$/, "");
      const at = LONGEST.indexOf(name);
      return at < 0 ? LONGEST.length : at;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

/** `unit` passes with no server installed; `integration` and `e2e` start real ones through scripts/lab. */
const config: ViteUserConfig = defineConfig({
  test: {
    // Shared, noisy machines: generous limits on waits, none of them the thing under test.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 20_000,
    maxWorkers: Math.max(2, availableParallelism() - 1),
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          // The oracles draw new plans each time, against a limit in time. A second try is counted, and told by name.
          retry: 1,
          // After those that wait: beside them the unit suite of other Nodes has what they leave of the processors (.ci/run).
          sequence: { groupOrder: 1 },
        },
      },
      // Real servers on a machine without air miss a deadline now and then. A second try is counted, and told by
      // name with its reason: it keeps a run useful without hiding what deserves a look.
      {
        extends: true,
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          ...WAITING,
        },
      },
      // What talks to NATS, once more with the newest server: the system's is the oldest that is supported.
      {
        extends: true,
        test: {
          name: "nats-newest",
          include: [
            "test/integration/broker/!(storage).test.ts",
            "test/integration/docs/mqtt.test.ts",
            "test/integration/fleet/{client,control,single,small-payload,two-workers}.test.ts",
          ],
          globalSetup: ["test/support/servers/newest-nats/global-setup.ts"],
          setupFiles: ["test/support/servers/newest-nats/setup.ts"],
          ...WAITING,
        },
      },
      // What Samba's releases do differently, once more on a later one than the installed (scripts/lab/samba-release.ts).
      {
        extends: true,
        test: {
          name: "later-samba",
          include: LATER_SAMBA.map((file) => `test/integration/${file}.test.ts`),
          globalSetup: ["test/support/servers/later-samba/global-setup.ts"],
          setupFiles: ["test/support/servers/later-samba/setup.ts"],
          ...WAITING,
        },
      },
      {
        extends: true,
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          ...WAITING,
        },
      },
    ],
  },
});

export default config;
