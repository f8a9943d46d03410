import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { refusalFacts } from "../../../src/gateway/facts.ts";
import { type Bench, startGateway } from "../../support/servers/gateway.ts";

const PAGE = join(import.meta.dirname, "../../../src/gateway/page");

describe("plain HTTP", () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await startGateway();
  });
  afterAll(() => bench.close());
  const get = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(new URL(path, bench.url), init);

  it.each([
    ["/", "text/html"],
    ["/?token=secret", "text/html"],
    ["/app.js", "text/javascript"],
    ["/style.css", "text/css"],
  ])("%s is served, and sealed", async (path, type) => {
    const response = await get(path);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toContain(type);
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    const policy = response.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain("unsafe");
    expect((await response.text()).length).toBeGreaterThan(100);
  });

  it("every file of the page is served, and what each of them asks for", async () => {
    const files = readdirSync(PAGE).filter((name) => /\.(js|css)$/.test(name));
    expect(files.length).toBeGreaterThan(20);
    const asked = new Set(files);
    // The client is more than its door.
    for (const name of ["client.js", "link.js", "mirror.js", "tree.js"]) asked.add(name);
    for (const name of [...files, "client.js", "link.js", "mirror.js", "tree.js", ""]) {
      const text = await (await get(`/${name}`)).text();
      for (const [, other = ""] of text.matchAll(/(?:from|src=|href=) ?"(?:\.\/)?([\w-]+\.(?:js|css))"/g))
        asked.add(other);
    }
    for (const name of asked) expect((await get(`/${name}`)).status, name).toBe(200);
  });

  it("the page has no script, style or handler inside it", async () => {
    const html = await (await get("/")).text();
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|https?:\/\//i);
  });

  it("has no body for HEAD, and none for what has not changed", async () => {
    const full = await get("/");
    const head = await get("/", { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect(head.headers.get("content-length")).toBe(full.headers.get("content-length"));
    const again = await get("/", { headers: { "if-none-match": full.headers.get("etag") ?? "" } });
    expect(again.status).toBe(304);
  });

  it.each([
    ["GET", "/nothing", 404],
    ["HEAD", "/nothing", 404],
    ["GET", "/page/index.html", 404],
    ["GET", "/..%2f..%2fpackage.json", 404],
    ["POST", "/", 405],
    ["DELETE", "/app.js", 405],
    ["GET", "/ws", 426],
    ["GET", "/api/ws", 426],
  ])("%s %s is %i", async (method, path, status) => {
    const response = await get(path, { method });
    expect(response.status).toBe(status);
    if (status === 405) expect(response.headers.get("allow")).toBe("GET, HEAD");
  });
});

describe("a handshake that came as a plain request", () => {
  let bench: Bench;
  afterEach(() => bench.close());
  const said = async (query = "", headers: Record<string, string> = {}): Promise<string> =>
    (await fetch(new URL(`/ws${query}`, bench.url), { headers })).text();

  it("is told what it would have met", async () => {
    bench = await startGateway({ limits: { connectionsPerAddress: 1 } });
    expect(await said(`?origin=${bench.url.slice(0, -1)}`)).toContain(
      "Nothing here speaks against a handshake",
    );
    expect(await said("?origin=https://files.example.org")).toContain("gateway.allowedOrigins");
    expect(await said("?origin=https://files.example.org")).toContain(`"127.0.0.1:${bench.port}"`);
    await bench.connect();
    expect(await said()).toContain("gateway.limits.connectionsPerAddress");
  });

  it("is told where tokens are taken from", async () => {
    const grants = [{ connection: "nas1", path: "/**" }];
    const auth = { mode: "tokens", tokens: [{ token: "t".repeat(16), grants }] } as const;
    bench = await startGateway({ auth: { ...auth, firstFrame: false } });
    expect(await said()).toContain("gateway.auth.firstFrame");
    await bench.close();
    bench = await startGateway({ auth });
    expect(await said()).toContain("Nothing here speaks against");
  });

  it("is counted, with what it claimed, and without its token", async () => {
    bench = await startGateway();
    const facts: unknown[] = [];
    const off = refusalFacts.subscribe((fact) => facts.push(fact));
    await said("?token=secret-of-anna");
    await said("?token=secret-of-anna", { "Sec-WebSocket-Key": "x", Origin: "https://files.example.org" });
    off();
    const { port } = bench;
    expect(facts).toEqual([
      {
        reason: "no-upgrade",
        address: "127.0.0.1",
        host: `127.0.0.1:${port}`,
        origin: "https://files.example.org",
      },
    ]);
  });
});
