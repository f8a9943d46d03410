import { decodeEmptyBody, encodeEmptyBody } from "./empty-body.ts";

/** MS-SMB2 2.2.11 and 2.2.12: SMB2 TREE_DISCONNECT. */

export function encodeTreeDisconnectRequest(): Uint8Array {
  return encodeEmptyBody();
}

export function decodeTreeDisconnectRequest(message: Uint8Array): void {
  decodeEmptyBody(message, "TREE_DISCONNECT request");
}

export function encodeTreeDisconnectResponse(): Uint8Array {
  return encodeEmptyBody();
}

export function decodeTreeDisconnectResponse(message: Uint8Array): void {
  decodeEmptyBody(message, "TREE_DISCONNECT response");
}
