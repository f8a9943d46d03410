import { once } from "node:events";
import type { AddressInfo, Server } from "node:net";

/** Opens a server on loopback and returns its port. 0: a free one. */
export async function listening(server: Server, port = 0): Promise<number> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}
