import type { Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import * as ws from "ws";
import { textFrame } from "../../../../src/gateway/peer/ws-socket.ts";

/** Exported, and not in the library's types. */
const { Receiver } = ws as unknown as { Receiver: new (options: { readonly isServer: boolean }) => Writable };

describe("a text frame", () => {
  it.each([0, 1, 125, 126, 65_535, 65_536, 200_000])(
    "of %i bytes is read back by the library",
    async (length) => {
      const text = "é".repeat(length >> 1) + "x".repeat(length & 1);
      const receiver = new Receiver({ isServer: false });
      const read = new Promise((resolve, reject) => {
        receiver.on("message", (data: Buffer, isBinary: boolean) => resolve([String(data), isBinary]));
        receiver.on("error", reject);
      });
      receiver.write(textFrame(text));
      expect(await read).toEqual([text, false]);
    },
  );
});
