import { decodeEmptyBody, encodeEmptyBody } from "./empty-body.ts";

/** MS-SMB2 2.2.30: SMB2 CANCEL. It has no response: its target completes with STATUS_CANCELLED. */

export function encodeCancelRequest(): Uint8Array {
  return encodeEmptyBody();
}

export function decodeCancelRequest(message: Uint8Array): void {
  decodeEmptyBody(message, "CANCEL request");
}
