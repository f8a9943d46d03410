import { availableParallelism } from "node:os";
import { defineConfig, type ViteUserConfig } from "vitest/config";

const LATER_SAMBA = [
  "share/{names,smb-client}",
  "smb/{first-watch,interop-matrix,samba-edges}",
  "torture/shares",
  "watch/*",
];

/** Most of the time they wait for servers: with as many workers as processors, two thirds of the processors' time was idle. */
const WAITING: { maxWorkers: number; retry: number } = { maxWorkers: availableParallelism() + 1, retry: 1 };

/** `unit` passes with no server installed; `integration` and `e2e` start real ones through scripts/lab. */
const config: ViteUserConfig = defineConfig({
  test: {
    // Shared, noisy machines: generous limits on waits, none of them the thing under test.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 20_000,
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          // The oracles draw new plans each time, against a limit in time. A second try is counted, and told by name.
          retry: 1,
          sequence: { groupOrder: 0 },
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
          sequence: { groupOrder: 1 },
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
          sequence: { groupOrder: 1 },
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
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          maxWorkers: 2,
          retry: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});

export default config;
