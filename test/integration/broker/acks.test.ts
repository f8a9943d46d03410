import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Nats, startNats } from "../../../scripts/lab/nats.ts";
import { Scope } from "../../../src/base/scope.ts";
import { NatsLink, toBrokerError } from "../../../src/broker/link/index.ts";
import { until } from "../../support/until.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const LONG_MS = 20_000;

describe("acknowledgements", () => {
  let nats: Nats;
  let scope: Scope;
  let link: NatsLink;
  /** May do everything. */
  let owner: NatsLink;

  const login = async (user: string): Promise<NatsLink> =>
    scope.use(
      await NatsLink.connect({
        servers: [nats.url],
        name: user,
        auth: { type: "user", user, password: "secret" },
        ...(user === "deaf" ? { inboxPrefix: "_INBOX_deaf" } : {}),
      }),
    );
  const store = (subject: string, headers: Record<string, string> = {}, timeoutMs = LONG_MS, by = link) =>
    by.acks.store(subject, bytes("x"), { headers, timeoutMs });
  const codeOf = (stored: Promise<unknown>): Promise<string> =>
    stored.then(
      () => "stored",
      (error: unknown) => toBrokerError(error, "test").code,
    );

  beforeAll(async () => {
    const writer = `{ publish: ["told.>", "mute", "odd", "nobody"], subscribe: ["_INBOX.>"] }`;
    const deaf = `{ publish: ["told.>"], subscribe: { deny: ">" } }`;
    nats = await startNats({
      config: `authorization: { users: [
        { user: owner, password: secret },
        { user: writer, password: secret, permissions: ${writer} },
        { user: deaf, password: secret, permissions: ${deaf} } ] }`,
    });
    scope = new Scope();
    owner = await login("owner");
    await owner.jsm.streams.add({ name: "TOLD", subjects: ["told.>"] });
    link = await login("writer");
  });
  afterAll(async () => {
    await scope?.close();
    await nats?.stop();
  });

  it("tell where a message is, and that it was there before", async () => {
    const [first, second] = await Promise.all([store("told.a"), store("told.b")]);
    expect([first, second]).toEqual([
      { sequence: 1, duplicate: false },
      { sequence: 2, duplicate: false },
    ]);
    const once = await store("told.a", { "Nats-Msg-Id": "once" });
    expect(await store("told.a", { "Nats-Msg-Id": "once" })).toEqual({ ...once, duplicate: true });
  });

  it("say what the stream has against it", async () => {
    expect(await codeOf(store("told.a", { "Nats-Expected-Last-Subject-Sequence": "77" }))).toBe(
      "BROKER_CONFLICT",
    );
    expect(await codeOf(store("told.a", { "Nats-Expected-Stream": "OTHER" }))).toBe("BROKER_NO_STREAM");
    expect(await codeOf(store("nobody"))).toBe("BROKER_NO_JETSTREAM");
  });

  it("do not wait where the server refuses, and others go on", async () => {
    const [refused, stored] = await Promise.all([codeOf(store("forbidden")), codeOf(store("told.a"))]);
    expect([refused, stored]).toEqual(["BROKER_DENIED", "stored"]);
    expect(await codeOf(store("told.a", {}, LONG_MS, await login("deaf")))).toBe("BROKER_DENIED");
  });

  it("come too late, each by its own deadline", async () => {
    const mute = owner.subscribe("mute", () => undefined);
    await mute.ready;
    const long = codeOf(store("mute", {}, 600));
    const begun = performance.now();
    expect(await codeOf(store("mute", {}, 100))).toBe("BROKER_TIMEOUT");
    expect(performance.now() - begun).toBeLessThan(500);
    expect(await long).toBe("BROKER_TIMEOUT");
    mute.close();
  });

  it("are believed only where they can be read", async () => {
    const answers = ["", "no JSON", "7", "{}", `{"stream":"TOLD","seq":"1"}`];
    const odd = owner.subscribe("odd", ({ respond }) => respond(bytes(answers.shift() ?? "")));
    await odd.ready;
    for (const _ of [...answers]) expect(await codeOf(store("odd"))).toBe("BROKER_REFUSED");
    odd.close();
  });

  it("come again after a restart of the server", async () => {
    await nats.kill();
    const open = codeOf(store("told.a", {}, 300));
    expect(await open).toBe("BROKER_TIMEOUT");
    await until("the link to notice", () => !link.connected);
    await nats.start();
    await until("the link to stand again", () => link.connected);
    expect(await codeOf(store("told.a"))).toBe("stored");
  });

  it("are given up with the connection", async () => {
    await until("the owner's link to stand again", () => owner.connected);
    const mute = owner.subscribe("mute", () => undefined);
    await mute.ready;
    const open = codeOf(store("mute", {}, LONG_MS));
    await link.close();
    expect(await open).toBe("BROKER_UNAVAILABLE");
    expect(await codeOf(store("told.a"))).toBe("BROKER_UNAVAILABLE");
  });
});
