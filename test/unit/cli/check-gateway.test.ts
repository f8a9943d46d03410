import { createServer, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocketServer } from "ws";
import { runProgram } from "../../../src/cli/program.ts";
import { fakeTerminal } from "./terminal.ts";

const servers: (Server | TcpServer)[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    if ("closeAllConnections" in server) server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function listen(server: Server | TcpServer): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

interface Checked {
  readonly code: number;
  readonly steps: { step: string; ok?: boolean; detail: string; fix?: string }[];
}

async function check(url: string, ...more: string[]): Promise<Checked> {
  const { context, stdout } = fakeTerminal();
  const code = await runProgram(["check", "--gateway", url, "--json", "--timeout", "3", ...more], context);
  return { code, steps: (JSON.parse(stdout.text) as { steps: Checked["steps"] }).steps };
}

type Answer = (request: Record<string, unknown>) => Record<string, unknown> | undefined;

/** What a gateway says, as far as the check asks. */
const ANSWERS: Readonly<Record<string, Answer>> = {
  whoami: () => ({
    type: "whoami",
    client: "c",
    address: "192.0.2.1",
    subject: "anna",
    grants: [{ connection: "nas*", path: "/Media/**" }],
  }),
  connections: () => ({ type: "connections", connections: ["nas1"] }),
  workers: () => ({
    type: "workers",
    current: true,
    workers: [{ name: "w", state: "serving", connections: ["nas1"] }],
  }),
  subscribe: ({ connection_id, path }) => ({ type: "subscribed", connection_id, path }),
  ping: () => ({ type: "pong" }),
};

async function gateway(answers: Partial<typeof ANSWERS> = {}): Promise<string> {
  const http = createServer();
  const all = { ...ANSWERS, ...answers };
  new WebSocketServer({ server: http }).on("connection", (socket) => {
    socket.on("message", (data) => {
      const request = JSON.parse(String(data)) as Record<string, unknown>;
      const answer = all[String(request["action"])]?.(request);
      if (answer !== undefined) socket.send(JSON.stringify({ ...answer, id: request["id"] }));
    });
  });
  return `ws://127.0.0.1:${await listen(http)}`;
}

describe("a chain that holds", () => {
  it("is told step by step, and asks for what the token may see", async () => {
    const { code, steps } = await check(await gateway());
    expect(code).toBe(0);
    expect(steps.map(({ step, ok }) => [step, ok])).toEqual([
      ["handshake", true],
      ["seen as", true],
      ["rights", true],
      ["connections", true],
      ["workers", true],
      ["subscribe", true],
      ["ping", true],
    ]);
    expect(steps[1]?.detail).toBe("address 192.0.2.1, token of anna");
    expect(steps[5]?.detail).toBe("nas1:/Media");
  });

  it("goes on with a gateway that does not know whoami", async () => {
    const { code, steps } = await check(
      await gateway({ whoami: () => ({ type: "error", code: "bad_message" }) }),
    );
    expect(code).toBe(0);
    expect(steps[1]).toMatchObject({ step: "seen as", detail: "this gateway is too old to be asked" });
    expect(steps[4]?.detail).toBe("nas1:/");
  });
});

describe("a chain that breaks", () => {
  it.each<[string, Parameters<typeof gateway>[0], number, string, RegExp]>([
    [
      "no token",
      { whoami: () => ({ type: "error", code: "unauthenticated" }) },
      77,
      "seen as",
      /--token-file/,
    ],
    [
      "no grants",
      { whoami: () => ({ type: "whoami", address: "a", grants: [] }) },
      77,
      "rights",
      /claim smb/,
    ],
    [
      "no connections",
      { connections: () => ({ type: "connections", connections: [] }) },
      1,
      "connections",
      /none/,
    ],
    [
      "cut off",
      { workers: () => ({ type: "workers", current: false, workers: [] }) },
      69,
      "workers",
      /cut off from NATS/,
    ],
    [
      "no worker",
      { workers: () => ({ type: "workers", current: true, workers: [] }) },
      69,
      "workers",
      /start a worker/,
    ],
    [
      "no file server",
      {
        workers: () => ({
          type: "workers",
          current: true,
          workers: [{ state: "serving", connections: ["nas1"], unreachable: ["nas1"] }],
        }),
      },
      69,
      "workers",
      /do not reach the file server/,
    ],
    [
      "not there",
      { subscribe: () => ({ type: "error", code: "not_found", message: "m" }) },
      1,
      "subscribe",
      /does not exist/,
    ],
    [
      "no right",
      { subscribe: () => ({ type: "error", code: "denied", message: "m" }) },
      77,
      "subscribe",
      /no grant/,
    ],
  ])("%s: says where, and what to do", async (_name, answers, exit, step, fix) => {
    const { code, steps } = await check(await gateway(answers));
    expect(code).toBe(exit);
    const last = steps.at(-1);
    expect(last).toMatchObject({ step, ok: false });
    expect(`${last?.detail} ${last?.fix}`).toMatch(fix);
  });

  it("does not wait for ever for an answer", async () => {
    const { code, steps } = await check(await gateway({ workers: () => undefined }), "--timeout", "0.3");
    expect(code).toBe(69);
    expect(steps.at(-1)).toMatchObject({
      step: "answer",
      ok: false,
      detail: expect.stringContaining("300 ms"),
    });
  });

  it("refuses a connection that is not among them", async () => {
    const { code, steps } = await check(await gateway(), "nas2");
    expect(code).toBe(1);
    expect(steps.at(-1)).toMatchObject({ detail: "nas2 is not among them" });
  });
});

describe("a handshake that fails", () => {
  const answering =
    (status: number, headers: Record<string, string> = {}) =>
    (_request: unknown, response: ServerResponse): void => {
      response.writeHead(status, headers).end("A page\nof a proxy");
    };

  it.each([
    [200, 69, /does not pass the upgrade on/],
    [301, 69, /redirects to/],
    [401, 77, /not believed/],
    [403, 77, /allowedOrigins/],
    [404, 69, /it is \/ws/],
    [429, 69, /trustedProxies/],
    [502, 69, /does not reach the gateway/],
    [418, 69, /it says: A page$/],
  ])("with %d is explained", async (status, exit, fix) => {
    const server = createServer(
      answering(status, status === 301 ? { location: "https://x.example/ws" } : {}),
    );
    server.on("upgrade", (_request, socket) => {
      const location = status === 301 ? "Location: https://x.example/ws\r\n" : "";
      socket.end(
        `HTTP/1.1 ${status} X\r\n${location}Connection: close\r\nContent-Length: 17\r\n\r\nA page\nof a proxy`,
      );
    });
    const { code, steps } = await check(`ws://127.0.0.1:${await listen(server)}`);
    expect(code).toBe(exit);
    expect(steps).toEqual([
      expect.objectContaining({ step: "handshake", ok: false, fix: expect.stringMatching(fix) }),
    ]);
  });

  it("of a port that says nothing, of none, and of no TLS is explained", async () => {
    const mute = await listen(createTcpServer((socket) => void socket.on("error", () => undefined).resume()));
    expect((await check(`ws://127.0.0.1:${mute}`, "--timeout", "0.3")).steps[0]?.fix).toMatch(/says nothing/);
    const gone = createTcpServer();
    const port = await listen(gone);
    await new Promise((resolve) => servers.pop()?.close(resolve));
    expect((await check(`ws://127.0.0.1:${port}`)).steps[0]?.fix).toMatch(/nothing listens/);
    const plain = (await gateway()).replace("ws:", "wss:");
    expect((await check(plain)).steps[0]?.fix).toMatch(/does not speak TLS/);
  });
});

describe("what is wrong with the question", () => {
  it.each([
    [["check", "--gateway", "nonsense"], "is not an address"],
    [["check", "--gateway", "ftp://x/"], "is not ws:// or wss://"],
    [["check", "--gateway", "wss://u:secret@x/"], "takes no secret"],
    [["check", "--gateway", "wss://x/ws?token=secret"], "takes no secret"],
    [["check", "--write", "/x", "//nas/media"], "--write says nothing without --gateway"],
    [["check", "a", "b", "--gateway", "wss://x/"], "takes one connection at most"],
  ])("%j", async (args, message) => {
    const { context, stderr } = fakeTerminal();
    expect(await runProgram(args, context)).toBe(2);
    expect(stderr.text).toContain(message);
    expect(stderr.text).not.toContain("secret@");
  });
});
