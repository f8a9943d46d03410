import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Stack, startStack } from "../../scripts/lab/stack.ts";
import { WsClient } from "../support/clients/ws-client.ts";
import { launchBrowser } from "../support/page/browser.ts";
import { until } from "../support/until.ts";

const ARTIFACTS = join(import.meta.dirname, "../../artifacts");

describe("a change on a real share reaches a browser", () => {
  let stack: Stack;
  let ws: string;

  beforeAll(async () => {
    // Names as they are: with mangling, a name that Windows could not have is told as listings spell it.
    const shares = { share: { "mangled names": "no" } };
    stack = await startStack({ connection: { cover: "directory" }, samba: { shares } });
    ws = `${stack.gateways[0]?.url.replace("http", "ws")}/ws`;
    await stack.samba.smbclient("mkdir Photos; mkdir Odd; mkdir Docs; mkdir Gone");
  });
  afterAll(() => stack?.close());

  it("tells a WebSocket client of a change made by smbclient, path echoed as sent", async () => {
    const client = await WsClient.open(ws);
    try {
      expect(await client.subscribe("Photos/")).toMatchObject({
        type: "subscribed",
        connection_id: "lab",
        path: "Photos/",
      });
      await stack.samba.smbclient("mkdir Photos/summer");
      expect(await client.next((frame) => frame.type === "directory_changed")).toMatchObject({
        connection_id: "lab",
        path: "Photos/",
      });
    } finally {
      await client.close();
    }
  });

  it("says what its handles do to others", () => {
    expect(stack.workers[0]?.process.log()).toMatch(/"cover\.in-the-way".*"connection":"lab"/);
  });

  it("tells a NATS subscriber the same change as a CloudEvent", async () => {
    const client = await WsClient.open(ws);
    const nats = await connect({ servers: stack.nats.url });
    try {
      await client.subscribe("/Docs");
      const subscription = nats.subscribe("smb.lab.docs");
      await nats.flush();
      await stack.samba.smbclient("mkdir Docs/Letters; rename Docs/Letters Docs/Post");
      const changes: unknown[] = [];
      for await (const message of subscription) {
        expect(message.headers?.get("ce-specversion")).toBe("1.0");
        expect(message.headers?.get("ce-datacontenttype")).toBe("application/json");
        expect(message.headers?.get("ce-subject")).toBe("/Docs");
        expect(message.headers?.get("ce-id")).toBe(message.headers?.get("Nats-Msg-Id"));
        expect(message.headers?.get("Nats-Stream")).toBe("SMB");
        if (message.headers?.get("ce-type") !== "smb2nats.changes") continue;
        const body = message.json<{
          path: string;
          connection: string;
          via: string;
          changes: { action: string }[];
        }>();
        expect(body).toMatchObject({ connection: "lab", path: "/Docs", via: "notify" });
        changes.push(...body.changes);
        if (body.changes.some((change) => change.action === "renamed")) break;
      }
      expect(changes).toContainEqual({ action: "added", name: "Letters" });
      expect(changes).toContainEqual({ action: "renamed", name: "Post", oldName: "Letters" });
    } finally {
      await nats.close();
      await client.close();
    }
  });

  it("carries odd names unharmed", async () => {
    const names = [
      "Ünï 😀.txt",
      "a.b.c",
      "100% *",
      `${"x".repeat(251)}.txt`,
      "cafe\u0301.txt",
      ".hidden",
      "trailing spaces  ",
      "trailing dot.",
      "<tag>&amp;.txt",
    ];
    const client = await WsClient.open(ws);
    try {
      expect((await client.subscribe("/Odd", { detail: "changes" })).type).toBe("subscribed");
      // Made on the server itself: no client stands between the name and us.
      for (const name of names) writeFileSync(join(stack.samba.path(), "Odd", name), "x");
      await until("all names", () => {
        const told = new Set(client.changes("/Odd").map((change) => change.name));
        return names.every((name) => told.has(name));
      }).catch(() => undefined); // the comparison below says which are missing
      const told = new Set(client.changes("/Odd").map((change) => change.name));
      expect(names.filter((name) => !told.has(name))).toEqual([]);
    } finally {
      await client.close();
    }
  });

  it("answers bad input with the contract's codes and stays up", async () => {
    const client = await WsClient.open(ws);
    const ask = async (frame: unknown): Promise<unknown> => {
      const from = client.frames.length;
      client.send(frame);
      return client.next((answer) => answer.type !== "directory_changed", { from });
    };
    try {
      const sub = { action: "subscribe", connection_id: "lab" };
      expect(await ask("{not json")).toMatchObject({ type: "error", code: "bad_message" });
      expect(await ask({ action: "dance", id: 7 })).toMatchObject({ type: "error", code: "bad_message" });
      expect(await ask({ ...sub, path: "/a/../b" })).toMatchObject({
        type: "error",
        code: "bad_path",
        path: "/a/../b",
      });
      expect(await ask({ ...sub, connection_id: "nope", path: "/" })).toMatchObject({
        type: "error",
        code: "unknown_connection",
      });
      expect(await ask({ ...sub, path: "/missing", id: "q1" })).toMatchObject({
        type: "error",
        code: "not_found",
        id: "q1",
        path: "/missing",
      });
      expect(await ask({ action: "ping" })).toMatchObject({ type: "pong" });
    } finally {
      await client.close();
    }
  });

  it("survives the file server's death, says so, re-arms, and announces the gap", async () => {
    const client = await WsClient.open(ws);
    try {
      await client.subscribe("/Gone", { detail: "changes" });
      const from = client.frames.length;
      await stack.samba.kill();
      await client.next((frame) => frame.type === "state" && frame["state"] === "unreachable", { from });
      // Nobody can tell us of this one: it must be found, or covered by a resync.
      writeFileSync(join(stack.samba.path(), "Gone", "while-away.txt"), "x");
      await stack.samba.start();
      await client.next(
        (frame) =>
          frame.type === "directory_changed" &&
          (frame["resync"] === true || JSON.stringify(frame["changes"] ?? []).includes("while-away.txt")),
        { from, timeoutMs: 40_000 },
      );
      await client.next((frame) => frame.type === "state" && frame["state"] === "live", { from });
      await stack.samba.smbclient("mkdir Gone/after");
      await until("the change after the return", () =>
        client.changes("/Gone").some((change) => change.name === "after"),
      );
      const metrics = await (await fetch(`${stack.workers[0]?.ops}/metrics`)).text();
      expect(metrics).toMatch(/^smb2nats_smb_reconnects_total\{[^}]*\} [1-9]/m);
      expect(stack.workers[0]?.process.log()).toMatch(/unreachable|lost/);
      expect(stack.workers[0]?.process.running).toBe(true);
    } finally {
      await client.close();
    }
  });

  it("shows a new file as a row of the live page", async () => {
    mkdirSync(join(stack.samba.path(), "Inbox"));
    const browser = await launchBrowser();
    try {
      const page = await browser.context.newPage();
      const problems: string[] = [];
      page.on("pageerror", (error) => problems.push(String(error)));
      page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
      await page.goto(`${stack.gateways[0]?.url}/#watch=lab:/Inbox`);
      await page.getByText(/^live/i).first().waitFor();
      await stack.samba.smbclient(`mkdir "Inbox/Ünï 😀"`);
      await page.getByText("Ünï 😀").first().waitFor();
      writeFileSync(join(stack.samba.path(), "Inbox", "<img src=x>.txt"), "x");
      renameSync(
        join(stack.samba.path(), "Inbox", "<img src=x>.txt"),
        join(stack.samba.path(), "Inbox", "letter.txt"),
      );
      await page.getByText("letter.txt").first().waitFor();
      rmSync(join(stack.samba.path(), "Inbox", "letter.txt"));
      await page
        .getByText(/removed/i)
        .first()
        .waitFor();
      await page.screenshot({ path: join(ARTIFACTS, "live-page.png") });
      expect(problems).toEqual([]);
    } finally {
      await browser.close();
    }
  });
});
