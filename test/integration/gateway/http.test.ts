import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Bench, startGateway } from "../../support/servers/gateway.ts";

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
    ["/view.js", "text/javascript"],
    ["/fleet.js", "text/javascript"],
    ["/ago.js", "text/javascript"],
    ["/style.css", "text/css"],
    ["/fleet.css", "text/css"],
    ["/panel.css", "text/css"],
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
