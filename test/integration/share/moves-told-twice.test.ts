import { afterEach, describe, expect, it } from "vitest";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { Share } from "../../../src/share/share.ts";
import type { WatchEvent } from "../../../src/watch/events.ts";
import { transitions } from "../../../src/watch/facts.ts";
import { ScriptedServer } from "../../support/servers/scripted-server/server.ts";
import { until } from "../../support/until.ts";

/** What DittoFS 0.29 does with `mv x1/m1 x2/gone`: the pair goes to both directories, by names alone. */
const MOVED = [
  { action: 4, fileName: "m1" },
  { action: 5, fileName: "gone" },
];

describe("a server that tells a move between directories to both as one rename", () => {
  let server: ScriptedServer;
  let share: Share;

  afterEach(async () => {
    await share.close();
    await server.stop();
    expect(server.violations).toEqual([]);
  });

  for (const what of ["file", "directory"] as const) {
    const recursive = what === "directory";
    it(`is corrected: a ${what}, ${recursive ? "with" : "without"} sub-directories`, async () => {
      const below = what === "directory" ? { "x1\\m1": ["deep"] } : {};
      const moved = what === "directory" ? { "x2\\gone": ["deep"] } : {};
      server = await ScriptedServer.start({
        directories: { "": ["x1", "x2"], x1: ["m1", "stays"], x2: [], ...below },
      });
      share = new Share({
        smb: {
          host: server.host,
          port: server.port,
          share: "share",
          auth: createNtlmProvider({ username: server.user, password: server.password }),
        },
        watch: { cover: "directory" },
      });
      const told: WatchEvent[] = [];
      const settled = new Map<string, number>();
      const unsubscribe = transitions.subscribe(({ path, to }) => {
        if (to === "live") settled.set(path, (settled.get(path) ?? 0) + 1);
      });
      const watches = ["/x1", "/x2"].map((path) =>
        share.watches.watch({ path, recursive }, (event) => told.push(event)),
      );
      for (const { live } of watches) await live;
      const paths = ["/x1", "/x2", ...(what === "directory" && recursive ? ["/x1/m1"] : [])];
      await until("the second looks are over", () => paths.every((path) => (settled.get(path) ?? 0) > 1));
      unsubscribe();
      server.script = { directories: { "": ["x1", "x2"], x1: ["stays"], x2: ["gone"], ...moved } };
      for (const directory of ["x1", "x2"]) {
        for (const peer of server.peers) {
          const pending = peer.pending.find(({ handle }) => peer.handles.get(handle) === directory);
          if (pending !== undefined) peer.notify(MOVED, pending);
        }
      }
      const changes = (): string[] =>
        told.flatMap((event) =>
          event.type !== "changes"
            ? []
            : event.changes.map(({ action, name }) => `${event.via} ${action} ${event.path}/${name}`),
        );
      await until("the phantom goes", () => changes().includes("rescan removed /x1/gone"));
      const inside = what === "directory" && recursive;
      if (inside) await until("what lies in it", () => changes().includes("rescan added /x2/gone/deep"));
      await until("all is well", () => watches.every(({ state }) => state === "live"));
      // What a handle at its new place finds is not gone again by then.
      expect(changes().filter((each) => each.includes("removed /x2"))).toEqual([]);
      expect(changes()).toContain("notify renamed /x2/gone");
    });
  }
});
