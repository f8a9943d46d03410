import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RequestError } from "../../../../src/gateway/errors.ts";
import { errorFrame, parseRequest } from "../../../../src/gateway/peer/protocol.ts";

const parse = (value: unknown): ReturnType<typeof parseRequest> => parseRequest(JSON.stringify(value));

describe("requests", () => {
  it.each([
    { action: "subscribe", connection_id: "nas1", path: "/a" },
    {
      action: "subscribe",
      connection_id: "nas1",
      path: "",
      recursive: true,
      detail: "changes",
      since: "s:1",
      id: 1,
    },
    { action: "unsubscribe", connection_id: "nas1", path: "/a", id: "x" },
    { action: "ping" },
    { action: "auth", token: "t" },
    { action: "list", connection_id: "nas1", path: "/a", after: "b" },
    { action: "connections", id: 0 },
  ])("understands %j", (request) => {
    expect(parse(request)).toEqual({ ok: true, request });
  });

  it("ignores members it does not know", () => {
    expect(parse({ action: "ping", colour: "red" })).toEqual({ ok: true, request: { action: "ping" } });
  });

  it.each([
    ["", {}],
    ["null", {}],
    ["[]", {}],
    ["7", {}],
    ['{"action":"subscribe"}', {}],
    ['{"action":"subscribe","connection_id":1,"path":"/a","id":"r1"}', { path: "/a", id: "r1" }],
    ['{"action":"toString","id":5}', { id: 5 }],
    ['{"action":"__proto__","connection_id":"c"}', { connection_id: "c" }],
    [
      '{"action":"subscribe","connection_id":"c","path":"/","recursive":"yes"}',
      { connection_id: "c", path: "/" },
    ],
  ])("refuses %s and says which request it was", (text, context) => {
    expect(parseRequest(text)).toMatchObject({ ok: false, context });
  });

  it("survives depth", () => {
    const deep = "[".repeat(8_000) + "]".repeat(8_000);
    expect(parseRequest(`{"action":"ping","x":${deep}}`)).toMatchObject({ ok: true });
    expect(parseRequest(`{"action":${deep}}`)).toMatchObject({ ok: false });
  });

  it("property: no text makes it throw, and what it believes is one of ours", () => {
    const action = fc.constantFrom("subscribe", "unsubscribe", "ping", "auth", "list", "connections", "x");
    const message = fc.record(
      { action, connection_id: fc.anything(), path: fc.anything(), id: fc.anything(), token: fc.anything() },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          message.map((value) => JSON.stringify(value)),
        ),
        (text) => {
          const parsed = parseRequest(text);
          if (parsed.ok && "path" in parsed.request) expect(typeof parsed.request.path).toBe("string");
          if (!parsed.ok) expect(parsed.message).not.toBe("");
        },
      ),
    );
  });
});

describe("error frames", () => {
  it("echo what is known and nothing else", () => {
    expect(errorFrame(new RequestError("denied", "no"), {})).toEqual({
      type: "error",
      code: "denied",
      message: "no",
    });
    expect(errorFrame(new RequestError("denied", "no"), { connection_id: "c", path: "", id: 0 })).toEqual({
      type: "error",
      code: "denied",
      message: "no",
      connection_id: "c",
      path: "",
      id: 0,
    });
  });
});
