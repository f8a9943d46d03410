import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, it } from "vitest";
import { runProgram } from "../../../src/cli/program.ts";
import { fakeTerminal } from "./terminal.ts";

let server: Server | undefined;
afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
  server = undefined;
});

async function health(
  readyAfter: number,
  ...args: string[]
): Promise<{ code: number; asked: number; text: string }> {
  let asked = 0;
  server = createServer((_request, response) => {
    asked++;
    response.writeHead(asked > readyAfter ? 200 : 503).end("nats: not connected\n");
  });
  await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const { context, stdout, stderr } = fakeTerminal({ SMB2NATS_HTTP_PORT: String(port) });
  const code = await runProgram(["health", ...args], context);
  return { code, asked, text: stdout.text + stderr.text };
}

it("asks once", async () => {
  expect(await health(1)).toEqual({ code: 1, asked: 1, text: "error: not ready: nats: not connected\n" });
});

it("--wait asks until it is ready", async () => {
  expect(await health(2, "--wait", "30")).toEqual({ code: 0, asked: 3, text: "ready\n" });
});

it("--wait ends, and says how it was", async () => {
  const { code, text } = await health(1_000, "--wait", "1");
  expect([code, text]).toEqual([1, "error: not ready: nats: not connected\n"]);
});
