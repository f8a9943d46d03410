import { headers, MsgHdrsImpl } from "@nats-io/transport-node";
import { describe, expect, it } from "vitest";
import { headerOf, toNatsHeaders } from "../../../../src/broker/link/headers.ts";

const VALUES = {
  "Nats-Msg-Id": "epoch-4:42",
  "ce-type": "io.github.smb2nats.changes",
  "ce-subject": "/M%C3%A9dia/a%20b",
  "Content-Type": " application/json; charset=utf-8 ",
  empty: "",
};

describe("headers", () => {
  it("are the bytes that the client makes of them, one after the other", () => {
    const theirs = headers();
    for (const [name, value] of Object.entries(VALUES)) theirs.set(name, value);
    expect(new TextDecoder().decode((toNatsHeaders(VALUES) as MsgHdrsImpl).encode())).toBe(
      new TextDecoder().decode((theirs as MsgHdrsImpl).encode()),
    );
  });

  it("never smuggle another header in", () => {
    for (const value of ["a\r\nNats-Msg-Id: b", "a\n", "\r"])
      expect(() => toNatsHeaders({ "ce-id": value })).toThrow(/header/);
  });

  it("are read as the client reads them", () => {
    const text = "NATS/1.0\r\na: 1\r\na: 2\r\nempty:\r\nB: 3\r\n\r\n";
    const read = MsgHdrsImpl.decode(new TextEncoder().encode(text));
    for (const of of [read, copyOf(read)]) {
      const value = (name: string): string | undefined => headerOf({ headers: of }, name);
      expect(["a", "empty", "B", "b", "absent"].map(value)).toEqual(["1", "", "3", undefined, undefined]);
    }
    expect(headerOf({}, "a")).toBeUndefined();
  });
});

/** The same, of another copy of the client. */
function copyOf(read: MsgHdrsImpl): MsgHdrsImpl {
  return {
    has: (name: string) => read.has(name),
    get: (name: string) => read.get(name),
  } as unknown as MsgHdrsImpl;
}
