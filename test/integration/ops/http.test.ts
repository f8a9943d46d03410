import { afterEach, describe, expect, it } from "vitest";
import { OpsServer, type ReadinessCheck } from "../../../src/ops/http.ts";

// A listener of our own on loopback; no server of anyone else is involved.
let ops: OpsServer | undefined;
afterEach(async () => ops?.close());

async function listen(): Promise<{
  get: (path: string, init?: RequestInit) => Promise<Response>;
  ops: OpsServer;
}> {
  const server = await OpsServer.listen({
    host: "127.0.0.1",
    port: 0,
    version: { version: "1.2.3", commit: "abc" },
    metrics: { scrape: async () => ({ contentType: "text/plain; version=0.0.4", text: "x 1\n" }) },
  });
  ops = server;
  return { ops: server, get: (path, init) => fetch(`http://127.0.0.1:${server.port}${path}`, init) };
}

describe("the operators' endpoint", () => {
  it("answers what it is for, and nothing else", async () => {
    const { get } = await listen();
    expect(await (await get("/healthz")).text()).toBe("ok\n");
    expect(await (await get("/version")).json()).toEqual({ version: "1.2.3", commit: "abc" });
    const metrics = await get("/metrics?x=1");
    expect([metrics.headers.get("content-type"), await metrics.text()]).toEqual([
      "text/plain; version=0.0.4",
      "x 1\n",
    ]);
    expect((await get("/")).status).toBe(404);
    expect((await get("/metrics", { method: "POST", body: "x" })).status).toBe(405);
    const head = await get("/healthz", { method: "HEAD" });
    expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([200, "3", ""]);
  });

  it("does what it is asked by POST, and by nothing else", async () => {
    const { get, ops } = await listen();
    let done = 0;
    const remove = ops.addAction("/auth/recheck", () => done++);
    expect((await get("/auth/recheck", { method: "POST", body: "x".repeat(10_000) })).status).toBe(202);
    const refused = await get("/auth/recheck");
    expect([refused.status, refused.headers.get("allow"), done]).toEqual([405, "POST", 1]);
    remove();
    expect((await get("/auth/recheck", { method: "POST" })).status).toBe(405);
  });

  it("is ready when every check is, and says which is not and why", async () => {
    const { get, ops } = await listen();
    let nats: ReturnType<ReadinessCheck> = { ready: false, reason: "not connected" };
    ops.addCheck("nats", () => nats);
    const remove = ops.addCheck("lease", () => {
      throw new Error("secret");
    });
    const refused = await get("/readyz");
    expect([refused.status, await refused.json()]).toEqual([
      503,
      {
        ready: false,
        checks: {
          nats: { ready: false, reason: "not connected" },
          lease: { ready: false, reason: "the check failed" },
        },
      },
    ]);
    nats = { ready: true };
    remove();
    expect((await get("/readyz")).status).toBe(200);
  });

  it("says when the port is taken", async () => {
    const { ops } = await listen();
    const again = OpsServer.listen({
      host: "127.0.0.1",
      port: ops.port,
      version: { version: "1", commit: undefined },
      metrics: { scrape: async () => ({ contentType: "", text: "" }) },
    });
    await expect(again).rejects.toMatchObject({ code: "LISTEN", message: /the port is taken/ });
  });

  it("closes once, for everyone", async () => {
    const { ops, get } = await listen();
    await get("/healthz");
    await Promise.all([ops.close(), ops.close()]);
    await expect(get("/healthz")).rejects.toThrow();
  });
});
