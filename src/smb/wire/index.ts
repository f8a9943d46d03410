/** The face of `wire`: one connection, the requests on it and what secures them. */

export { Connection } from "./connection.ts";
export type { HeldLease } from "./leases.ts";
export {
  bytesToText,
  Call,
  HandshakeCall,
  PendingRequest,
  type RequestOptions,
  type Response,
} from "./request.ts";
export { SessionSecurity } from "./security.ts";
