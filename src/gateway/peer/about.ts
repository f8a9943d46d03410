import type { FleetClient } from "../../fleet/port.ts";
import type { Identity } from "../auth/index.ts";
import { type Caller, whoamiFrame } from "./caller.ts";
import type { ServerFrame } from "./protocol.ts";
import { workersFrame } from "./workers.ts";

/** What a client may know of the service, and of how it is seen. */
export function aboutFrame(
  action: "connections" | "workers" | "whoami",
  identity: Identity,
  caller: Caller,
  service: { readonly fleet: FleetClient; readonly connectionNames: () => readonly string[] },
): ServerFrame {
  if (action === "whoami") return whoamiFrame(caller, identity);
  const { rights } = identity;
  const connections = service.connectionNames().filter((name) => rights.knows(name));
  if (action === "connections") return { type: "connections", connections };
  return workersFrame(service.fleet.workers(), connections, rights);
}
