import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeHeaderValue,
  decodeMessage,
  encodeHeaderValue,
  encodeMessage,
  unreadable,
} from "../../../../src/broker/message/message-codec.ts";
import type { EventMessage } from "../../../../src/broker/message.ts";
import { Subjects } from "../../../../src/broker/subjects.ts";

const subjects = new Subjects();
const time = "2026-11-22T10:00:00.123Z";
const changes: EventMessage = {
  type: "changes",
  body: {
    connection: "nas1",
    path: "/Media/Über uns",
    epoch: "abc-17",
    seq: 42,
    time,
    via: "notify",
    changes: [
      {
        action: "added",
        name: "a.jpg",
        type: "file",
        size: 10,
        modified: time,
        fileId: "18446744073709551615",
      },
      { action: "renamed", name: "b.jpg", oldName: "B (1).jpg" },
      { action: "removed", name: "x", movedTo: "/else/x" },
      { action: "modified", name: "y", stream: true, settled: true },
    ],
  },
};
const resync: EventMessage = {
  type: "resync",
  body: {
    connection: "nas1",
    path: "/",
    epoch: "abc-17",
    seq: 1,
    time,
    scope: "subtree",
    reason: "takeover",
  },
};
const state: EventMessage = {
  type: "state",
  body: {
    connection: "nas1",
    path: "/",
    time,
    state: "degraded",
    mode: "poll",
    error: "no access",
    late: { names: 60 },
  },
};

const decode = (headers: Readonly<Record<string, string>>, payload: Uint8Array): EventMessage =>
  decodeMessage((name) => headers[name], payload);

describe("event messages", () => {
  it.each([changes, resync, state])(
    "in structured mode are one JSON body, and come back: $type",
    (message) => {
      const { id, headers, payload } = encodeMessage(message, "smb://nas/media", "structured");
      expect(decode(headers, payload)).toEqual(message);
      // A reader that finds a `ce-` header takes the message for binary.
      expect(headers).toEqual({
        "Nats-Msg-Id": id,
        "Content-Type": "application/cloudevents+json; charset=utf-8",
      });
      expect(JSON.parse(Buffer.from(payload).toString())).toEqual({
        specversion: "1.0",
        id,
        source: "smb://nas/media",
        type: `smb2nats.${message.type}`,
        subject: message.body.path,
        time: message.body.time,
        datacontenttype: "application/json",
        data: message.body,
      });
      expect(encodeMessage(message, "smb://nas/media").id).toBe(id);
    },
  );

  it.each([["[]"], ["null"], ["{}"], ['{"specversion":"1.0","type":"other"}'], ['{"specversion":"1.0"}']])(
    "in structured mode that break the contract are refused: %s",
    (text) => {
      const headers = { "Content-Type": "application/cloudevents+json" };
      expect(() => decode(headers, Buffer.from(text))).toThrow(
        expect.objectContaining({ code: "BROKER_MALFORMED" }),
      );
    },
  );

  it.each([changes, resync, state])("come back: $type", (message) => {
    const { headers, payload } = encodeMessage(message, "smb://nas/share");
    expect(decode(headers, payload)).toEqual(message);
  });

  it("are CloudEvents in binary mode", () => {
    const { id, headers, payload } = encodeMessage(changes, "smb://nas.example/My Share");
    expect(id).toBe("abc-17:42");
    expect(headers).toEqual({
      "Nats-Msg-Id": "abc-17:42",
      "ce-specversion": "1.0",
      "ce-id": "abc-17:42",
      "ce-source": "smb://nas.example/My%20Share",
      "ce-type": "smb2nats.changes",
      "ce-subject": "/Media/%C3%9Cber%20uns",
      "ce-time": time,
      "ce-datacontenttype": "application/json",
    });
    expect(JSON.parse(Buffer.from(payload).toString())).toEqual(changes.body);
  });

  it("without an epoch are named by their content", () => {
    const first = encodeMessage(state, "smb://nas/share");
    expect(encodeMessage(state, "smb://nas/share").id).toBe(first.id);
    const later: EventMessage = { ...state, body: { ...state.body, time: "2026-11-22T10:00:01.000Z" } };
    expect(encodeMessage(later, "smb://nas/share").id).not.toBe(first.id);
  });

  it.each<[string, object]>([
    ["connection", { connection: "NAS" }],
    ["path", { path: "dir/" }],
    ["path", { path: "/a/../b" }],
    ["epoch", { epoch: 7 }],
    ["seq", { seq: -1 }],
    ["seq", { seq: 1.5 }],
    ["time", { time: "yesterday" }],
    ["via", { via: "rumour" }],
    ["changes", { changes: {} }],
    ["action", { changes: [{ action: "eaten", name: "x" }] }],
    ["name", { changes: [{ action: "added", name: "a/b" }] }],
    ["name", { changes: [{ action: "added", name: "" }] }],
    ["fileId", { changes: [{ action: "added", name: "x", fileId: "0x1" }] }],
    ["settled", { changes: [{ action: "added", name: "x", settled: "yes" }] }],
  ])("with a wrong %s are not believed", (field, wrong) => {
    const { headers } = encodeMessage(changes, "smb://nas/share");
    const payload = Buffer.from(JSON.stringify({ ...changes.body, ...wrong }));
    expect(() => decode(headers, payload)).toThrow(
      expect.objectContaining({ code: "BROKER_MALFORMED", message: expect.stringContaining(field) }),
    );
  });

  it("lose fields nobody knows", () => {
    const { headers } = encodeMessage(resync, "smb://nas/share");
    expect(decode(headers, Buffer.from(JSON.stringify({ ...resync.body, extra: 1 })))).toEqual(resync);
  });

  it("are refused, not crashed on, whatever arrives", () => {
    const types = fc.constantFrom("smb2nats.changes", "smb2nats.resync", "smb2nats.state", "other");
    const body = fc.oneof(
      fc.uint8Array(),
      fc.json().map((text) => Buffer.from(text)),
      fc.object().map((extra) => Buffer.from(JSON.stringify({ ...changes.body, ...extra }))),
    );
    fc.assert(
      fc.property(types, body, (type, payload) => {
        try {
          decode({ "ce-specversion": "1.0", "ce-type": type }, payload);
        } catch (error) {
          expect(error).toMatchObject({ code: "BROKER_MALFORMED" });
        }
      }),
    );
    expect(() => decode({}, Buffer.from("{}"))).toThrow(
      expect.objectContaining({ code: "BROKER_MALFORMED" }),
    );
  });

  it("come back with each field that a change may have, and are refused where one is wrong", () => {
    const fields = {
      ...{ oldName: "o", stream: true, movedTo: "/t", movedFrom: "/f", type: "directory", size: 0 },
      ...{ modified: time, fileId: "0", emptied: true, settled: true, closed: false },
    } as const;
    const of = (more: object): Buffer => {
      const body = { ...changes.body, changes: [{ action: "renamed", name: "n", ...more }] };
      return Buffer.from(JSON.stringify(body));
    };
    const { headers } = encodeMessage(changes, "smb://nas/share");
    const read = (more: object): unknown => {
      const { type, body } = decode(headers, of(more));
      return type === "changes" && body.changes[0];
    };
    expect(read(fields)).toEqual({ action: "renamed", name: "n", ...fields });
    expect(read({})).toEqual({ action: "renamed", name: "n" });
    for (const field of Object.keys(fields)) {
      for (const bad of [null, {}, "", -1])
        expect(() => read({ [field]: bad }), `${field}: ${JSON.stringify(bad)}`).toThrow(field);
      expect(read({ [field]: fields[field as keyof typeof fields] })).toHaveProperty(field);
    }
  });

  it("are refused where they are no UTF-8, cut in a character too, and the next one is read as ever", () => {
    const { headers, payload } = encodeMessage(changes, "smb://nas/share");
    const read = (body: Uint8Array): EventMessage => decodeMessage((name) => headers[name], body);
    const cut = payload.subarray(0, Buffer.from(payload).indexOf(0xc3) + 1);
    for (const bad of [Uint8Array.of(0xff, 0xfe), cut]) {
      expect(() => read(bad)).toThrow(/not JSON/);
      expect(read(payload)).toEqual(changes);
    }
  });

  it("when unreadable become a resync of what their subject names", () => {
    expect(unreadable("nas1", { subjects, subject: "smb.nas1.a=20b" }, 7, 0)).toEqual({
      type: "resync",
      body: {
        connection: "nas1",
        path: "/a b",
        epoch: "unreadable",
        seq: 7,
        time: "1970-01-01T00:00:00.000Z",
        scope: "self",
        reason: "retention",
      },
    });
    for (const subject of ["smb.nas1.=zz", "smb.nas1.=2E=2E", "nonsense"]) {
      expect(unreadable("nas1", { subjects, subject }, 7, 0).body).toMatchObject({
        path: "/",
        scope: "subtree",
      });
    }
  });
});

describe("header values", () => {
  it("are printable ASCII and come back", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const encoded = encodeHeaderValue(text);
        expect(encoded).toMatch(/^[\x21-\x7e]*$/);
        expect(encoded).not.toContain('"');
        expect(decodeHeaderValue(encoded)).toBe(text);
      }),
    );
  });
});
