import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Fleet, until } from "./harness.ts";

const EXAMPLE = join(import.meta.dirname, "../../../examples/consumer-python/consumer.py");
const python = ["python3", "python"].find((name) => spawnSync(name, ["--version"]).status === 0);
if (python === undefined) console.warn("skipped: no Python here to run the example with");

let fleet: Fleet;
let child: ChildProcess | undefined;
beforeEach(async () => {
  fleet = await Fleet.start();
});
afterEach(async () => {
  child?.kill("SIGKILL");
  await fleet.close();
});

describe.skipIf(python === undefined)("the example in Python", () => {
  it("acquires, lists, follows, lists again on resync, renews, and gives its watch back", async () => {
    await fleet.worker();
    fleet.share.add("/inbox", "old.txt");
    const lines: Record<string, unknown>[] = [];
    let errors = "";
    let ended: number | null | undefined;
    child = spawn(python as string, [EXAMPLE, "nas1", "inbox/", "--server", `127.0.0.1:${fleet.nats.port}`]);
    let partial = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      const parts = `${partial}${chunk.toString()}`.split("\n");
      partial = parts.pop() ?? "";
      for (const part of parts) lines.push(JSON.parse(part) as Record<string, unknown>);
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      errors += chunk.toString();
    });
    child.on("close", (code) => {
      ended = code;
    });
    const picture = (): string | undefined => (lines.at(-1)?.["names"] as string[] | undefined)?.join();
    await until("its first picture", () => picture() === "old.txt" || errors !== "");
    expect(errors).toBe("");
    fleet.share.add("/inbox", "Übung 日本.txt");
    await until("an added name", () => picture() === "old.txt,Übung 日本.txt");
    fleet.share.remove("/inbox", "old.txt");
    await until("a removed name", () => picture() === "Übung 日本.txt");
    // Not told, only announced.
    fleet.share.names.get("/inbox")?.add("silent.txt");
    fleet.share.emit({ type: "resync", path: "/inbox", scope: "self", reason: "overflow" });
    await until("the listing after a resync", () => picture() === "silent.txt,Übung 日本.txt");
    const { view } = await fleet.member();
    const lease = () => [...view.leases.values()].find(({ record }) => record.host === "consumer.py");
    const revision = lease()?.revision;
    await until("a renewal", () => (lease()?.revision ?? 0) > (revision ?? Number.POSITIVE_INFINITY));
    child.kill("SIGTERM");
    await until("its end", () => ended !== undefined);
    expect([ended, errors]).toEqual([0, ""]);
    expect(lines.at(-1)).toEqual({ released: "/inbox" });
    await until("the watch to end", () => fleet.share.armed("/inbox") === 0);
  });
});
