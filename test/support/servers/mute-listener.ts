import { createServer, type Socket } from "node:net";
import { listening } from "./listening.ts";

/** Accepts every connection and never says a word: a firewall that eats packets, or the wrong port. */
export interface MuteListener {
  readonly port: number;
  /** Connections accepted so far. */
  readonly accepted: number;
  /** Those the client has not ended yet. */
  readonly open: number;
  close(): Promise<void>;
}

/** @param greeting - all it ever says, to each. @param at - its port; 0: a free one. */
export async function startMuteListener(greeting = "", at = 0): Promise<MuteListener> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  const server = createServer((socket) => {
    accepted++;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => undefined);
    // Reads, as a kernel's buffers would, and says nothing to it.
    socket.resume();
    if (greeting !== "") socket.write(greeting);
  });
  const port = await listening(server, at);
  return {
    port,
    get accepted() {
      return accepted;
    },
    get open() {
      return sockets.size;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
